"""Delays in ONNX: over all steps a shift along T; step by step a buffer of what waits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.shapes import Shape
from cortexcore.targets.onnx.floating.memory import Memory
from cortexcore.targets.onnx.floating.place import Place

Steps = NDArray[np.int64]
"""A delay in steps, scalar or [*shape]."""


def emit_shift(place: Place, x: str, steps: Steps, shape: Shape) -> str:
    """``x`` [T, B, *shape] so many steps later, 0 before."""
    if not steps.any():
        return x
    axes = 2 + len(shape)
    padded = place.op("Pad", x, place.index([1] + [0] * (2 * axes - 1)))
    length, one = place.op("Gather", place.lead, place.number(0), axis=0), place.number(1)
    now = place.op("Range", one, place.op("Add", length, one), one)
    if steps.ndim:
        column = place.op("Reshape", now, place.index([-1] + [1] * (axes - 1)))
        taken = place.op("Max", place.op("Sub", column, place.index(steps)), place.index([0]))
        everywhere = place.op("Expand", taken, place.joined(place.lead, place.index(shape)))
        return place.op("GatherElements", padded, everywhere, axis=0)
    taken = place.op("Max", place.op("Sub", now, place.index([steps])), place.index([0]))
    return place.op("Gather", padded, taken, axis=0)


def emit_waiting(place: Place, memory: Memory, owner: str, x: str, steps: Steps, shape: Shape) -> str:
    """What entered a delay so many steps ago; ``x`` [B, *shape] enters now.

    The buffer [B, longest delay, *shape] holds the steps before, the oldest first; ``owner`` names its state.
    """
    if not steps.any():
        return x
    longest = int(steps.max())
    before = memory.before("waiting", owner, place.dtype, (longest, *shape))
    row = place.op("Unsqueeze", x, place.index([1]))
    held = place.op("Concat", before, row, axis=1)
    limits = (place.index([limit]) for limit in (1, longest + 1, 1))
    memory.keep("waiting", owner, place.op("Slice", held, *limits))
    if not steps.ndim:
        return place.op("Gather", held, place.number(0), axis=1)
    everywhere = place.op("Expand", place.index((longest - steps)[None, None]), place.op("Shape", row))
    return place.op("Squeeze", place.op("GatherElements", held, everywhere, axis=1), place.index([1]))
