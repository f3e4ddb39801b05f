"""VIF: visual information fidelity in the pixel domain."""

from __future__ import annotations

import torch

from .filters import filter_valid, gaussian
from .triple import Triple

SCALES = 4
SMALLEST_SIDE = 41
"""Below this height or width the windows of the pyramid do not fit, and VIF is not defined (NaN)."""
_NOISE = 2.0  # Variance of the visual noise.
_EPSILON = 1e-10


def visual_information_fidelity(images: Triple) -> torch.Tensor:
    """VIF: share of the sources' information, as a model of the eye extracts it, that the fused image kept.

    ``VIF = v(A, F) + v(B, F)`` with

        ``v(R, F) = sum_s,x log(1 + g^2 s_R / (s_v + 2)) / sum_s,x log(1 + s_R / 2)``

    over four scales s and all positions x. s_R is the local variance of the reference, ``g = s_RF / s_R``
    the gain and ``s_v = s_F - g s_RF`` the variance that the gain does not explain; all under a Gaussian
    window of 2^(5-s) + 1 = 17, 9, 5, 3 pixels, standard deviation a fifth of that, only where it fits. Each
    further scale is filtered with its own window and every second pixel kept. Negative gains count as no
    gain; a flat reference gives v = 1. Range 0..2 for a fused image without more contrast than its sources,
    unlimited above; higher is better. NaN when a side is below 41 pixels. Source: Sheikh and Bovik, IEEE
    Trans. Image Processing 15(2), 2006 (pixel-domain version); summed over the sources as in the evaluators
    in common use.

    Returns:
        float64 ``B``.
    """
    if min(images.size) < SMALLEST_SIDE:
        return images.undefined()
    pyramid = images.double
    kept = pyramid.new_zeros(2, pyramid.shape[1])
    offered = torch.zeros_like(kept)
    for scale in range(1, SCALES + 1):
        size = 2 ** (SCALES + 1 - scale) + 1
        window = gaussian(size, size / 5)
        if scale > 1:
            pyramid = filter_valid(pyramid, window, step=2)
        fused, *sources = pyramid
        fused_mean = filter_valid(fused, window)
        fused_variance = _variance(filter_valid(fused.square(), window), fused_mean)
        for i, source in enumerate(sources):
            mean = filter_valid(source, window)
            variance = _variance(filter_valid(source.square(), window), mean)
            covariance = filter_valid(source * fused, window).addcmul_(mean, fused_mean, value=-1)
            information = _information(variance, fused_variance, covariance)
            kept[i] += information[0]
            offered[i] += information[1]
    return torch.where(offered > 0, kept / offered, 1.0).sum(dim=0)


def _variance(mean_of_squares: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    return mean_of_squares.addcmul_(mean, mean, value=-1).clamp_(min=0.0)


def _information(
    reference: torch.Tensor, distorted: torch.Tensor, covariance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the distorted image kept of the reference and what the reference offered, ``B`` each.

    Args:
        reference: local variance of the reference, ``B x H x W``; changed in place.
        distorted: local variance of the distorted image.
        covariance: local covariance of the two; changed in place.
    """
    gain = covariance / (reference + _EPSILON)
    # No information where either image is flat, none either where contrast is reversed.
    none = (reference < _EPSILON) | (distorted < _EPSILON) | (gain < 0)
    gain.masked_fill_(none, 0.0)
    unexplained = torch.addcmul(distorted, gain, covariance, value=-1).clamp_(min=_EPSILON)
    reference.masked_fill_(reference < _EPSILON, 0.0)
    kept = gain.square_().mul_(reference).div_(unexplained.add_(_NOISE)).log1p_()
    offered = reference.div_(_NOISE).log1p_()
    return kept.sum(dim=(1, 2)), offered.sum(dim=(1, 2))
