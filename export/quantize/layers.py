"""One layer on the weight grid: its exponent and integers at a scale, and how good a scale is for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import WEIGHT_EXPONENTS
from cortexcore.export.nodes import Linear
from cortexcore.export.passes.merge import Operation
from cortexcore.export.quantize.config import QuantizationConfig, ScaleChoice
from cortexcore.export.quantize.grids import top_ratio, weights_on_grid

Float = NDArray[np.float64]
Int = NDArray[np.int32]
SAMPLE = 2**16
"""A scale is judged on this many of a layer's weights at most, evenly spaced over it."""
FLOOR = 1e-3
"""An input that calibration never sees active counts as much as this share of the mean one, for it may fire yet."""
CLIPPING: Mapping[ScaleChoice, int] = {"max": 1, "percentile": 1, "mse": 2, "activity": 4}
"""How many exponents are tried, from the one that clips nothing downwards."""


@dataclass(frozen=True, eq=False)
class GridLayer:
    """A layer's wanted weights and how they are brought onto the grid.

    Attributes:
        weights: wanted, in float units.
        bits: of the grid.
        choice, percentile: as configured.
        importance: per weight what a squared error of it counts, of the weights' shape; None where all count alike.
    """

    weights: Float
    bits: int
    choice: ScaleChoice
    percentile: float
    importance: Float | None
    _grids: dict[float, Int] = field(default_factory=dict, repr=False)

    @cached_property
    def ratio(self) -> float:
        """The factor that must divide the weights so that they fit the grid, as many of them as configured."""
        return top_ratio(self.weights, self.bits, self.percentile if self.choice == "percentile" else 100.0)

    def exponent(self, scale: float) -> int:
        """The weight exponent at ``scale``: the smallest that fits, or one below where clipping costs less."""
        ratio = self.ratio * scale
        if ratio == 0:
            return 0
        fitting = math.ceil(math.log2(ratio) - 1e-9)
        tried = range(fitting, fitting - CLIPPING[self.choice], -1)
        best = fitting if len(tried) == 1 else min(tried, key=lambda e: self._squares(scale, e))
        return max(best, WEIGHT_EXPONENTS[0])

    def grid(self, scale: float, exponent: int) -> Int:
        """The integers at ``scale``; scales that differ by powers of two share them."""
        factor = scale / 2.0**exponent
        if factor not in self._grids:
            self._grids.clear()
            self._grids[factor] = weights_on_grid(self.weights * factor, self.bits)
        return self._grids[factor]

    def error(self, scale: float, top: float) -> float:
        """What the grid costs at ``scale``: in squares of a unit at scale ``top`` for "activity", else relative."""
        squares = self._squares(scale, self.exponent(scale))
        if self.choice == "activity":
            return squares * self.weights.size * (top / scale) ** 2
        return squares / ((scale * self.ratio) ** 2 * self._power) if self.ratio else 0.0

    @cached_property
    def _power(self) -> float:
        """Mean square of the weights, in units of the factor that just makes them fit."""
        return float(np.square(self.weights / self.ratio).mean())

    def _squares(self, scale: float, exponent: int) -> float:
        """Mean squared error in integer units, each weight by its importance, over the sample."""
        every = _spacing(self.weights.size)
        wanted = self.weights.reshape(-1)[::every] * scale
        errors = np.square(weights_on_grid(wanted / 2.0**exponent, self.bits) * 2.0**exponent - wanted)
        if self.importance is None:
            return float(errors.mean())
        return float((errors * np.broadcast_to(self.importance, self.weights.shape).reshape(-1)[::every]).mean())


def grid_layer(
    name: str, weights: Float, operation: Operation, config: QuantizationConfig, moments: Float | None
) -> GridLayer:
    """The layer ``name`` under ``config``; ``moments`` E[s²] of each element of its source [*source] for "activity"."""
    importance = None
    if config.scale == "activity" and moments is not None:
        importance = _importance(operation, moments)
    return GridLayer(weights, config.bits_of(name), config.scale, config.percentile, importance)


def _importance(operation: Operation, moments: Float) -> Float:
    """What arrives at each weight, broadcastable to the weights: E[s²] of its input, for a kernel of its channel."""
    if isinstance(operation, Linear):
        return _floored(moments.reshape(-1))[None]
    weight = operation.weight
    out, per_group = weight.shape[:2]
    channels = _floored(moments.reshape(len(moments), -1).mean(axis=1)).reshape(operation.groups, 1, per_group)
    rows = np.repeat(channels, out // operation.groups, axis=1)
    return rows.reshape(out, per_group, *(1 for _ in weight.shape[2:]))


def _floored(moments: Float) -> Float:
    return np.maximum(moments, FLOOR * (float(moments.mean()) or 1.0))


def _spacing(size: int) -> int:
    """Odd, so that it falls on every tap of an even kernel."""
    return 1 if size <= SAMPLE else -(-size // SAMPLE) | 1
