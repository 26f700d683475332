"""A kernel sliding over one or two spatial axes: positions, patches, and the convolution of floats and integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatT = TypeVar("FloatT", NDArray[np.float32], NDArray[np.float64])
Sizes = tuple[int, ...]
MAX_COLUMNS = 2**23
"""A convolution copies its patches into columns; of this many values at a time."""


@dataclass(frozen=True)
class Window:
    """How a kernel slides, one number per spatial axis in each field; zero padding on both sides of each axis."""

    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes

    @property
    def reach(self) -> Sizes:
        """Samples from the kernel's first tap to its last, both counted."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def positions(self, sizes: Sizes) -> Sizes:
        """Where the kernel fits on axes of these ``sizes``; below 1 where it does not."""
        axes = zip(sizes, self.padding, self.reach, self.stride, strict=True)
        return tuple((n + 2 * p - reach) // s + 1 for n, p, reach, s in axes)

    def patches(self, x: NDArray[Any]) -> NDArray[Any]:
        """``x`` [..., *sizes] → a view [..., *positions, *kernel] of its padded self."""
        axes = len(self.kernel)
        padding = [(0, 0)] * (x.ndim - axes) + [(p, p) for p in self.padding]
        padded = np.pad(x, padding) if any(self.padding) else x
        spatial = tuple(range(x.ndim - axes, x.ndim))
        slide: Any = np.lib.stride_tricks.sliding_window_view
        windows: NDArray[Any] = slide(padded, self.reach, axis=spatial)
        taken = (slice(None),) * (x.ndim - axes)
        return windows[
            (*taken, *(slice(None, None, s) for s in self.stride), *(slice(None, None, d) for d in self.dilation))
        ]


def convolve(x: FloatT, weight: FloatT, window: Window, groups: int = 1) -> FloatT:
    """Cross-correlation without bias: ``x`` [N, in, *sizes], weight [out, in/groups, *kernel] → [N, out, *positions].

    y[n, o, p] = Σ_{c,k} W[o, c, k]·x[n, c, p·stride + k·dilation − padding], as one matrix product per group.
    """
    out, per_group = weight.shape[:2]
    positions: Sizes = window.positions(x.shape[2:])
    count, depth = math.prod(positions), per_group * math.prod(window.kernel)
    rows = weight.reshape(groups, out // groups, depth).swapaxes(1, 2)
    y = np.empty((len(x), out, *positions), x.dtype)
    slice_ = max(1, MAX_COLUMNS // (count * depth * groups))
    for start in range(0, len(x), slice_):
        taps = window.patches(x[start : start + slice_])
        taps = taps.reshape(len(taps), groups, per_group, *positions, *window.kernel)
        columns = np.moveaxis(taps, 2, 2 + len(positions)).swapaxes(0, 1).reshape(groups, -1, depth)
        sums = (columns @ rows).reshape(groups, -1, count, out // groups)
        y[start : start + slice_] = sums.transpose(1, 0, 3, 2).reshape(-1, out, *positions)
    return y
