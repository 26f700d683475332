"""What a node without memory computes, in NumPy float64."""

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
from cortexcore.export.shapes import sent_shape
from cortexcore.export.windows import convolve


def linear(node: Stateless, x: Float) -> Float:
    """One node without memory: ``x`` [N, *in] → [N, *out]; the equations are in the nodes' docstrings."""
    match node:
        case Linear(weight=weight):
            return np.asarray(x @ weight.T)
        case Affine(weight=weight, bias=bias):
            return np.asarray(x @ weight.T + bias)
        case Conv1d() | Conv2d():
            y = convolve(x, node.weight, node.window, node.groups)
            y += node.bias.reshape(-1, *(1 for _ in node.output_size))
            return y
        case SumPool2d():
            return np.asarray(node.window.patches(x).sum(axis=(-2, -1)))
        case AvgPool2d():
            return np.asarray(node.window.patches(x).sum(axis=(-2, -1)) / node.area)
        case Flatten():
            return x.reshape(len(x), *sent_shape(node, x.shape[1:]))
        case Scale(scale=scale):
            return np.asarray(x * scale)
    raise TypeError(f"no float arithmetic for {type(node).__name__}")
