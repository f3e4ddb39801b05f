"""Which expert took which region: the routing of one image, summed over the channels of each region.

A region has one token per channel. The first C of the 2C channels that MoRA sees come from the visible
encoder, the last C from the infrared one, so a region has a routing for each modality and one for both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...datasets.errors import MethodError
from .model import RegionFuse
from .regions import RegionGrid

FEATURES = ("both", "visible", "infrared")
"""Groups of channels that are told apart, in the order of the first axis of the arrays."""


@dataclass(frozen=True)
class Region:
    """A region of the grid.

    Attributes:
        row: counted from 0 at the top.
        column: counted from 0 at the left.
        box: its core, xyxy, absolute pixels of the image, right and bottom outside; the cores of all regions
            cover the image. The region itself reaches (R - R_o) / 2 pixels further on all sides.
    """

    row: int
    column: int
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class StageRouting:
    """Routing of one stage for one image.

    Attributes:
        stage: counted from 1.
        height: rows of the image.
        width: columns of the image.
        grid: the regions, on the image padded as the network pads it.
        shares: float32 ``3 x rows x columns x E``: of the choices of a region's tokens, how many fell on each
            expert; the experts' shares of a region sum to one. First axis as in :data:`FEATURES`.
        responsibilities: float32, same shape: mean responsibility of each expert over the tokens of the
            region, 0 for tokens that did not choose it: the weight of the expert in the output.
    """

    stage: int
    height: int
    width: int
    grid: RegionGrid
    shares: NDArray[np.float32]
    responsibilities: NDArray[np.float32]

    @property
    def experts(self) -> int:
        """E."""
        return int(self.shares.shape[-1])

    def dominant(self, features: str = "both") -> NDArray[np.int64]:
        """Expert with the largest responsibility in every region, ``rows x columns``, counted from 0."""
        best: NDArray[np.int64] = self.responsibilities[FEATURES.index(features)].argmax(axis=-1)
        return best

    def excess(self) -> NDArray[np.float32]:
        """Responsibility of each expert in every region less its mean over the image, ``rows x columns x E``.

        Experts differ in how much they take everywhere; this is what tells regions apart.
        """
        both = self.responsibilities[0]
        above: NDArray[np.float32] = both - both.mean(axis=(0, 1))
        return above

    def preferred(self) -> NDArray[np.int64]:
        """Expert that every region uses most above the rest of the image, ``rows x columns``."""
        best: NDArray[np.int64] = self.excess().argmax(axis=-1)
        return best

    def totals(self, features: str = "both") -> NDArray[np.float32]:
        """Share of each expert in the choices of the whole image, ``E`` values that sum to one."""
        means: NDArray[np.float32] = self.shares[FEATURES.index(features)].mean(axis=(0, 1))
        return means

    def maps(self, features: str = "both") -> NDArray[np.float32]:
        """Responsibility of each expert at every pixel, ``E x H x W``, regions blended as in the network."""
        values = torch.from_numpy(self.responsibilities[FEATURES.index(features)]).permute(2, 0, 1)[None]
        return self.grid.spread(values)[0, :, : self.height, : self.width].numpy()

    def regions(self) -> Iterator[Region]:
        """All regions that cover a part of the image, row by row."""
        stride = self.grid.stride
        for row in range(-(-self.height // stride)):
            for column in range(-(-self.width // stride)):
                left, top = column * stride, row * stride
                right, bottom = min(left + stride, self.width), min(top + stride, self.height)
                yield Region(row, column, (left, top, right, bottom))


def explain(network: RegionFuse, visible: torch.Tensor, infrared: torch.Tensor) -> list[StageRouting]:
    """Fuse one image pair and return the routing of every stage.

    Args:
        network: in evaluation mode.
        visible: luminance, float32 ``1 x 1 x H x W`` in [0, 1], on the device of the network.
        infrared: same shape and range.

    Raises:
        MethodError: the network routes nothing (plain attention).
    """
    if network.config.attention != "mora":
        raise MethodError(
            "regionfuse: these weights are of a network with plain attention, which has no experts and "
            "routes nothing; explain weights with `attention: mora`"
        )
    with torch.inference_mode(), network.observe_routing() as routings:
        network(visible, infrared)
    height, width = visible.shape[-2:]
    window, stride = network.config.window, network.config.region
    padded = height + -height % window, width + -width % window
    stages = []
    for number, (routing, size) in enumerate(
        zip(routings, network.config.region_sizes, strict=True), start=1
    ):
        chosen = routing.chosen[0].float()  # 2C, rows, columns, E
        stages.append(
            StageRouting(
                stage=number,
                height=height,
                width=width,
                grid=RegionGrid(*padded, stride, size),
                shares=_by_features(chosen / chosen.sum(dim=-1, keepdim=True)),
                responsibilities=_by_features(routing.weights[0].float()),
            )
        )
    return stages


def _by_features(values: torch.Tensor) -> NDArray[np.float32]:
    """Mean over all channels, the visible and the infrared half: ``2C x ...`` to ``3 x ...``."""
    visible, infrared = values.chunk(2)
    means: NDArray[np.float32] = (
        torch.stack([part.mean(dim=0) for part in (values, visible, infrared)]).cpu().numpy()
    )
    return means


def routing_csv(explained: Mapping[str, Sequence[StageRouting]]) -> str:
    """Return a table of all regions of all images: one row an image, stage, group of channels and region.

    Columns: ``image, stage, features, row, column``; the box ``x1, y1, x2, y2``, see :class:`Region`;
    ``dominant``, the expert with the largest responsibility, and that ``responsibility``; ``preferred``, see
    :meth:`StageRouting.preferred`, always of both halves together; then ``share_0`` and so on.
    """
    experts = max((stage.experts for stages in explained.values() for stage in stages), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["image", "stage", "features", "row", "column", "x1", "y1", "x2", "y2"]
        + ["dominant", "responsibility", "preferred"]
        + [f"share_{expert}" for expert in range(experts)]
    )
    for image, stages in explained.items():
        for stage in stages:
            writer.writerows(_rows(image, stage))
    return text.getvalue()


def _rows(image: str, stage: StageRouting) -> Iterable[list[object]]:
    preferred = stage.preferred()
    for index, features in enumerate(FEATURES):
        dominant, responsibilities = stage.dominant(features), stage.responsibilities[index]
        for region in stage.regions():
            place = (region.row, region.column)
            expert = int(dominant[place])
            taken = [expert, f"{responsibilities[place][expert]:.4f}", int(preferred[place])]
            shares = [f"{share:.4f}" for share in stage.shares[index][place]]
            yield [image, stage.stage, features, *place, *region.box, *taken, *shares]
