"""Convolutions in the form that NIR's own type check follows, and back.

NIR 1.0.8 takes a convolution's input channels for ``weight.shape[1]`` whatever its groups, and its kernel for
``weight.shape[2]`` along both axes (``nir/ir/conv.py``, ``nir/ir/utils.py``). A grouped or oblong kernel is right in
the file, but ``nir.read`` would refuse it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.windows import Sizes, Window


@dataclass(frozen=True)
class Form:
    """How a convolution is written.

    Attributes:
        margin: zeros put on either side of the kernel, per axis.
        padding: the input's padding, numbers or "same".
    """

    margin: Sizes
    padding: Sizes | str

    def weight(self, weight: Any, groups: int) -> Any:
        """[out, in/groups, *kernel] as it is written: [out, in, *larger kernel]."""
        return np.pad(ungrouped(weight, groups), [(0, 0), (0, 0), *((m, m) for m in self.margin)])


def written_form(window: Window, size: Sizes) -> Form:
    """The form with the same meaning that passes NIR's type check, for an input of ``size``.

    An oblong kernel is padded "same" where that is what it does, else it gets zeros around it until it is square.
    Where its sides differ by an odd number neither can be, and it stays as it is: ``nir.read`` then takes the file
    with ``type_check=False``.
    """
    none = (0,) * len(window.kernel)
    if _seen_by_nir(window, size) == window.positions(size):
        return Form(none, window.padding)
    if set(window.stride) == {1} and all(2 * p == r - 1 for p, r in zip(window.padding, window.reach, strict=True)):
        return Form(none, "same")
    margin = _margin(window.kernel, (max(window.kernel),) * len(window.kernel))
    if margin is None:
        return Form(none, window.padding)
    grown = zip(window.padding, margin, window.dilation, strict=True)
    return Form(margin, tuple(p + m * d for p, m, d in grown))


def _seen_by_nir(window: Window, size: Sizes) -> Sizes:
    """The positions that NIR computes, which knows the kernel's first side alone."""
    first = (window.kernel[0],) * len(window.kernel)
    return Window(first, window.stride, window.padding, window.dilation).positions(size)


def _margin(kernel: Sizes, larger: Sizes) -> Sizes | None:
    """Zeros on either side of each axis that make ``kernel`` ``larger``; None where there is no such number."""
    margin = tuple((b - a) // 2 for a, b in zip(kernel, larger, strict=True))
    fits = all(a + 2 * m == b and m >= 0 for a, b, m in zip(kernel, larger, margin, strict=True))
    return margin if fits else None


def original(weight: Any, padding: Sizes, dilation: Sizes, groups: int, kernel: Sizes) -> tuple[Any, Sizes]:
    """The grouped weight and the padding that were written in a :class:`Form`.

    Raises:
        GraphError: the weight cannot come from there: values stand where there must be zeros.
    """
    margin = _margin(kernel, weight.shape[2:]) if len(kernel) == weight.ndim - 2 else None
    if margin is None or min(kernel) < 1:
        raise GraphError(f"has a weight of shape {weight.shape}, which no kernel of {kernel} becomes")
    if groups < 1 or weight.shape[0] % groups or weight.shape[1] % groups:
        raise GraphError(f"has {groups} groups, which its weight of shape {weight.shape} cannot have")
    inner = weight[(..., *(slice(m, m + k) for m, k in zip(margin, kernel, strict=True)))]
    found = regrouped(inner, groups)
    if np.count_nonzero(weight) != np.count_nonzero(found):
        raise GraphError("has weights where its groups and kernel leave zeros; the file was changed")
    return found, tuple(p - m * d for p, m, d in zip(padding, margin, dilation, strict=True))


def same_padding(weight: Any, stride: Sizes, dilation: Sizes) -> tuple[Any, Sizes]:
    """Weight and equal padding on both sides that mean what PyTorch's padding "same" does.

    It pads the far side by one more where the kernel's reach is even; a zero before the kernel's first tap makes
    both sides equal.

    Raises:
        GraphError: a stride other than 1, or an even kernel that is dilated.
    """
    if set(stride) != {1}:
        raise GraphError("pads 'same' with a stride, which means nothing; give the padding as numbers")
    total = tuple(d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True))
    if any(t % 2 and d > 1 for t, d in zip(total, dilation, strict=True)):
        raise GraphError("pads 'same' unequally, by a dilated kernel; give the padding as numbers")
    front = [(0, 0), (0, 0), *((t % 2, 0) for t in total)]
    return np.pad(weight, front), tuple((t + 1) // 2 for t in total)


def ungrouped(weight: Any, groups: int) -> Any:
    """[out, in/groups, *kernel] as [out, in, *kernel], zeros between the groups."""
    out, per_group, *kernel = weight.shape
    blocks = np.zeros((groups, out // groups, groups, per_group, math.prod(kernel)), weight.dtype)
    index = np.arange(groups)
    blocks[index, :, index] = weight.reshape(groups, out // groups, per_group, -1)
    return blocks.reshape(out, groups * per_group, *kernel)


def regrouped(weight: Any, groups: int) -> Any:
    """The inverse of :func:`ungrouped`: the blocks on the diagonal."""
    out, channels, *kernel = weight.shape
    blocks = weight.reshape(groups, out // groups, groups, channels // groups, math.prod(kernel))
    index = np.arange(groups)
    return blocks[index, :, index].reshape(out, channels // groups, *kernel)
