"""Losses of RegionFuse: ``L = L_int + lambda L_gra + mu L_load``."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .precision import full_precision


def sobel_magnitude(image: torch.Tensor) -> torch.Tensor:
    """Gradient strength ``|G_x| + |G_y|`` by Sobel's 3x3 kernels, border pixels repeated.

    The sum of absolute values stands for the Euclidean norm, as in PIAFusion and most fusion losses; the
    paper writes |grad I| only.

    Args:
        image: float ``B x 1 x H x W``.

    Returns:
        Same shape, >= 0.
    """
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    # differences first: a flat image has gradient 0 exactly
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    across = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    down = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return across.abs() + down.abs()


def neighbourhood_mean(values: torch.Tensor, size: int) -> torch.Tensor:
    """Mean over the ``size x size`` neighbourhood of every pixel, over the part that lies inside the image.

    For even sizes the neighbourhood of pixel i covers ``[i - size // 2, i + size - size // 2)``.

    Args:
        values: float ``B x 1 x H x W``.
        size: side in pixels.
    """
    before, after = size // 2, size - size // 2 - 1
    area = torch.ones_like(values[:1])
    sums = []
    for x in (values, area):
        x = F.avg_pool2d(F.pad(x, (before, after, 0, 0)), (1, size), 1)
        sums.append(F.avg_pool2d(F.pad(x, (0, 0, before, after)), (size, 1), 1))
    return sums[0] / sums[1]


class RegionFuseLoss(nn.Module):
    """Intensity, gradient and load-balancing loss.

    ``L_int = 1/(HW) ||I_f - (M I_v + (1 - M) I_r)||_F^2`` with ``M = 1`` where the mean Sobel gradient of the
    visible image over the R x R neighbourhood exceeds that of the infrared image;
    ``L_gra = 1/(HW) || |grad I_f| - max(|grad I_v|, |grad I_r|) ||_1``; both are averaged over the batch.

    Args:
        lambda_gradient: lambda, weight of the gradient loss (paper: 5).
        mu_load: mu, weight of the load loss (paper: 5).
        region: R of the neighbourhood in pixels (paper: 48).
    """

    def __init__(self, lambda_gradient: float = 5.0, mu_load: float = 5.0, region: int = 48) -> None:
        super().__init__()
        self.lambda_gradient, self.mu_load, self.region = lambda_gradient, mu_load, region

    def forward(
        self,
        fused: torch.Tensor,
        visible: torch.Tensor,
        infrared: torch.Tensor,
        load_loss: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Compute the losses in single precision.

        Args:
            fused: ``B x 1 x H x W`` in [0, 1].
            visible: luminance, same shape and range.
            infrared: same shape and range.
            load_loss: the network's load loss in the first epochs, None afterwards.

        Returns:
            Scalars ``total``, ``intensity``, ``gradient`` and ``load``; ``load`` is 0 without a load loss.
        """
        with full_precision(fused.device):
            fused, visible, infrared = fused.float(), visible.float(), infrared.float()
            visible_gradient, infrared_gradient = sobel_magnitude(visible), sobel_magnitude(infrared)
            from_visible = neighbourhood_mean(visible_gradient, self.region) > neighbourhood_mean(
                infrared_gradient, self.region
            )
            intensity = F.mse_loss(fused, torch.where(from_visible, visible, infrared))
            gradient = F.l1_loss(sobel_magnitude(fused), torch.maximum(visible_gradient, infrared_gradient))
            load = fused.new_zeros(()) if load_loss is None else load_loss.float()
            total = intensity + self.lambda_gradient * gradient + self.mu_load * load
        return {"total": total, "intensity": intensity, "gradient": gradient, "load": load}
