"""Metrics of information theory: entropy and mutual information of grey levels."""

from __future__ import annotations

import torch

from .triple import Triple


def entropy(images: Triple) -> torch.Tensor:
    """EN: Shannon entropy of the fused image's 256 grey levels, in bits.

    ``EN = -sum_i p_i log2 p_i``, p_i the share of pixels at level i (rounded). Range 0..8, higher is better:
    more levels in use, noise included. Source: Roberts et al., J. Appl. Remote Sensing 2, 2008.

    Returns:
        float64 ``B``.
    """
    counts = images.infrared_joint.sum(dim=2)
    return shannon(counts / counts.sum(dim=1, keepdim=True), dim=1) / torch.log(counts.new_tensor(2.0))


def mutual_information(images: Triple) -> torch.Tensor:
    """MI: what the grey levels of the fused image tell about those of the sources, in nats.

    ``MI = I(F; A) + I(F; B)``, ``I(F; A) = sum p(f, a) ln(p(f, a) / (p(f) p(a)))`` over the joint histogram
    of 256 x 256 levels. Range 0..11.1 (twice ln 256), higher is better. Source: Qu, Zhang and Yan,
    Electronics Letters 38(7), 2002; natural logarithm and the sum over the sources as in the evaluators in
    common use.

    Returns:
        float64 ``B``.
    """
    return _mutual(images.infrared_joint) + _mutual(images.visible_joint)


def shannon(shares: torch.Tensor, dim: int | tuple[int, ...]) -> torch.Tensor:
    """Return ``-sum p ln p`` along ``dim``, with 0 ln 0 = 0."""
    return torch.special.entr(shares).sum(dim=dim)


def _mutual(joint: torch.Tensor) -> torch.Tensor:
    shares = joint / joint.sum(dim=(1, 2), keepdim=True)
    fused, source = shares.sum(dim=2), shares.sum(dim=1)
    information = shannon(fused, 1) + shannon(source, 1) - shannon(shares, (1, 2))
    return information.clamp_(min=0.0)  # rounding alone can go below
