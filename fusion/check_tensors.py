"""Checks of the method contract that call a method on tensors directly.

Each returns a sentence when the method passes and raises a MethodError that says what to do when it does not.
"""

from __future__ import annotations

import numpy as np
import torch

from ..datasets.errors import MethodError
from .apply import call_method, method_input
from .check_scenes import LEVEL, Scene, make_scene
from .contract import FusionMethod
from .padding import pad_to_stride

SEED = 20240


def to_tensors(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Return infrared ``1 x 1 x H x W`` and visible RGB ``1 x 3 x H x W``."""
    visible = torch.from_numpy(np.ascontiguousarray(scene.visible)).permute(2, 0, 1)[None]
    return torch.from_numpy(np.ascontiguousarray(scene.infrared))[None, None], visible


def raw_output(method: FusionMethod, infrared: torch.Tensor, visible_rgb: torch.Tensor) -> torch.Tensor:
    """Return what the method gives for a pair, cropped but not clipped."""
    with torch.inference_mode():
        return call_method(method, infrared, method_input(method, visible_rgb), image="of the check")


def check_dtype(method: FusionMethod) -> str:
    """The output is float32."""
    infrared, visible = (pad_to_stride(image, method.card.stride) for image in to_tensors(make_scene()))
    with torch.inference_mode():
        found = method.fuse(infrared, method_input(method, visible)).dtype
    if found != torch.float32:
        raise MethodError(
            f"expected float32, found {str(found).removeprefix('torch.')}; return fused.float()"
        )
    return "float32"


def check_range(method: FusionMethod) -> str:
    """The output is on the scale [0, 1]."""
    fused = raw_output(method, *to_tensors(make_scene()))
    low, high = float(fused.min()), float(fused.max())
    outside = float(((fused < -0.05) | (fused > 1.05)).float().mean())
    if high > 2.0:
        raise MethodError(f"values reach {high:.4g}; expected [0, 1], divide by 255 if they are grey levels")
    if low < -0.3 or outside > 0.05:
        raise MethodError(
            f"values from {low:.3f} to {high:.3f}, {outside:.0%} outside [0, 1]; the harness clips them: map "
            "[-1, 1] by (x + 1) / 2, or end in a clamp that you have judged"
        )
    if high - low < LEVEL:
        raise MethodError(f"a flat image of value {low:.3f} came out; check the weights and the scale")
    return f"values from {low:.3f} to {high:.3f}"


def check_finite(method: FusionMethod) -> str:
    """Flat images give no NaN."""
    for name, value in (("black", 0.0), ("white", 1.0), ("grey", 0.5)):
        infrared = torch.full((1, 1, 64, 80), value)
        broken = ~torch.isfinite(raw_output(method, infrared, infrared.expand(-1, 3, -1, -1).clone()))
        if broken.any():
            raise MethodError(
                f"a {name} pair gave NaN or infinity; guard divisions such as (x - min) / (max - min)"
            )
    return "black, white and grey pairs stay finite"


def check_batch(method: FusionMethod) -> str:
    """Images of a batch do not touch one another."""
    pairs = [to_tensors(make_scene(seed=seed)) for seed in (1, 2)]
    torch.manual_seed(SEED)
    both = raw_output(method, *(torch.cat(images) for images in zip(*pairs, strict=True)))
    worst = 0.0
    for index, pair in enumerate(pairs):
        torch.manual_seed(SEED)
        worst = max(worst, float((raw_output(method, *pair)[0] - both[index]).abs().max()))
    if worst > LEVEL / 2:
        raise MethodError(
            f"a batch of two differs from two single calls by {worst * 255:.1f} of 255 levels; take minima, "
            "means and norms for each image (dim=(1, 2, 3)), put batch norm into eval mode"
        )
    return "a batch of two is two single calls"


def check_inputs(method: FusionMethod) -> str:
    """The inputs are not written to."""
    infrared, visible = to_tensors(make_scene())
    before = infrared.clone(), visible.clone()
    raw_output(method, infrared, visible)
    if not (torch.equal(infrared, before[0]) and torch.equal(visible, before[1])):
        raise MethodError("the input tensors were changed in place; work on a copy, as in infrared.clone()")
    return "left as they were"


def check_device(method: FusionMethod) -> str:
    """The method works where its inputs are."""
    if not torch.cuda.is_available():
        return "runs on the CPU; there is no GPU here to try"
    infrared, visible = to_tensors(make_scene())
    torch.manual_seed(SEED)
    here = raw_output(method, infrared, visible)
    try:
        method.to("cuda")
        there = raw_output(method, infrared.cuda(), visible.cuda())
    finally:
        method.to("cpu")
    if there.device.type != "cuda":
        raise MethodError(
            f"tensors on the GPU came back on {there.device}; make new tensors with device=x.device"
        )
    worst = float((here - there.cpu()).abs().median())
    note = (
        f"warning: half of the values differ by more than {worst * 255:.1f} levels"
        if worst > LEVEL
        else "same"
    )
    return f"CPU and GPU: {note}"
