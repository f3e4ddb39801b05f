"""Tiles of regions: what attends to each other in images beyond the reach of the attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Tiling:
    """Overlapping tiles along one axis, in regions; results are blended where they overlap.

    Attributes:
        count: regions along the axis.
        side: regions of a tile.
        starts: first region of every tile.
    """

    count: int
    side: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, count: int, reach: int) -> Tiling:
        """One tile when ``reach`` allows, else the fewest that overlap by a quarter, evenly spread."""
        if count <= reach:
            return cls(count, count, (0,))
        overlap = min(max(1, reach // 4), reach - 1)
        tiles = -(-(count - overlap) // (reach - overlap))
        last = count - reach
        return cls(count, reach, tuple(round(index * last / (tiles - 1)) for index in range(tiles)))

    @property
    def alone(self) -> bool:
        """Whether a single tile covers the axis."""
        return len(self.starts) == 1

    def weights(self, like: torch.Tensor) -> torch.Tensor:
        """Share of each tile in its regions, ``tiles x side``; the shares of a region sum to one."""
        near_edge = torch.arange(1, self.side + 1, device=like.device)
        ramp = torch.minimum(near_edge, near_edge.flip(0)).clamp(max=self.side // 4 + 1).float()
        total = torch.zeros(self.count, device=like.device)
        for start in self.starts:
            total[start : start + self.side] += ramp
        return torch.stack([ramp / total[start : start + self.side] for start in self.starts]).to(like.dtype)
