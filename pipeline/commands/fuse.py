"""``regionfuse fuse``."""

from __future__ import annotations

import math
from pathlib import Path

import typer

from ..console import Screen
from ..run import shown_warnings


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
    from ...fusion.registry import create
    from ...fusion.run import fuse_pairs
    from ..store import explained
    from .explain import check_explainable, explain_pairs

    with shown_warnings(screen), explained(out):
        pairs = pair_folders(infrared, visible)
        made = create(method, weights=weights)
        if explain:
            check_explainable(made, tile)
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
