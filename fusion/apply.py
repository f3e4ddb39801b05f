"""One call of a fusion method on tensors: colour policy, padding, tiles, checks, chroma.

Every method runs through these few lines, so what surrounds the method is the same for all of them.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import torch

from ..datasets.errors import MethodError
from .chroma import attach_chroma, luminance
from .contract import FusionMethod
from .padding import crop, pad_to_stride, padded_size
from .tiling import fuse_tiled

log = logging.getLogger(__name__)

SMALLEST_TILE = 128


def method_input(method: FusionMethod, visible_rgb: torch.Tensor) -> torch.Tensor:
    """Return what the method is to see of ``B x 3 x H x W`` RGB: Y or RGB, by its card."""
    return luminance(visible_rgb) if method.card.color == "luminance" else visible_rgb


def call_method(
    method: FusionMethod,
    infrared: torch.Tensor,
    visible: torch.Tensor,
    *,
    tile: int | None = None,
    image: str = "",
) -> torch.Tensor:
    """Pad, fuse and crop; this is the part that is timed.

    Args:
        method: the method, already on the device of the tensors.
        infrared: ``B x 1 x H x W`` float32 in [0, 1].
        visible: ``B x 1 x H x W`` Y or ``B x 3 x H x W`` RGB, by the method's colour policy.
        tile: side of the tiles in pixels; None: tiles only beyond ``method.max_pixels``.
        image: name of the image for error messages.

    Returns:
        The method's output in the shape of ``visible``; values not yet clipped.

    Raises:
        MethodError: the method raised, or returned something of another type or shape.
        RuntimeError: out of memory (CPU or GPU), as torch reports it; the caller may try tiles.
    """
    height, width = infrared.shape[-2:]
    stride = method.card.stride
    tile = tile or automatic_tile(method, height, width)

    def fuse(warm: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return call_fuse(method, warm, seen, f"{image!r} ({height} x {width})").float()

    warm, seen = pad_to_stride(infrared, stride), pad_to_stride(visible, stride)
    fused = fuse_tiled(fuse, warm, seen, tile, stride) if tile else fuse(warm, seen)
    return crop(fused, height, width)


def call_fuse(
    method: FusionMethod, infrared: torch.Tensor, visible: torch.Tensor, image: str
) -> torch.Tensor:
    """Return what ``method.fuse`` returns for padded images, in the type that it has.

    Raises:
        MethodError: the method raised, or returned something of another type or shape; in one line.
        RuntimeError: out of memory.
    """
    shape = tuple(visible.shape)
    try:
        fused = method.fuse(infrared, visible)
    except (Exception, SystemExit) as error:  # exit() in a method must not end the harness with it
        if isinstance(error, MethodError) or out_of_memory(error):
            raise
        log.debug("%s failed on %s", method.card.name, image, exc_info=True)
        text = " ".join(str(error).split()) or "no message"
        hint = (
            "; the harness runs methods in inference mode: what needs gradients goes into `with "
            "torch.inference_mode(False), torch.enable_grad():`, on clones of the inputs"
            if "does not require grad" in text or "inference tensor" in text.lower()
            else ""
        )
        raise MethodError(
            f"{method.card.name}: failed on image {image}: {type(error).__name__}: {text}{hint}"
        ) from error
    if not isinstance(fused, torch.Tensor):
        raise MethodError(
            f"{method.card.name}: image {image}: expected a torch.Tensor, found "
            f"{type(fused).__name__}; {_REMEDIES.get(type(fused), 'return the fused image alone')}"
        )
    if tuple(fused.shape) != shape or not fused.is_floating_point():
        raise MethodError(
            f"{method.card.name}: image {image}: expected a float32 tensor of shape {shape}, "
            f"found {str(fused.dtype).removeprefix('torch.')} of shape {tuple(fused.shape)}; "
            f"{_remedy(method, shape, fused)}"
        )
    return fused


_REMEDIES: dict[type, str] = {
    np.ndarray: "an array becomes one by torch.from_numpy(array)",
    type(None): "end in `return fused`",
    tuple: "return the fused image alone, not the other outputs of the network",
    list: "return the fused image alone, not the other outputs of the network",
}


def _remedy(method: FusionMethod, shape: tuple[int, ...], fused: torch.Tensor) -> str:
    """Say what to do about an output of the wrong shape or type."""
    found = tuple(fused.shape)
    if found == shape and fused.is_complex():
        return "take the real part, as in torch.fft.irfft2, or fused.real"
    if found == shape:
        return "return grey levels as fused.float() / 255"
    if len(found) != 4:
        return "keep the dimensions B x C x H x W, also of a single image"
    if found[-2:] != shape[-2:]:
        return (
            "return the size that came in: for a network that rounds sizes set stride in the card (the "
            "harness pads and crops), for one that resizes undo it"
        )
    if method.card.color == "luminance" and found[1] == 3:
        return "return one channel, or set color='rgb' in the card to get and return RGB"
    return "return as many channels as the visible image has"


def finish(
    method: FusionMethod, fused: torch.Tensor, visible_rgb: torch.Tensor, *, image: str = ""
) -> torch.Tensor:
    """Turn a method's output into RGB: refuse NaN and infinity, clip, re-attach chroma if it fused luminance.

    Args:
        method: the method.
        fused: what :func:`call_method` returned.
        visible_rgb: ``B x 3 x H x W`` RGB in [0, 1].
        image: name of the image for error messages.

    Returns:
        float32 ``B x 3 x H x W`` RGB in [0, 1].
    """
    broken = int((~torch.isfinite(fused)).sum())
    if broken:
        raise MethodError(
            f"{method.card.name}: image {image!r}: expected finite values, found {broken} of {fused.numel()} "
            "values NaN or infinite; look for a division by zero or an overflow in half precision"
        )
    fused = fused.clamp(0.0, 1.0)
    return attach_chroma(fused, visible_rgb) if method.card.color == "luminance" else fused


def fuse_tensors(
    method: FusionMethod,
    infrared: torch.Tensor,
    visible_rgb: torch.Tensor,
    *,
    tile: int | None = None,
    image: str = "",
) -> torch.Tensor:
    """Fuse a batch: the whole path from images to image, without files.

    Args:
        method: the method, already on the device of the tensors.
        infrared: float32 ``B x 1 x H x W`` in [0, 1].
        visible_rgb: float32 ``B x 3 x H x W`` RGB in [0, 1].
        tile: side of the tiles in pixels; None: tiles only beyond ``method.max_pixels``.
        image: name of the image for error messages.

    Returns:
        float32 ``B x 3 x H x W`` RGB in [0, 1], not rounded.
    """
    with torch.inference_mode():
        fused = call_method(method, infrared, method_input(method, visible_rgb), tile=tile, image=image)
        return finish(method, fused, visible_rgb, image=image)


def automatic_tile(method: FusionMethod, height: int, width: int) -> int | None:
    """Return the side of tiles that keep to ``method.max_pixels``, or None when the image does."""
    stride, limit = method.card.stride, method.max_pixels
    if limit is None or padded_size(height, stride) * padded_size(width, stride) <= limit:
        return None
    return max(math.isqrt(limit) // stride * stride, stride)


def smaller_tile(tile: int | None, height: int, width: int) -> int | None:
    """Return the next tile to try when memory ran out, or None when it would be too small to make sense."""
    smaller = (min(tile, max(height, width)) if tile else max(height, width)) // 2
    return smaller if smaller >= SMALLEST_TILE else None


def out_of_memory(error: BaseException) -> bool:
    """Tell whether torch ran out of memory, on a GPU or on the CPU (which has no exception of its own)."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
