"""Configuration of the RegionFuse network: its sizes, its ablation switches, its presets.

Paper: RegionFuse: Region-Adaptive Pixel Distribution Learning for Infrared and Visible Image Fusion, CVPR
2026.
Its authors have released no code; :mod:`.choices` says what the paper leaves open and what was chosen.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ...datasets.errors import CheckpointError, ConfigError

SWITCHES: dict[str, tuple[str, ...]] = {
    "encoder": ("xrestormer", "restormer", "convolution"),
    "attention": ("mora", "plain"),
    "compression": ("rfcm", "convolution"),
    "routing": ("region", "sample"),
    "mask": ("softmax", "literal"),
}
"""Ablation switches and their values; the first value of each is the paper's network."""


@dataclass(frozen=True)
class RegionFuseConfig:
    """Shape of a RegionFuse network.

    Attributes:
        width: C, channels of the encoders and of every fused feature; the RegionFormer blocks see 2C.
        heads: groups into which MoRA splits its 2C channels; tokens attend within their group.
        encoder_blocks: X-Restormer blocks of each of the two encoders (paper: 2).
        stages: N, progressive fusion stages (paper: 3).
        experts: E, attention experts of a MoRA (paper: 4).
        top_k: k, experts that every region token keeps (paper: 2).
        region: R_o, stride of the regions in pixels (paper: 48).
        gammas: one overlap ratio a stage, growing with depth; final region size R = (1 + gamma) R_o.
        reach: attention spans at most this many pixels a side, rounded up to whole regions; larger images are
            cut into overlapping tiles of that size, for the attention alone, and blended.
        router_hidden: hidden units of the two router MLPs.
        mlp_expansion: hidden over outer channels in the MLP of a RegionFormer block.
        window: side of the spatial attention windows of an X-Restormer block, in pixels.
        window_overlap: keys of a window reach this share of its side beyond it, halved on the two sides.
        channel_heads: heads of the transposed (channel) attention at width C.
        spatial_heads: heads of the window attention at width C.
        spatial_head_width: channels of one window attention head.
        ffn_expansion: hidden over outer channels in the gated feed-forward networks.
        decoder_width: channels of the image decoder; its heads grow in proportion to C.
        decoder_blocks: X-Restormer blocks of the image decoder.
        encoder: blocks of the two encoders: ``xrestormer``; ``restormer``: two Restormer blocks for each
            X-Restormer block, so that attentions and feed-forward networks are as many, but all attention is
            among channels; ``convolution``: two 3x3 convolutions for each.
        attention: ``mora``, or ``plain``: region tokens attend to all tokens of their group, one softmax, no
            router, no experts.
        compression: ``rfcm``, or ``convolution``: RFCM without its region gates, a 1x1 convolution.
        routing: ``region``, or ``sample``: one decision an image, shared by all its region tokens.
        mask: ``softmax`` over the tokens of an expert; or ``literal``, the mask as a factor before the
            softmax, as the formula is printed.
    """

    width: int = 32
    heads: int = 32
    encoder_blocks: int = 2
    stages: int = 3
    experts: int = 4
    top_k: int = 2
    region: int = 48
    gammas: tuple[float, ...] = (1 / 2, 3 / 4, 1.0)
    reach: int = 672
    router_hidden: int = 53
    mlp_expansion: float = 4.75
    window: int = 8
    window_overlap: float = 0.5
    channel_heads: int = 1
    spatial_heads: int = 1
    spatial_head_width: int = 16
    ffn_expansion: float = 2.66
    decoder_width: int = 64
    decoder_blocks: int = 2
    encoder: str = "xrestormer"
    attention: str = "mora"
    compression: str = "rfcm"
    routing: str = "region"
    mask: str = "softmax"

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise ConfigError(f"regionfuse: {name} must be at least {least}, found {getattr(self, name)}")
        for name, known in SWITCHES.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"regionfuse: {name} must be one of {', '.join(known)}, found {getattr(self, name)!r}"
                )
        for name, width in (("width", self.width), ("decoder_width", self.decoder_width)):
            heads = self.channel_heads * max(1, width // self.width)
            if width % heads:
                raise ConfigError(f"regionfuse: {name} ({width}) must be a multiple of its {heads} heads")
        if self.top_k > self.experts:
            raise ConfigError(f"regionfuse: top_k ({self.top_k}) must not exceed experts ({self.experts})")
        if len(self.gammas) != self.stages:
            raise ConfigError(
                f"regionfuse: gammas needs {self.stages} values, one a stage, found {len(self.gammas)}"
            )
        if any(gamma < 0 for gamma in self.gammas) or list(self.gammas) != sorted(self.gammas):
            raise ConfigError(f"regionfuse: gammas must be >= 0 and grow with depth, found {self.gammas}")
        if (2 * self.width) % self.heads:
            raise ConfigError(f"regionfuse: heads ({self.heads}) must divide 2 * width ({2 * self.width})")
        if self.region < 2:
            raise ConfigError(f"regionfuse: region must be at least 2 pixels, found {self.region}")

    @property
    def region_sizes(self) -> tuple[int, ...]:
        """R of every stage in pixels; R - R_o is even, so that a region grows alike on all sides."""
        return tuple(self.region + 2 * round(gamma * self.region / 2) for gamma in self.gammas)

    @property
    def reach_regions(self) -> int:
        """Regions a side that attend to each other."""
        return -(-self.reach // self.region)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON-serialisable values.

        Switches at their first value are left out: they are no part of the network, and cards and
        checkpoints are the same as before there were any.
        """
        values = asdict(self)
        values["gammas"] = list(self.gammas)
        for name, known in SWITCHES.items():
            if values[name] == known[0]:
                del values[name]
        return values

    def changed(self, values: Mapping[str, Any], source: str = "network") -> RegionFuseConfig:
        """Return a copy with other values, as users give them.

        Args:
            values: names and plain values, e.g. ``{"experts": 6, "attention": "plain"}``.
            source: where they come from, for messages.

        Raises:
            ConfigError: a name is unknown, a value has the wrong type or cannot work.
        """
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(f"{source}: unknown RegionFuse setting {name!r}{_nearest(name, known)}")
            changes[name] = _typed(name, value, known[name], source)
        try:
            return replace(self, **changes)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], source: str = "regionfuse configuration"
    ) -> RegionFuseConfig:
        """Rebuild a configuration from :meth:`to_dict`'s values; missing keys take their defaults.

        Args:
            values: names and values, e.g. the ``config`` of a weights card.
            source: where they come from, for messages.

        Raises:
            CheckpointError: a key is unknown or a value does not fit.
        """
        known = {field.name for field in fields(cls)}
        for key in values:
            if key not in known:
                raise CheckpointError(f"{source}: unknown RegionFuse setting {key!r}{_nearest(key, known)}")
        try:
            cleaned: dict[str, Any] = {
                key: tuple(value) if key == "gammas" else value for key, value in values.items()
            }
            return cls(**cleaned)
        except (TypeError, ValueError, ConfigError) as error:
            raise CheckpointError(f"{source}: the RegionFuse settings do not fit: {error}") from error


_LEAST: dict[str, float] = {
    "width": 1,
    "heads": 1,
    "stages": 1,
    "experts": 1,
    "top_k": 1,
    "reach": 1,
    "router_hidden": 1,
    "decoder_width": 1,
    "window": 1,
    "channel_heads": 1,
    "spatial_heads": 1,
    "spatial_head_width": 1,
    "encoder_blocks": 0,
    "decoder_blocks": 0,
    "window_overlap": 0,
    "mlp_expansion": 0.1,
    "ffn_expansion": 0.1,
}


def _nearest(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _typed(name: str, value: Any, like: Any, source: str) -> Any:
    """Return a value in the type of the field that it is for."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(like, tuple):
        if isinstance(value, (list, tuple)) and all(isinstance(part, (int, float)) for part in value):
            return tuple(float(part) for part in value)
        wanted = "a list of numbers"
    elif isinstance(like, str):
        if value in SWITCHES[name]:
            return value
        wanted = f"one of {', '.join(SWITCHES[name])}"
    elif isinstance(like, float):
        if number:
            return float(value)
        wanted = "a number"
    else:
        if number and value == int(value):
            return int(value)
        wanted = "a whole number"
    raise ConfigError(f"{source}: {name}: expected {wanted}, found {value!r}")


BASE = RegionFuseConfig()
"""The paper's size: about 2.81 M parameters and 458 G multiply-accumulates at 480 x 640 (dense form)."""

TINY = RegionFuseConfig(
    width=12,
    heads=24,
    encoder_blocks=1,
    region=32,
    reach=256,
    router_hidden=10,
    mlp_expansion=2.0,
    spatial_head_width=8,
    ffn_expansion=2.0,
    decoder_width=16,
    decoder_blocks=0,
)
"""The same architecture for CPUs."""

PRESETS = {"base": BASE, "tiny": TINY}


def preset(name: str) -> RegionFuseConfig:
    """Return the preset ``base`` or ``tiny``.

    Raises:
        ConfigError: there is no such preset.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ConfigError(f"unknown RegionFuse preset {name!r}; known: {', '.join(PRESETS)}") from None


def network_config(name: str, network: Mapping[str, Any], region: int | None = None) -> RegionFuseConfig:
    """Return the configuration of the preset ``name`` with the settings of a run.

    Args:
        name: ``tiny`` or ``base``.
        network: settings that differ from the preset's.
        region: the same as ``region`` in ``network``.

    Raises:
        ConfigError: an unknown preset or setting, or a value that does not fit.
    """
    settings = dict(network)
    if region is not None and settings.setdefault("region", region) != region:
        raise ConfigError(f"region is {region} but network.region is {settings['region']}; give one of them")
    return preset(name).changed(settings)
