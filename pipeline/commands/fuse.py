"""``regionfuse fuse``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from ...datasets.errors import ConfigError, StorageError
from ...datasets.storage import write_json
from ..console import Screen
from ..run import shown_warnings

ORIGIN = "fused_by.json"
"""Beside the images: what made them, so that those of two methods are never mixed."""


def fuse(
    infrared: Path,
    visible: Path,
    out: Path,
    method: str,
    weights: Path | None,
    tile: int | None,
    device: str,
    overwrite: bool,
    screen: Screen,
    explain: bool = False,
) -> None:
    """Fuse two folders of images that share stems; with ``explain`` show where the regions went."""
    from ...datasets.load import pair_folders
    from ...fusion.registry import create, fingerprint
    from ...fusion.run import fuse_pairs, require_apart, resolve_device
    from ..store import explained
    from .explain import check_explainable, explain_pairs

    with shown_warnings(screen), explained(out):
        pairs = pair_folders(infrared, visible)
        made = create(method, weights=weights)
        if explain:
            check_explainable(made, tile)
        origin = {"method": made.card.title, "fingerprint": fingerprint(method, weights), "tile": tile}
        resolve_device(device)
        require_apart(pairs, out)
        claim(out, origin, [pair.stem for pair in pairs], overwrite=overwrite)
        with screen.task(f"fuse {made.card.title}") as progress:
            timing = fuse_pairs(
                made, pairs, out, device=device, tile=tile, overwrite=overwrite, progress=progress
            )
        if explain:
            with screen.task(f"explain {len(pairs)} images") as progress:
                shown = explain_pairs(made, list(pairs), out, device, progress)
            typer.echo(f"regions, responsibilities and routing.csv: {shown}")
    if timing.images == 0:
        typer.echo(f"all {len(pairs)} images are there already: {out} (--overwrite fuses them again)")
        return
    speed = "" if math.isnan(timing.seconds_per_image) else f", {timing.seconds_per_image:.3f} s an image"
    typer.echo(f"{timing.images} of {len(pairs)} images fused{speed} on {timing.device}: {out}")


def claim(out: Path, origin: Mapping[str, Any], stems: Sequence[str], *, overwrite: bool) -> None:
    """Note in the folder what makes its images; images of these stems by something else stay as they are.

    Raises:
        ConfigError: there are such images and ``overwrite`` does not say to replace them, or images of other
            stems, which would remain.
    """
    file = out / ORIGIN
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if before == origin:
        return
    by = before.get("method") if isinstance(before, dict) else None
    whose = f"by {by} with other weights or settings" if by == origin["method"] else f"by {by}"
    others = {path.stem for path in out.glob("*.png")} - set(stems) if by else set()
    if others:
        raise ConfigError(
            f"{out} holds {len(others)} image(s) of other pairs made {whose}, expected {origin['method']}; "
            "choose another --out"
        )
    there = sum((out / f"{stem}.png").is_file() for stem in stems)
    if there and not overwrite:
        raise ConfigError(
            f"{out} holds {there} of these images made {whose if by else 'by something unknown'}, expected "
            f"{origin['method']}; choose another --out, or --overwrite to replace them"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for stem in stems:  # A stop in between must not leave a mixture.
            (out / f"{stem}.png").unlink(missing_ok=True)
        write_json(file, dict(origin))
    except OSError as error:
        raise StorageError(f"cannot write in the folder {out}: {error.strerror}") from error
