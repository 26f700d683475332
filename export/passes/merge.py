"""The linear nodes of one path as one operation: a convolution where that is exact, else a matrix."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cortexcore.export.layers import linear
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
from cortexcore.export.passes.convolutions import composed, pool_as_convolution, rebuilt, without_bias
from cortexcore.export.shapes import Shape, sent_shape
from cortexcore.export.windows import Window

Operation = Linear | Conv1d | Conv2d
MAX_DENSE = 2**23
"""A chain of layers becomes a matrix of this many weights at most."""
MAX_DIAGONAL = 4096
"""A dense identity has the square of this many weights at most."""
PROBES = 2**22
"""Values that probing a chain with unit vectors holds at a time, roughly."""


def merged(chain: tuple[Stateless, ...], source: Shape, target: Shape, gain: Float) -> Operation | None:
    """One operation without bias that does what ``chain`` does to a signal of shape ``source``.

    Args:
        gain: what the neurons of shape ``target`` multiply it by, scalar or [*target]: not folded in here, but where
            it differs within a channel no kernel could take it up, and a matrix is returned.

    Returns:
        the operation, or None where only a matrix could do it and that would be too large.
    """
    operation: Operation | Scale | None = Scale(np.ones(()))
    shape = source
    for node in chain:
        operation = _followed(operation, node, source, shape) if operation is not None else None
        shape = sent_shape(node, shape)
    if isinstance(operation, Scale):
        return _diagonal(operation.scale, source, target, gain)
    if isinstance(operation, Linear):
        return operation
    if operation is not None and _sends(operation) == target and per_channel(gain, target) is not None:
        return operation
    return dense(chain, source, target)


def dense(chain: tuple[Stateless, ...], source: Shape, target: Shape) -> Linear | None:
    """The matrix of a chain of linear nodes, found by sending unit vectors; None where it would be too large."""
    inputs, outputs = math.prod(source), math.prod(target)
    if inputs * outputs > MAX_DENSE:
        return None
    nodes = [_linear_part(node) for node in chain]
    sizes, shape = [inputs], source
    for node in nodes:
        shape = sent_shape(node, shape)
        sizes.append(math.prod(shape))
    weight = np.empty((outputs, inputs))
    some = max(1, PROBES // max(sizes))
    for start in range(0, inputs, some):
        count = min(some, inputs - start)
        x = np.zeros((count, inputs))
        x[np.arange(count), start + np.arange(count)] = 1.0
        y: Float = x.reshape(count, *source)
        for node in nodes:
            y = linear(node, y)
        weight[:, start : start + count] = y.reshape(count, outputs).T
    return Linear(weight)


def identity(shape: Shape) -> Operation | None:
    """What hands a signal of ``shape`` on as it is; None where it would be too large."""
    return _diagonal(np.ones(()), shape, shape, np.ones(())) if relayable(shape) else None


def relayable(shape: Shape) -> bool:
    """Whether a signal of ``shape`` can be handed on as it is."""
    return len(shape) in (2, 3) or math.prod(shape) <= MAX_DIAGONAL


def per_channel(values: Float, shape: Shape) -> Float | None:
    """``values``, scalar or [channels, ...], as one value per channel; None where a channel's differ."""
    if not values.ndim:
        return np.full(shape[0], float(values))
    rows = values.reshape(shape[0], -1)
    return rows[:, 0] if bool(np.all(rows == rows[:, :1])) else None


def _followed(operation: Operation | Scale, node: Stateless, source: Shape, shape: Shape) -> Operation | Scale | None:
    """``node`` of ``operation``, which sends ``shape``; None where they make no single one of these operations.

    A scale is kept in the shape of the ``source`` it multiplies, whatever was flattened since.
    """
    match node:
        case Flatten():
            return operation
        case Scale(scale=scale):
            return _scaled(operation, scale, source)
        case Linear(weight=weight) | Affine(weight=weight):
            if isinstance(operation, Scale):
                return Linear(
                    weight * operation.scale.reshape(-1) if operation.scale.ndim else weight * operation.scale
                )
            return Linear(weight @ operation.weight) if isinstance(operation, Linear) else None
        case SumPool2d() | AvgPool2d():
            if len(shape) != 3:
                raise TypeError(f"a pool takes [channels, height, width], not {shape}")
            kernel: Conv1d | Conv2d = pool_as_convolution(node, shape[0], (shape[1], shape[2]))
        case Conv1d() | Conv2d():
            kernel = without_bias(node)
        case _:
            raise TypeError(f"{type(node).__name__} is no linear node")
    if isinstance(operation, Scale):
        factors = per_channel(operation.scale, source) if source == shape else None
        return None if factors is None else _scaled_input(kernel, factors)
    if isinstance(operation, Linear) or _sends(operation) != shape:
        return None
    return composed(operation, kernel)


def _scaled(operation: Operation | Scale, scale: Float, source: Shape) -> Operation | Scale | None:
    """``scale`` times what ``operation`` sends."""
    match operation:
        case Scale(scale=own):
            return Scale(np.asarray(own * (scale.reshape(source) if scale.ndim else scale)))
        case Linear(weight=weight):
            return Linear(weight * (scale.reshape(-1, 1) if scale.ndim else scale))
    factors = per_channel(scale, _sends(operation))
    if factors is None:
        return None
    return replace(operation, weight=operation.weight * factors.reshape(-1, *(1 for _ in operation.weight.shape[1:])))


def _scaled_input(kernel: Conv1d | Conv2d, factors: Float) -> Conv1d | Conv2d:
    """``kernel`` of a signal whose channels are multiplied by ``factors``."""
    out, axes = len(kernel.weight), kernel.weight.ndim - 2
    rows = np.repeat(factors.reshape(kernel.groups, 1, -1), out // kernel.groups, axis=1)
    return replace(kernel, weight=kernel.weight * rows.reshape(out, -1, *(1 for _ in range(axes))))


def _diagonal(scale: Float, source: Shape, target: Shape, gain: Float) -> Operation | None:
    """``scale`` times the signal itself: a depthwise kernel of one tap, or for vectors a diagonal matrix."""
    factors = per_channel(scale, source)
    axes = len(source) - 1
    if axes in (1, 2) and source == target and factors is not None and per_channel(gain, target) is not None:
        ones = (1,) * axes
        window = Window(ones, ones, (0,) * axes, ones)
        return rebuilt(factors.reshape(-1, 1, *(1 for _ in range(axes))), source[1:], window, source[0])
    if math.prod(source) <= MAX_DIAGONAL:
        return Linear(np.diag(np.broadcast_to(scale, source).reshape(-1)))
    return None


def _linear_part(node: Stateless) -> Stateless:
    match node:
        case Affine(weight=weight):
            return Linear(weight)
        case Conv1d() | Conv2d():
            return without_bias(node)
    return node


def _sends(operation: Conv1d | Conv2d) -> Shape:
    return (len(operation.weight), *operation.output_size)
