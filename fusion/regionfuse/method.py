"""RegionFuse as a fusion method: the network with weights, and its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ...datasets.errors import CheckpointError, MethodError
from ..card import MethodCard
from ..contract import FusionMethod
from ..weights import load_strict, load_weights
from .config import RegionFuseConfig
from .config import preset as named_preset
from .model import RegionFuse

SHIPPED = Path(__file__).parent / "weights" / "regionfuse-tiny.safetensors"
"""Weights that come with the package."""

CITATION = (
    "RegionFuse: Region-Adaptive Pixel Distribution Learning for Infrared and Visible Image Fusion, CVPR 2026"
)
BIBTEX = (
    "@inproceedings{regionfuse2026,\n"
    "  title = {{RegionFuse}: Region-Adaptive Pixel Distribution Learning for Infrared and Visible Image "
    "Fusion},\n"
    "  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},\n"
    "  year = {2026},\n}"
)
NOTE = "independent, unofficial re-implementation; the authors have released no code"


class RegionFuseMethod(FusionMethod):
    """Fuse luminance with a trained RegionFuse network.

    Args:
        weights: weights file with its card beside it; None for the shipped ones.
        preset: ``base`` or ``tiny``; when given, the weights must be of that size. None takes the size that
            the card of the weights states.

    Raises:
        MethodError: no weights were given and none are shipped.
        CheckpointError: the weights are unreadable or do not fit.
    """

    network: RegionFuse

    def __init__(self, weights: Path | str | None = None, preset: str | None = None) -> None:
        path = SHIPPED if weights is None else Path(weights)
        if weights is None and not path.is_file():
            raise MethodError(
                "regionfuse: no weights given and none are shipped with this installation; train some with "
                "`regionfuse train` and pass the file"
            )
        tensors, facts = load_weights(path)
        config = _config(facts, path)
        if preset is not None and config != named_preset(preset):
            raise CheckpointError(f"{path}: these weights are not of the RegionFuse preset {preset!r}")
        self.network = RegionFuse(config)
        load_strict(self.network, tensors, path)
        self.network.eval()
        self.card = MethodCard(
            name="regionfuse",
            title="RegionFuse",
            kind="learned",
            citation=CITATION,
            bibtex=BIBTEX,
            weights_from="nobody; `regionfuse train` makes them, and this package brings small ones",
            year=2026,
            weights_license=str(facts.get("weights_license", "")),
            trained_on=tuple(str(name) for name in _listed(facts.get("trained_on"))),
            weights_sha256=str(facts["sha256"]),
            notes=NOTE,
        )

    @classmethod
    def random(cls, preset: str = "tiny") -> RegionFuseMethod:
        """Return the method with random weights, to count and time it by.

        Raises:
            ConfigError: there is no such preset.
        """
        method = cls.__new__(cls)
        method.network = RegionFuse(named_preset(preset)).eval()
        method.card = MethodCard(name="regionfuse", title="RegionFuse", kind="learned", notes=NOTE)
        return method

    def fuse(self, infrared: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """Fuse infrared and Y, both ``B x 1 x H x W`` in [0, 1], any size."""
        with torch.inference_mode():
            return self.network(visible, infrared)


def _config(facts: Mapping[str, object], path: Path) -> RegionFuseConfig:
    settings = facts.get("config")
    if not isinstance(settings, Mapping):
        raise CheckpointError(f"{path}: the card does not say how the network is built (no `config` in it)")
    return RegionFuseConfig.from_dict(settings, source=str(path))


def _listed(value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
