"""PyTorch's layers as nodes; whatever a node cannot keep is a :class:`Refusal` with its remedy.

torch is looked at, never imported at this module's import.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexcore.export.nodes import (
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Flatten,
    Float,
    Linear,
    Node,
    Pair,
    SumPool2d,
)
from cortexcore.export.shapes import Shape
from cortexcore.export.torch_import.values import Refusal, a

if TYPE_CHECKING:
    import torch

INSTEAD = (
    "use Linear, Conv1d, Conv2d, BatchNorm1d, BatchNorm2d, AvgPool1d, AvgPool2d, LPPool1d or LPPool2d with "
    "norm_type=1 for a sum, Flatten, Dropout, Identity, or a neuron of snnTorch"
)


def known_layers() -> dict[type[torch.nn.Module], Callable[[Any, Shape], Node]]:
    """Layer class → its translation; a subclass is taken where it inherits ``forward``."""
    import torch

    nn = torch.nn
    return {
        nn.Linear: lambda m, shape: linear(m.weight, m.bias, shape),
        nn.Conv1d: _conv_module,
        nn.Conv2d: _conv_module,
        nn.AvgPool1d: lambda m, shape: average(
            1, shape, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad
        ),
        nn.AvgPool2d: lambda m, shape: average(
            2, shape, m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override
        ),
        nn.LPPool1d: lambda m, shape: _sum_module(1, m, shape),
        nn.LPPool2d: lambda m, shape: _sum_module(2, m, shape),
        nn.Flatten: lambda m, shape: flatten(shape, m.start_dim, m.end_dim),
    }


def removed_layers() -> tuple[type[torch.nn.Module], ...]:
    """Layers that do nothing in ``model.eval()``."""
    import torch

    return (torch.nn.Identity, torch.nn.modules.dropout._DropoutNd)


def layer(module: torch.nn.Module, shape: Shape) -> Node:
    """A layer that receives ``shape`` (without batch).

    Raises:
        Refusal: the layer, or one of its options, has no node.
    """
    import torch

    for known, translate in known_layers().items():
        if isinstance(module, known) and type(module).forward is known.forward:
            return translate(module, shape)
    if isinstance(module, torch.nn.MaxPool1d | torch.nn.MaxPool2d | torch.nn.modules.pooling._AdaptiveMaxPoolNd):
        raise Refusal(
            f"is {a(type(module).__name__)}, whose maximum no linear node computes (use AvgPool, or a convolution with "
            "a stride, and train again)"
        )
    raise Refusal(f"is {a(type(module).__name__)}, which has no counterpart ({INSTEAD})")


def linear(weight: Any, bias: Any, shape: Shape) -> Linear | Affine:
    """y = W·x + b on the last axis."""
    if len(shape) != 1:
        raise Refusal(f"is applied to the last axis of {shape} (put nn.Flatten() before it)")
    values = array(weight, "weights")
    return Linear(values) if bias is None else Affine(values, array(bias, "biases"))


def _conv_module(module: Any, shape: Shape) -> Conv1d | Conv2d:
    if module.padding_mode != "zeros":
        raise Refusal(f"pads with '{module.padding_mode}' (use padding_mode='zeros')")
    return convolution(module.weight, module.bias, shape, module.stride, module.padding, module.dilation, module.groups)


def convolution(
    weight: Any, bias: Any, shape: Shape, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Conv1d | Conv2d:
    """A convolution over the last one or two axes of ``shape``, with PyTorch's options."""
    values = array(weight, "weights")
    axes = values.ndim - 2
    _check_axes(axes, shape)
    strides, dilations = per_axis(stride, axes), per_axis(dilation, axes)
    if padding == "same":
        reach = [d * (k - 1) for d, k in zip(dilations, values.shape[2:], strict=True)]
        if any(r % 2 for r in reach):
            raise Refusal("pads both sides unequally with padding='same' (use an odd kernel or a number)")
        pads = tuple(r // 2 for r in reach)
    else:
        pads = per_axis(0 if padding == "valid" else padding, axes)
    biases = np.zeros(len(values)) if bias is None else array(bias, "biases")
    if axes == 1:
        return Conv1d(values, biases, shape[1], strides[0], pads[0], dilations[0], int(groups))
    return Conv2d(values, biases, _pair(shape[1:]), _pair(strides), _pair(pads), _pair(dilations), int(groups))


def average(
    axes: int,
    shape: Shape,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
) -> Node:
    """Average pooling over the one or two ``axes`` behind the channels."""
    size, strides, pads = _window(axes, shape, kernel, stride, padding, ceil_mode)
    if any(pads) and not count_include_pad:
        raise Refusal("does not count its padding (use count_include_pad=True, or no padding)")
    if divisor is not None and divisor not in (1, math.prod(size)):
        raise Refusal("divides by something else than its window (use divisor_override=1 and a multiplication)")
    if axes == 1:
        return _pool1d(shape, size[0], strides[0], pads[0], 1.0 / size[0])
    if divisor == 1:
        return SumPool2d(_pair(size), _pair(strides), _pair(pads))
    return AvgPool2d(_pair(size), _pair(strides), _pair(pads))


def _sum_module(axes: int, module: Any, shape: Shape) -> Node:
    if float(module.norm_type) != 1.0:
        raise Refusal(f"takes a norm of {module.norm_type}, which is not linear (use norm_type=1, the sum)")
    size, strides, pads = _window(axes, shape, module.kernel_size, module.stride, 0, module.ceil_mode)
    if axes == 1:
        return _pool1d(shape, size[0], strides[0], pads[0], 1.0)
    return SumPool2d(_pair(size), _pair(strides), _pair(pads))


def _check_axes(axes: int, shape: Shape) -> None:
    if len(shape) != axes + 1:
        raise Refusal(f"receives {shape}, it takes [channels, {'length' if axes == 1 else 'height, width'}]")


def _pool1d(shape: Shape, kernel: int, stride: int, padding: int, weight: float) -> Conv1d:
    """NIR has no pooling over one axis; a convolution of each channel with equal weights is the same."""
    channels, length = shape
    weights = np.full((channels, 1, kernel), weight)
    return Conv1d(weights, np.zeros(channels), length, stride, padding, 1, channels)


def _window(
    axes: int, shape: Shape, kernel: Any, stride: Any, padding: Any, ceil_mode: bool
) -> tuple[tuple[int, ...], ...]:
    """Kernel, stride and padding per axis."""
    _check_axes(axes, shape)
    size = per_axis(kernel, axes)
    strides = size if stride is None or stride == [] else per_axis(stride, axes)
    pads = per_axis(padding, axes)
    over = [(n + 2 * p - k) % s for n, p, k, s in zip(shape[1:], pads, size, strides, strict=True)]
    if ceil_mode and any(over):
        raise Refusal("rounds its positions up, over the input's end (use ceil_mode=False)")
    return size, strides, pads


def flatten(shape: Shape, start: int, end: int) -> Flatten:
    """``torch.flatten``, whose axes count the batch."""
    axes = len(shape) + 1
    first, last = start % axes, end % axes
    if first == 0:
        raise Refusal("flattens the batch into the signal (use start_dim=1)")
    return Flatten(shape, first - 1, last - 1)


def batch_norm(module: Any, shape: Shape) -> tuple[Float, Float]:
    """Gain and offset per channel of a BatchNorm in ``model.eval()``: y = g·x + o, g = γ/√(var + ε), o = β − mean·g."""
    if module.running_mean is None or module.running_var is None:
        raise Refusal("keeps no running statistics (use track_running_stats=True)")
    gain = 1.0 / np.sqrt(array(module.running_var, "running variances") + module.eps)
    offset = np.zeros_like(gain)
    if module.affine:
        gain, offset = gain * array(module.weight, "weights"), array(module.bias, "biases")
    return gain, offset - array(module.running_mean, "running means") * gain


def fold_after(before: Node | None, gain: Float, offset: Float) -> Node | None:
    """The layer ``before`` a gain and offset per channel with them folded in: W ← W·g, b ← b·g + o; None if none is."""
    match before:
        case Linear(weight=weight):
            return Affine(weight * gain[:, None], offset)
        case Affine(weight=weight, bias=bias):
            return Affine(weight * gain[:, None], bias * gain + offset)
        case Conv1d():
            weights, biases = before.weight * gain[:, None, None], before.bias * gain + offset
            return Conv1d(
                weights, biases, before.input_length, before.stride, before.padding, before.dilation, before.groups
            )
        case Conv2d():
            weights, biases = before.weight * gain[:, None, None, None], before.bias * gain + offset
            return Conv2d(
                weights, biases, before.input_size, before.stride, before.padding, before.dilation, before.groups
            )
    return None


def channelwise(shape: Shape, gain: Float, offset: Float) -> Node:
    """A gain and offset per channel as a layer of its own: of each channel with itself, exact wherever it stands."""
    channels = shape[0]
    match shape:
        case (_,):
            return Affine(np.diag(gain), offset)
        case (_, length):
            return Conv1d(gain.reshape(channels, 1, 1), offset, length, groups=channels)
        case (_, height, width):
            return Conv2d(gain.reshape(channels, 1, 1, 1), offset, (height, width), groups=channels)
    raise Refusal(f"receives {shape}, it takes [channels], [channels, length] or [channels, height, width]")


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """PyTorch's "one number, or one per axis"."""
    values = tuple(int(v) for v in value) if isinstance(value, tuple | list) else (int(value),) * axes
    return values * axes if len(values) == 1 else values


def _pair(values: tuple[int, ...]) -> Pair:
    height, width = values
    return height, width


def array(tensor: Any, what: str = "values") -> Float:
    """A tensor or number as a float64 array of its own.

    Raises:
        Refusal: it holds NaN or infinity.
    """
    value = tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor
    values = np.array(value, dtype=np.float64)
    if not np.isfinite(values).all():
        raise Refusal(f"has {what} that are not finite (train again with a lower learning rate, or clip gradients)")
    return values
