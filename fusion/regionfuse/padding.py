"""Mirror padding that works for any image size, down to a single pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def mirror_pad(x: torch.Tensor, left: int, right: int, top: int, bottom: int) -> torch.Tensor:
    """Mirror ``x`` at its borders without repeating the border pixel, as often as the padding needs.

    Args:
        x: ``B x C x H x W``.
        left: columns added before the first.
        right: columns added after the last.
        top: rows added above.
        bottom: rows added below.

    Returns:
        ``B x C x (top + H + bottom) x (left + W + right)``.
    """
    height, width = x.shape[-2:]
    if not (left or right or top or bottom):
        return x
    if max(left, right) < width and max(top, bottom) < height:
        return F.pad(x, (left, right, top, bottom), mode="reflect")
    rows = _mirrored(height, top, bottom, x.device)
    columns = _mirrored(width, left, right, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)


def _mirrored(size: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    """Indices of the mirrored axis: period 2 (size - 1), or always 0 for a single pixel."""
    if size == 1:
        return torch.zeros(before + 1 + after, dtype=torch.long, device=device)
    period = 2 * (size - 1)
    position = torch.arange(-before, size + after, device=device) % period
    return torch.where(position < size, position, period - position)
