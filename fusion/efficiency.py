"""Size and arithmetic of a network: parameters and multiply-accumulates.

Multiply-accumulates follow fvcore's rules, by which the published tables count what they call FLOPs: one per
product of a convolution, linear layer, matrix product or attention; plus a few per element for norms,
adaptive pooling and interpolation; nothing for activations, element-wise arithmetic, plain pooling, padding
and Fourier transforms.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from .contract import FusionMethod

log = logging.getLogger(__name__)
aten = torch.ops.aten


@dataclass(frozen=True)
class Cost:
    """What a method needs for one image pair.

    Attributes:
        parameters: trainable and frozen parameters; 0 without a network.
        multiply_accumulates: for one pair of the size asked for, by fvcore's rules.
    """

    parameters: int
    multiply_accumulates: int


def count_parameters(module: torch.nn.Module) -> int:
    """Number of parameters; a tensor shared by several layers counts once, buffers do not."""
    return sum(parameter.numel() for parameter in module.parameters())


# FlopCounterMode counts two operations per multiply-accumulate: the extras return twice what fvcore counts.


def _elements(shape: Any) -> int:
    return math.prod(shape)


def _batch_norm(input_shape: Any, weight: Any = None, *rest: Any, **_: Any) -> int:
    """Batch norm with a flag for training: 4 or 5 an element when it is set, else 1 or 2.

    Instance norm arrives here too, as a batch norm in training mode.
    """
    flags = [value for value in rest if isinstance(value, bool)]
    affine, training = weight is not None, bool(flags and flags[0])
    return 2 * _elements(input_shape) * (4 + affine if training else 1 + affine)


def _batch_norm_inference(input_shape: Any, weight: Any = None, *_: Any, **__: Any) -> int:
    return 2 * _elements(input_shape) * (1 + (weight is not None))


def _batch_norm_statless(input_shape: Any, weight: Any = None, *_: Any, **__: Any) -> int:
    return 2 * _elements(input_shape) * (4 + (weight is not None))


def _layer_norm(input_shape: Any, _normalized: Any, weight: Any = None, *_: Any, **__: Any) -> int:
    return 2 * _elements(input_shape) * (4 + (weight is not None))


def _group_norm(input_shape: Any, weight: Any = None, *_: Any, **__: Any) -> int:
    return 2 * _elements(input_shape) * (4 + (weight is not None))


def _adaptive_pool(input_shape: Any, *_: Any, **__: Any) -> int:
    return 2 * _elements(input_shape)


def _nearest(*_: Any, out_shape: Any, **__: Any) -> int:
    return 2 * _elements(out_shape)


def _bilinear(*_: Any, out_shape: Any, **__: Any) -> int:
    return 2 * 4 * _elements(out_shape)


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Count the two products of attention; torch counts this operation only from 2.15 on."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[-2] * (width + value[-1])


_RULES: dict[str, Callable[..., int]] = {
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm_inference,
    "_batch_norm_no_update": _batch_norm_inference,
    "_batch_norm_with_update": _batch_norm_statless,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_adaptive_avg_pool2d": _adaptive_pool,
    "_adaptive_avg_pool3d": _adaptive_pool,
    "upsample_nearest2d": _nearest,
    "upsample_bilinear2d": _bilinear,
    "grid_sampler_2d": _bilinear,
}
_PACKETS = {getattr(aten, name): rule for name, rule in _RULES.items() if hasattr(aten, name)}
# Every overload too: torch before 2.15 takes an operation apart that is not listed by its very overload.
EXTRAS = _PACKETS | {
    getattr(packet, overload): rule for packet, rule in _PACKETS.items() for overload in packet.overloads()
}
"""What FlopCounterMode leaves out and fvcore counts."""


def multiply_accumulates(call: Callable[[], object], uncounted: Iterable[str] = ()) -> int:
    """Run ``call`` and count its multiply-accumulates.

    Args:
        call: runs the network once; on the ``meta`` device it costs neither time nor memory.
        uncounted: operations to leave out, e.g. ``native_layer_norm``.
    """
    counter = FlopCounterMode(display=False, custom_mapping=EXTRAS | _nothing(uncounted))
    with torch.no_grad(), _GlobalPooling() as pooling, counter:
        call()
    return int(counter.get_total_flops()) // 2 + pooling.elements


class _GlobalPooling(TorchFunctionMode):
    """Counts the elements that are pooled to one pixel, which torch calls a mean before counters see it."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func``, and count when it pools to one pixel."""
        result = func(*args, **(kwargs or {}))
        if func in _POOLING and result.shape[-2:].numel() == 1:
            self.elements += args[0].numel()
        return result


