"""A convolution of a convolution as one convolution, where the two are exactly that."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from cortexcore.export.nodes import AvgPool2d, Conv1d, Conv2d, Convolution, Float, Pool
from cortexcore.export.windows import Sizes, Window

MAX_WEIGHTS = 2**23
"""A kernel grows when two become one, most where their dilations differ; to no more weights than this."""


def pool_as_convolution(node: Pool, channels: int, size: tuple[int, int]) -> Conv2d:
    """A pool over [channels, *size] as the depthwise convolution with equal weights that it is."""
    value = 1.0 / node.area if isinstance(node, AvgPool2d) else 1.0
    weight = np.full((channels, 1, *node.kernel), value)
    return Conv2d(weight, np.zeros(channels), size, node.stride, node.padding, groups=channels)


def without_bias(node: Convolution) -> Convolution:
    """The linear part of a convolution."""
    return rebuilt(node.weight, node.input_size, node.window, node.groups)


def composed(first: Convolution, second: Convolution) -> Convolution | None:
    """``second`` of ``first`` as one convolution without bias; None where none computes the same, or a huge one.

    With strides s, dilations d, paddings p and taps k of both, tap k2 of the second at position q sees the first's
    position q·s2 + k2·d2 − p2, whose tap k1 sees the input's q·s2·s1 + (k2·d2·s1 + k1·d1) − (p2·s1 + p1). The second
    pads the first's output with zeros, the composite computes values there: it is exact where those are zero, that
    is where they see nothing but padding.
    """
    if second.input_size != first.output_size or not _padding_is_silent(first, second):
        return None
    a, b = first.window, second.window
    grid = tuple(math.gcd(d2 * s1, d1) for d2, s1, d1 in zip(b.dilation, a.stride, a.dilation, strict=True))
    reach = [(r2 - 1) * s1 + r1 for r2, s1, r1 in zip(b.reach, a.stride, a.reach, strict=True)]
    kernel = tuple((r - 1) // g + 1 for r, g in zip(reach, grid, strict=True))
    window = Window(
        kernel,
        tuple(s1 * s2 for s1, s2 in zip(a.stride, b.stride, strict=True)),
        tuple(p2 * s1 + p1 for p2, s1, p1 in zip(b.padding, a.stride, a.padding, strict=True)),
        tuple(g if k > 1 else 1 for g, k in zip(grid, kernel, strict=True)),
    )
    if window.positions(first.input_size) != second.output_size:
        return None
    groups = math.gcd(first.groups, second.groups)
    if len(second.weight) * first.weight.shape[1] * first.groups // groups * math.prod(kernel) > MAX_WEIGHTS:
        return None
    inner, outer = _blocks(first, groups), _blocks(second, groups)
    weight = np.zeros((groups, outer.shape[1], inner.shape[2], *kernel))
    steps = tuple(d1 // g for d1, g in zip(a.dilation, grid, strict=True))
    taps = outer.reshape(*outer.shape[:3], -1)
    columns = inner.reshape(*inner.shape[:2], -1)
    for i, tap in enumerate(itertools.product(*map(range, b.kernel))):
        starts = [k * d2 * s1 // g for k, d2, s1, g in zip(tap, b.dilation, a.stride, grid, strict=True)]
        ends = zip(starts, a.kernel, steps, strict=True)
        seen: Any = (..., *(slice(start, start + (count - 1) * step + 1, step) for start, count, step in ends))
        weight[seen] += (taps[:, :, :, i] @ columns).reshape(groups, outer.shape[1], *inner.shape[2:])
    return rebuilt(weight.reshape(-1, *weight.shape[2:]), first.input_size, window, groups)


def rebuilt(weight: Float, size: Sizes, window: Window, groups: int) -> Convolution:
    """The convolution without bias over one or two axes that ``window`` and ``groups`` describe."""
    bias = np.zeros(len(weight))
    if len(size) == 1:
        (stride,), (padding,), (dilation,) = window.stride, window.padding, window.dilation
        return Conv1d(weight, bias, size[0], stride, padding, dilation, groups)
    return Conv2d(
        weight, bias, _pair(size), _pair(window.stride), _pair(window.padding), _pair(window.dilation), groups
    )


def _pair(sizes: Sizes) -> tuple[int, int]:
    height, width = sizes
    return height, width


def _padding_is_silent(first: Convolution, second: Convolution) -> bool:
    """Whether ``first`` would send nothing at the positions outside its output that ``second`` reads."""
    a, b = first.window, second.window
    axes = zip(first.input_size, first.output_size, second.output_size, range(len(a.kernel)), strict=True)
    for size, inner, outer, i in axes:
        before = -a.stride[i] + a.reach[i] - 1 - a.padding[i]
        behind = inner * a.stride[i] - a.padding[i]
        last_read = (outer - 1) * b.stride[i] + b.reach[i] - 1 - b.padding[i]
        if (b.padding[i] and before >= 0) or (last_read >= inner and behind < size):
            return False
    return True


def _blocks(node: Convolution, groups: int) -> Float:
    """Weights [groups, out/groups, in/groups, *kernel] of a convolution in as many groups or a multiple of it."""
    out, per_group = node.weight.shape[:2]
    share, rows = node.groups // groups, out // node.groups
    blocks = np.zeros((groups, share * rows, share * per_group, *node.weight.shape[2:]))
    for i in range(node.groups):
        block, place = divmod(i, share)
        blocks[block, place * rows : (place + 1) * rows, place * per_group : (place + 1) * per_group] = node.weight[
            i * rows : (i + 1) * rows
        ]
    return blocks
