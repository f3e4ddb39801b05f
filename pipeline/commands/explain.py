"""``regionfuse fuse --explain``: pictures and a table of which expert took which region."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ...datasets.errors import ConfigError
from ...datasets.records import Pair
from ...fusion.contract import FusionMethod

logger = logging.getLogger(__name__)

FOLDER = "explain"
REGIONS, RESPONSIBILITIES, TABLE = "regions", "responsibilities", "routing.csv"


def check_explainable(method: FusionMethod, tile: int | None) -> None:
    """Refuse what has no routing to show, before anything is fused.

    Raises:
        ConfigError: another method than RegionFuse, a network that routes nothing, or tiles.
    """
    from ...fusion.regionfuse.method import RegionFuseMethod

    if not isinstance(method, RegionFuseMethod):
        raise ConfigError(
            f"--explain shows how RegionFuse routes regions to experts; {method.card.name!r} has none: "
            "leave --explain out, or use --method regionfuse"
        )
    if method.network.config.attention != "mora":
        raise ConfigError(
            "--explain: these weights are of a RegionFuse network with plain attention, which has no "
            "experts; leave --explain out"
        )
    if tile is not None:
        raise ConfigError(
            "--explain looks at whole images, and every tile would be routed for itself: leave --tile or "
            "--explain out"
        )


def explain_pairs(
    method: FusionMethod,
    pairs: Sequence[Pair],
    fused: Path,
    device: str,
    progress: Callable[[int, int, str], None],
) -> Path:
    """Write ``explain/`` into the folder of the fused images and return it.

    For every image ``regions/STEM.png`` and ``responsibilities/STEM.png``, and one ``routing.csv`` for all.
    The network runs once more on every image.

    Args:
        method: RegionFuse, see :func:`check_explainable`.
        pairs: the pairs.
        fused: folder with the fused image ``STEM.png`` of every pair.
        device: as for the fusion.
        progress: called with images done, all images, stem.

    Raises:
        DataError: an image cannot be read.
        StorageError: the folder cannot be written.
    """
    from ...datasets.images import read_rgb8
    from ...datasets.storage import write_bytes, write_text
    from ...fusion.apply import out_of_memory
    from ...fusion.batches import load
    from ...fusion.chroma import luminance
    from ...fusion.regionfuse.explain import explain, routing_csv
    from ...fusion.regionfuse.overlay import overlay_png, responsibilities_png
    from ...fusion.run import resolve_device

    here = resolve_device(device)
    network = method.to(here).network
    out = fused / FOLDER
    routed = {}
    for done, pair in enumerate(pairs, start=1):
        batch = load([pair])
        try:
            stages = explain(
                network,  # type: ignore[arg-type]  # check_explainable has seen to it
                luminance(batch.visible.to(here)),
                batch.infrared.to(here),
            )
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            logger.warning("%s is too large for this memory to be explained; left out", pair.stem)
            continue
        routed[pair.stem] = stages
        image = read_rgb8(fused / f"{pair.stem}.png")
        infrared = batch.infrared[0, 0].numpy()
        write_bytes(
            out / REGIONS / f"{pair.stem}.png",
            overlay_png(pair.stem, read_rgb8(pair.visible), infrared, image, stages),
        )
        write_bytes(
            out / RESPONSIBILITIES / f"{pair.stem}.png", responsibilities_png(pair.stem, image, stages)
        )
        progress(done, len(pairs), pair.stem)
    write_text(out / TABLE, routing_csv(routed))
    return out
