"""Image gradients as the losses of the published recipes take them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SOBEL = torch.tensor([[[[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]], [[[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]]])


def sobel_l1(image: Tensor) -> Tensor:
    """Gradient strength ``|G_x| + |G_y|`` by Sobel's kernels, zeros beyond the border, ``B x 1 x H x W``."""
    return F.conv2d(image, _SOBEL.to(image), padding=1).abs().sum(dim=1, keepdim=True)


def gradient_loss(fused: Tensor, *sources: Tensor) -> Tensor:
    """``L1(|grad F|, max over sources |grad S|)`` by :func:`sobel_l1`; all ``B x 1 x H x W``."""
    target = torch.stack([sobel_l1(source) for source in sources]).amax(dim=0)
    return F.l1_loss(sobel_l1(fused), target)


def slopes(image: Tensor) -> Tensor:
    """Signed slopes across and down by Sobel's kernels over 8, border pixels repeated.

    Args:
        image: ``B x 1 x H x W``.

    Returns:
        ``B x 2 x H x W``.
    """
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), _SOBEL.to(image) / 8)
