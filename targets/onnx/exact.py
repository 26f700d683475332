"""Which number types hold a network's sums exactly; needs nothing but NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import FLOAT32_EXACT, common_factor
from cortexcore.export.network import InputPort, Operation
from cortexcore.targets.bounds import largest_sum

INT32_SAFE = 2**30
"""Currents up to this add up in int32, with room for u and bias."""


def input_dtype(port: InputPort) -> str:
    """The smallest signed integer type that holds the port's range."""
    types = (np.int8, np.int16, np.int32)
    fitting = (t for t in types if np.iinfo(t).min <= port.low and port.high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.int64)).name


def stored_weight(operation: Operation) -> tuple[NDArray[np.int8] | NDArray[np.int16], int]:
    """(w / 2^k, k): the weights without their common factor 2^k, as int8 wherever they fit."""
    k = common_factor(operation.weight).bit_length() - 1
    small = operation.weight >> k
    fits = small.min(initial=0) >= -128 and small.max(initial=0) <= 127
    return (small.astype(np.int8) if fits else small.astype(np.int16)), k


def digit_bits(operation: Operation) -> int:
    """Bits of a source value for which the sum stays exact in float32; 0 where not even one bit does."""
    one = max(1, largest_sum(operation, (-1, 1)) >> stored_weight(operation)[1])
    return (FLOAT32_EXACT // one).bit_length() - 1 if one <= FLOAT32_EXACT // 2 else 0
