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
    rows = mirrored(height, top, bottom, x.device)
    columns = mirrored(width, left, right, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)


def mirror_inwards(x: torch.Tensor, left: int, width: int, top: int, height: int) -> None:
    """Fill the border of ``x`` by mirroring what it surrounds, in place; equals :func:`mirror_pad` of that.

    Args:
        x: ``... x H' x W'``, of which ``[..., top : top + height, left : left + width]`` is filled already.
        left: see above.
        width: see above.
        top: see above.
        height: see above.
    """
    for axis, first, size in ((-1, left, width), (-2, top, height)):
        after = x.shape[axis] - first - size
        source = mirrored(size, first, after, x.device) + first
        for start, length in ((0, first), (first + size, after)):
            if length:
                border = x.index_select(axis, source[start : start + length])
                x.narrow(axis, start, length).copy_(border)


def mirrored(size: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    """Indices of the mirrored axis: period 2 (size - 1), or always 0 for a single pixel."""
    if size == 1:
        return torch.zeros(before + 1 + after, dtype=torch.long, device=device)
    period = 2 * (size - 1)
    position = torch.arange(-before, size + after, device=device) % period
    return torch.where(position < size, position, period - position)