_POOLING = (torch.nn.functional.adaptive_avg_pool2d, torch._C._nn.adaptive_avg_pool2d)


def _nothing(operations: Iterable[str]) -> dict[Any, Callable[..., int]]:
    """Rules that count nothing for these operations, in all their overloads."""
    packets = [getattr(aten, name) for name in operations]
    keys = [*packets, *(getattr(packet, name) for packet in packets for name in packet.overloads())]
    return dict.fromkeys(keys, lambda *_, **__: 0)


def method_cost(method: FusionMethod, height: int = 480, width: int = 640) -> Cost:
    """Count one method on one image pair.

    The network runs on the ``meta`` device where its operations allow, else on real tensors on its own
    device. Networks with a dense reference of a sparse operation (a context manager ``attention_form``, as
    RegionFuse has) are counted in the dense form, the one the published figures refer to; see
    :func:`own_form_cost`. Where published figures leave operations out, the network's attribute ``uncounted``
    names them; a network that does the same over and over says in ``repeats`` how often.

    Args:
        method: the method.
        height: rows of the images.
        width: columns of the images.
    """
    stride = method.card.stride
    height, width = height + -height % stride, width + -width % stride
    network = method.network
    parameters = 0 if network is None else count_parameters(network)
    left_out: tuple[str, ...] = getattr(network, "uncounted", ())
    with _dense(network):
        try:
            counted = multiply_accumulates(lambda: _fuse(_on_meta(method), height, width, "meta"), left_out)
            counted *= getattr(network, "repeats", 1)
        except (NotImplementedError, RuntimeError, TypeError, ValueError, AssertionError) as error:
            # a method that reads values (a branch, a numpy step, data-dependent shapes) cannot run without
            # data; an error of its own comes again below
            log.debug("%s does not run on the meta device: %s", method.card.name, error)
            counted = multiply_accumulates(lambda: _fuse(method, height, width, _device(network)), left_out)
    return Cost(parameters, counted)


def own_form_cost(method: FusionMethod, height: int = 480, width: int = 640) -> Cost:
    """Count a method as it really runs, on random images; equals :func:`method_cost` unless it is sparse."""
    network = method.network
    counted = multiply_accumulates(lambda: _fuse(method, height, width, _device(network)))
    return Cost(0 if network is None else count_parameters(network), counted)


def _fuse(method: FusionMethod, height: int, width: int, device: torch.device | str) -> None:
    channels = 1 if method.card.color == "luminance" else 3
    generator = torch.Generator().manual_seed(0)
    infrared = torch.rand(1, 1, height, width, generator=generator).to(device)
    visible = torch.rand(1, channels, height, width, generator=generator).to(device)
    method.fuse(infrared, visible)


def _on_meta(method: FusionMethod) -> FusionMethod:
    """A copy of the method with its network on the ``meta`` device; the method itself stays as it is."""
    if method.network is None:
        return method
    twin = copy.copy(method)
    tensors = (*method.network.parameters(), *method.network.buffers())
    # copied as shapes at once: a large network would not fit twice
    memo = {id(tensor): _shape_of(tensor) for tensor in tensors}
    twin.network = copy.deepcopy(method.network, memo).to("meta")
    return twin


def _shape_of(tensor: torch.Tensor) -> torch.Tensor:
    empty = tensor.detach().to("meta")
    return (
        torch.nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else empty
    )


def _device(network: torch.nn.Module | None) -> torch.device:
    first = None if network is None else next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def _dense(network: torch.nn.Module | None) -> Iterator[None]:
    form: Callable[[str], AbstractContextManager[None]] | None = getattr(network, "attention_form", None)
    with nullcontext() if form is None else form("dense"):
        yield
