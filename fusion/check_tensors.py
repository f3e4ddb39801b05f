"""Checks of the method contract that call a method on tensors directly.

Each returns a sentence when the method passes and raises a MethodError that says what to do when it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from ..datasets.errors import MethodError
from .apply import call_fuse, call_method, method_input
from .check_scenes import LEVEL, ImagePair, make_scene, role_scenes
from .contract import FusionMethod
from .padding import pad_to_stride

SEED = 20240
DEPTH = 4
"""Modules are looked for in attributes of attributes, to this depth."""


def to_tensors(pair: ImagePair) -> tuple[torch.Tensor, torch.Tensor]:
    """Return infrared ``1 x 1 x H x W`` and visible RGB ``1 x 3 x H x W``.

    They are copies: a method that writes to its inputs must not change the scenes of other checks.
    """
    visible = torch.from_numpy(np.array(pair.visible)).permute(2, 0, 1)[None].contiguous()
    return torch.from_numpy(np.array(pair.infrared))[None, None], visible


def raw_output(method: FusionMethod, infrared: torch.Tensor, visible_rgb: torch.Tensor) -> torch.Tensor:
    """Return what the method gives for a pair, cropped but not clipped."""
    with torch.inference_mode():
        return call_method(method, infrared, method_input(method, visible_rgb), image="of the check")


def check_dtype(method: FusionMethod) -> str:
    """The output is float32."""
    infrared, visible = (pad_to_stride(image, method.card.stride) for image in to_tensors(make_scene()))
    with torch.inference_mode():
        # Not by call_method: what that returns is float32 already.
        found = call_fuse(method, infrared, method_input(method, visible), "of the check").dtype
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
    """Images of a batch do not touch one another.

    The pairs differ in brightness and contents, so that a mean or a neighbour of the wrong image shows.
    """
    pairs = [role_scenes()[index] for index in (0, 3, 5)]

    def fuse(infrared: torch.Tensor, visible: torch.Tensor, seed: int = SEED) -> torch.Tensor:
        torch.manual_seed(seed)
        return raw_output(method, infrared, visible)

    single = [fuse(*to_tensors(pair))[0] for pair in pairs]
    other = fuse(*to_tensors(pairs[0]), seed=SEED + 1)[0]
    if float((other - single[0]).abs().max()) > LEVEL / 10:
        return "not compared with single calls: the method is random by design, another seed is another image"
    infrared, visible = (torch.cat(images) for images in zip(*map(to_tensors, pairs), strict=True))
    together = fuse(infrared, visible)
    worst = max(float((one - image).abs().max()) for one, image in zip(single, together, strict=True))
    if worst > LEVEL / 2:
        raise MethodError(
            f"a batch of three differs from single calls by {worst * 255:.1f} of 255 levels; take minima, "
            "means and norms for each image (dim=(1, 2, 3)), put batch norm into eval mode"
        )
    return "a batch of three is three single calls"


def check_inputs(method: FusionMethod) -> str:
    """The inputs are not written to."""
    infrared, rgb = to_tensors(make_scene())
    visible = method_input(method, rgb)
    before = infrared.clone(), visible.clone()
    with torch.inference_mode():
        call_method(method, infrared, visible, image="of the check")
    if not (torch.equal(infrared, before[0]) and torch.equal(visible, before[1])):
        raise MethodError("the input tensors were changed in place; work on a copy, as in infrared.clone()")
    return "left as they were"


def check_mode(method: FusionMethod) -> str:
    """Nothing that behaves differently in training is in training mode.

    The harness puts ``method.network`` into eval mode; other modules are the method's own business.
    """
    for place, network in _networks(method):
        for name, module in network.named_modules():
            if module.training and _minds_mode(module):
                path = ".".join(filter(None, (place, name)))
                remedy = (
                    "take .train() out of fuse"
                    if path.startswith("self.network.") or path == "self.network"
                    else "name the network self.network, or call .eval() on it"
                )
                raise MethodError(
                    f"{path} ({type(module).__name__}) is in training mode while images are fused; {remedy}"
                )
    return "nothing is in training mode"


def _networks(method: FusionMethod) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield the modules that can be reached from the attributes of a method, and where they are."""
    seen: set[int] = set()
    todo: list[tuple[str, Any, int]] = [("self", method, 0)]
    while todo:
        place, value, depth = todo.pop(0)
        if id(value) in seen or depth > DEPTH:
            continue
        seen.add(id(value))
        if isinstance(value, torch.nn.Module):
            yield place, value
        elif isinstance(value, dict):
            todo += [(f"{place}[{key!r}]", item, depth + 1) for key, item in value.items()]
        elif isinstance(value, list | tuple | set):
            todo += [(f"{place}[{index}]", item, depth + 1) for index, item in enumerate(value)]
        if value is method or not isinstance(value, torch.nn.Module | type | ModuleType | torch.Tensor):
            held = getattr(value, "__dict__", {})
            if isinstance(held, dict):
                todo += [(f"{place}.{name}", item, depth + 1) for name, item in held.items()]


def _minds_mode(module: torch.nn.Module) -> bool:
    """Tell whether a module, without what it holds, computes something else in training mode."""
    if isinstance(module, _BatchNorm | _InstanceNorm):
        return module.running_mean is not None
    if isinstance(module, _DropoutNd):
        return module.p > 0
    if isinstance(module, torch.nn.MultiheadAttention | torch.nn.RNNBase):
        return module.dropout > 0
    # DropPath and StochasticDepth of other libraries have no class in common.
    own = type(module).__name__.lower()
    return isinstance(module, torch.nn.RReLU) or own.startswith(("dropout", "droppath", "stochasticdepth"))


def check_device(method: FusionMethod) -> str:
    """The method works where its inputs are."""
    if not torch.cuda.is_available():
        return "runs on the CPU; there is no GPU here to try"
    torch.manual_seed(SEED)
    here = raw_output(method, *to_tensors(make_scene()))
    infrared, visible = to_tensors(make_scene())
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
