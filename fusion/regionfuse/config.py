"""Configuration of the RegionFuse network, its presets, and every choice that the paper leaves open.

Paper: RegionFuse: Region-Adaptive Pixel Distribution Learning for Infrared and Visible Image Fusion, CVPR
2026.
Its authors have released no code; what it does not say is chosen here, named in :data:`CHOICES`, and travels
with every weights file in the card.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...datasets.errors import CheckpointError, ConfigError


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
    """

    width: int = 32
    heads: int = 16
    encoder_blocks: int = 2
    stages: int = 3
    experts: int = 4
    top_k: int = 2
    region: int = 48
    gammas: tuple[float, ...] = (1 / 8, 1 / 4, 3 / 8)
    reach: int = 672
    router_hidden: int = 106
    mlp_expansion: float = 4.0
    window: int = 8
    window_overlap: float = 0.5
    channel_heads: int = 1
    spatial_heads: int = 1
    spatial_head_width: int = 16
    ffn_expansion: float = 2.66
    decoder_width: int = 64
    decoder_blocks: int = 2

    def __post_init__(self) -> None:
        positive = ("width", "heads", "stages", "experts", "top_k", "reach", "router_hidden", "decoder_width")
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"regionfuse: {name} must be at least 1, found {getattr(self, name)}")
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
        """Return the configuration as plain JSON-serialisable values."""
        values = asdict(self)
        values["gammas"] = list(self.gammas)
        return values

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
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise CheckpointError(f"{source}: unknown RegionFuse setting {key!r}{hint}")
        try:
            cleaned: dict[str, Any] = {
                key: tuple(value) if key == "gammas" else value for key, value in values.items()
            }
            return cls(**cleaned)
        except (TypeError, ValueError, ConfigError) as error:
            raise CheckpointError(f"{source}: the RegionFuse settings do not fit: {error}") from error


BASE = RegionFuseConfig()
"""The paper's size: about 2.82 M parameters and 456 G multiply-accumulates at 480 x 640 (dense form)."""

TINY = RegionFuseConfig(
    width=12,
    heads=12,
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


CHOICES: dict[str, str] = {
    "status": "Independent, unofficial re-implementation; the authors have released no code.",
    "size": (
        "At 480 x 640 the published 455.82 G multiply-accumulates pay for at most 1.48 M parameters "
        "that act on every pixel; of the published 2.82 M at least 1.3 M therefore act per region. Here "
        "they are the router MLPs."
    ),
    "attention extent": (
        "Channel groups: the 2C channels are split into `heads` groups (base: 16 of 4 channels) and the "
        "regions of the whole image attend to each other within a group. Without groups one product "
        "QK^T costs 185 G at 480 x 640 and C = 32, against 455.82 G published for everything. "
        "Consequence: with groups the scores do not explain why R = 16 exhausts 24 GB in the paper. "
        "Tried instead: no groups, but tiles the size of a training patch at test time; that fits both "
        "published figures, but leaves visible steps at the tile borders. Images beyond `reach` (base: "
        "672 pixels a side, so not 480 x 640) are attended to in overlapping tiles that are blended, so "
        "that cost and memory grow linearly with the area."
    ),
    "overlap": (
        "gamma = 1/8, 1/4, 3/8 for the three stages (R = 54, 60, 66 at R_o = 48); regions are placed "
        "every R_o pixels and grow by (R - R_o)/2 on all sides, mirrored at the image border."
    ),
    "region reshaping": (
        "Overlapping regions are blended by a raised-cosine ramp over the overlap, normalised to a "
        "partition of unity, so that reshaping inverts the embedding exactly and leaves no seams."
    ),
    "mask": (
        "The formula multiplies the scores by the 0/1 mask before the softmax, which literally leaves "
        "exp(0) = 1 for every token outside. Here the softmax runs over the chosen tokens only, as the "
        "text means it; the literal form is kept as `literal`."
    ),
    "responsibilities": (
        "Softmax over all E experts before the top-k, as in the figure, and not renormalised over the "
        "chosen ones: otherwise the router would get no gradient from the image losses at k = 1."
    ),
    "alpha": "alpha = R exp(a) with one learnt scalar a per head, 0 at the start: R = sqrt(token length).",
    "router": (
        "Two MLPs (R^2 -> hidden -> E, GELU), shared by all channels, on the region tokens of the "
        "normalised input of MoRA; noise = randn * (softplus(second MLP) + 0.01), in training only."
    ),
    "load loss": (
        "Squared coefficient of variation of the importance (sum of responsibilities of the chosen "
        "experts) plus that of the smooth load (Shazeer et al. 2017, eq. 8-11), over all tokens of the "
        "batch, mean over the stages."
    ),
    "X-Restormer block": (
        "Bias-free; transposed attention, then overlapping-window attention (window 8, keys 12 x 12, "
        "learnt relative positions, one head of 16 channels per 32 of width), each followed by a gated "
        "depth-wise FFN of expansion 2.66. At width 48 with one head: 55,853 parameters, as published "
        "for the block."
    ),
    "norm": "LayerNorm over channels at each pixel.",
    "RFCM": (
        "Uses the overlapping regions of its stage; the per-region gates are blended in the overlap "
        "before they multiply the features (away from the overlap this is the figure's order of "
        "operations). LeakyReLU slope 0.2."
    ),
    "decoder": (
        "3x3 convolution to `decoder_width`, X-Restormer blocks, 3x3 convolution to C, LeakyReLU, 3x3 "
        "convolution to one channel, added to the mean of the two input images and clipped to [0, 1]; "
        "the last convolution starts near zero, so that an untrained network returns about the average."
    ),
    "padding": "Images are mirrored up to multiples of the window (8) for the network, of R_o inside MoRA.",
}
"""What the paper leaves open and what was chosen; goes into the card of every weights file."""
