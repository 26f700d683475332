"""Currents of the golden integer network: products of weights and what a source sends, exact whatever adds them up.

A sum of integers is exact in floating point, in any order, while no part of it can leave the integers that the type
holds: 2^24 for float32 and 2^53 for float64, times the weights' common power of two, since every product is a
multiple of it. Σ|w|·max|s| bounds every part, so that most products run through BLAS; int64 takes the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import (
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    Conv1d,
    Conv2d,
    Convolution,
    Dense,
    IntegerNetwork,
    Operation,
    Population,
    fan_in,
)
from cortexcore.export.windows import convolve

Numbers = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53
"""Integers up to these magnitudes are whole in float32 and float64."""
WRAP = 2 * (STATE_LIMIT + 1)
"""u repeats after this much."""
CHUNK = 2**21
"""Numbers that a product takes in at once: some megabytes, which bounds the memory of a long or wide run."""


def number_type(operation: Operation, peak: int) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """The quickest type in which Σ w·s is exact for all |s| ≤ ``peak``."""
    most = fan_in(operation) * peak
    if most <= FLOAT32_EXACT * common_factor(operation.weight) and peak <= FLOAT32_EXACT:
        return np.float32
    return np.float64 if most <= FLOAT64_EXACT else np.int64


def common_factor(weight: NDArray[np.int32]) -> int:
    """The largest power of two that divides every weight; 1 where all are zero."""
    bits = int(np.bitwise_or.reduce(np.abs(weight.astype(np.int64)), axis=None)) if weight.size else 0
    return bits & -bits or 1


def multiply(operation: Operation, weight: Numbers, sent: Numbers) -> Numbers:
    """Σ w·s: ``sent`` [N, *source] → [N, out] or [N, out, *positions], in the type of ``weight``, the converted one."""
    values = sent.astype(weight.dtype, copy=False)
    match operation:
        case Dense():
            return np.asarray(values.reshape(len(values), -1) @ weight.T)
        case Conv1d() | Conv2d():
            return convolve(values, weight, operation.window, operation.groups)
        case _:
            raise TypeError(f"no arithmetic for the operation {type(operation).__name__}")


def shift(values: Ints, exponent: int) -> Ints:
    """values·2^exponent; a negative exponent is an arithmetic right shift (toward −∞)."""
    return values << exponent if exponent >= 0 else values >> -exponent


@dataclass(frozen=True, eq=False)
class Connection:
    """One connection of a population, its weights converted once.

    Attributes:
        source, recurrent, operation: of the synapses.
        source_shape: what the source sends per inference.
        weight: the operation's, in the type in which its sums are exact.
        limit: largest |a·2^6| it can deliver.
        row: numbers that one step of one inference brings into the product, a convolution's patches written out.
    """

    source: str
    recurrent: bool
    operation: Operation
    source_shape: tuple[int, ...]
    weight: Numbers
    limit: int
    row: int

    def add(self, sent: Numbers, total: Numbers) -> None:
        """Add a·2^6 of ``sent`` [N, *source] to ``total`` [N, neurons], float64 or int64."""
        values = sent.reshape(-1, *self.source_shape)
        rows = max(1, CHUNK // self.row)
        for first in range(0, len(values), rows):
            part = multiply(self.operation, self.weight, values[first : first + rows])
            total[first : first + rows] += self._shifted(part.reshape(len(part), -1)).astype(total.dtype, copy=False)

    def _shifted(self, total: Numbers) -> Numbers:
        """Σ w·s → a·2^6. Powers of two keep a float's digits, so the product is exact and its floor the shift's."""
        exponent = self.operation.weight_exp
        if total.dtype == np.int64:
            return shift(total, exponent) << THRESHOLD_SHIFT
        if exponent >= 0:
            return np.multiply(total, total.dtype.type(2.0 ** (exponent + THRESHOLD_SHIFT)), out=total)
        np.floor(np.multiply(total, total.dtype.type(2.0**exponent), out=total), out=total)
        return np.multiply(total, total.dtype.type(2.0**THRESHOLD_SHIFT), out=total)


@dataclass(frozen=True, eq=False)
class Drive:
    """All that arrives at one population: Σ a·2^6.

    Attributes:
        connections: of the population's synapses.
        number: float64 where it holds every possible sum beside u, else int64, where the network keeps it below 2^62.
    """

    connections: tuple[Connection, ...]
    number: type[np.float64] | type[np.int64]

    def zeros(self, *shape: int) -> Numbers:
        """Where the connections' currents add up."""
        return np.zeros(shape, self.number)

    def settle(self, total: Numbers) -> Floats:
        """The drive as float64, by multiples of 2^24 nearer to zero where it lies far outside of u's range.

        A drive beyond ±2^25 wraps whatever u was, and still does after it is brought to between 3·2^23 and 5·2^23, so
        that u, and whether it wrapped, stay what they were.
        """
        if self.number is np.float64:
            return total
        far = 2 * WRAP
        wrapped = STATE_LIMIT + 1 - (STATE_LIMIT + 1 - total) % WRAP
        return np.where(np.abs(total) <= far, total, wrapped + np.sign(total) * far).astype(np.float64)


def drive(network: IntegerNetwork, p: Population) -> Drive:
    """What feeds ``p``, made ready."""
    connections = []
    for s in p.synapses:
        peak = max(abs(limit) for limit in network.range_of(s.source))
        operation = s.operation
        weight = operation.weight.astype(number_type(operation, peak))
        limit = largest_current(operation, peak) << THRESHOLD_SHIFT
        shape = network.shape_of(s.source)
        row = math.prod(shape)
        if isinstance(operation, Convolution):
            window = operation.window
            row = shape[0] * math.prod((*window.kernel, *window.positions(shape[1:])))
        connections.append(Connection(s.source, s.recurrent, operation, shape, weight, limit, row))
    fits = sum(c.limit for c in connections) <= FLOAT64_EXACT - WRAP
    return Drive(tuple(connections), np.float64 if fits else np.int64)


def largest_current(operation: Operation, peak: int) -> int:
    """Largest |a| for all |s| ≤ ``peak``; a right shift toward −∞ may reach one further."""
    most, exponent = fan_in(operation) * peak, operation.weight_exp
    return most << exponent if exponent >= 0 else -(-most >> -exponent)
