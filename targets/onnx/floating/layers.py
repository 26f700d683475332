"""What a node without memory computes, in ONNX; the equations are in the nodes' docstrings."""

from __future__ import annotations

import numpy as np

from cortexcore.export.nodes import (
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Flatten,
    Float,
    Linear,
    Scale,
    Stateless,
    SumPool2d,
)
from cortexcore.export.shapes import Shape, sent_shape
from cortexcore.targets.onnx.floating.convolution import emit_convolution
from cortexcore.targets.onnx.floating.place import Place


def emit_layer(place: Place, node: Stateless, x: str, shape: Shape) -> str:
    """``x`` [*lead, *shape] → [*lead, *out]; one product over all leading axes."""
    match node:
        case Linear(weight=weight):
            return place.op("MatMul", x, place.parameter(weight.T, "weight"))
        case Affine(weight=weight, bias=bias):
            return _biased(place, place.op("MatMul", x, place.parameter(weight.T, "weight")), bias)
        case Conv1d() | Conv2d():
            y = emit_convolution(place, x, shape, node.weight, node.window, node.groups)
            return _biased(place, y, node.bias.reshape(-1, *(1 for _ in node.output_size)))
        case SumPool2d():
            return _summed(place, node, x, shape)
        case AvgPool2d():
            return place.op("Div", _summed(place, node, x, shape), place.parameter(node.area, "area"))
        case Flatten():
            return place.shaped(x, sent_shape(node, shape))
        case Scale(scale=scale):
            return place.op("Mul", x, place.parameter(scale, "scale"))
    raise TypeError(f"no ONNX for {type(node).__name__}")


def _biased(place: Place, y: str, bias: Float) -> str:
    return place.op("Add", y, place.parameter(bias, "bias")) if bias.any() else y


def _summed(place: Place, node: SumPool2d | AvgPool2d, x: str, shape: Shape) -> str:
    """A pool's sums: a convolution with ones, channel by channel. ONNX Runtime's pools refuse wide paddings."""
    ones = np.ones((shape[0], 1, *node.kernel))
    return emit_convolution(place, x, shape, ones, node.window, shape[0])
