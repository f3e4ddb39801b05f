"""SAGE (Wu et al., CVPR 2025): the distilled student, which is what runs after training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .layers import channels_last_on_cpu

WIDTH = 32


def _unit(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """Convolution, batch norm, leaky ReLU."""
    return [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(inplace=True),
    ]


def _level(inputs: int) -> nn.Sequential:
    """Three units of 3x3."""
    return nn.Sequential(*_unit(inputs, WIDTH, 3), *_unit(WIDTH, WIDTH, 3), *_unit(WIDTH, WIDTH, 3))


class SAGE(nn.Module):
    """A small U-Net on the two stacked images."""

    def __init__(self) -> None:
        super().__init__()
        self.module1, self.module2, self.module3 = _level(2), _level(WIDTH), _level(WIDTH)
        self.adjust_channels4 = nn.Sequential(*_unit(2 * WIDTH, WIDTH, 1))
        self.module4 = _level(WIDTH)
        self.adjust_channels5 = nn.Sequential(*_unit(2 * WIDTH, WIDTH, 1))
        self.module5 = _level(WIDTH)
        self.final_decoder = nn.Sequential(nn.Conv2d(WIDTH, 1, 3, padding=1), nn.Tanh())

    def features(self, visible: torch.Tensor, infrared: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the five feature maps, which distillation compares with the teacher's.

        Args:
            visible: Y, ``B x 1 x H x W`` in [0, 1].
            infrared: of the same shape.

        Returns:
            Maps ``B x 32 x h x w`` at sizes 1, 1/2, 1/4, 1/2, 1 of the input (rounded down).
        """
        first = self.module1(channels_last_on_cpu(torch.cat((visible, infrared), dim=1)))
        second = self.module2(_halve(first))
        third = self.module3(_halve(second))
        fourth = self.module4(self.adjust_channels4(torch.cat((_resize(third, second), second), dim=1)))
        fifth = self.module5(self.adjust_channels5(torch.cat((_resize(fourth, first), first), dim=1)))
        return first, second, third, fourth, fifth

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], into Y in (-1, 1), in practice above 0."""
        return self.final_decoder(self.features(visible, infrared)[-1])


def _halve(x: torch.Tensor) -> torch.Tensor:
    # an odd last row or column is dropped as published; only a single one is kept
    return F.max_pool2d(x, 2, ceil_mode=min(x.shape[-2:]) < 2)


def _resize(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
