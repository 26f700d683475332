"""Which number types hold a network's sums exactly; needs nothing but NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.bounds import Range
from cortexcore.export.integer_currents import FLOAT32_EXACT, common_factor
from cortexcore.export.network import Dense, InputPort, Operation
from cortexcore.targets.bounds import largest_sum

PAIR_SAFE = 2**15 - 1
"""Two products of 8-bit numbers that x86 adds up in 16 bits (vpmaddubsw, where VNNI is missing) must stay below."""


def input_dtype(port: InputPort) -> str:
    """The smallest type that holds the port's range: uint8, int8, int16, int32 or int64."""
    types = (np.uint8, np.int8, np.int16, np.int32)
    fitting = (t for t in types if np.iinfo(t).min <= port.low and port.high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.int64)).name


def stored_weight(operation: Operation) -> tuple[NDArray[np.int8] | NDArray[np.int16], int]:
    """(w / 2^k, k): the weights without their common factor 2^k, as int8 wherever they fit."""
    k = common_factor(operation.weight).bit_length() - 1
    small = operation.weight >> k
    fits = small.min(initial=0) >= -128 and small.max(initial=0) <= 127
    return (small.astype(np.int8) if fits else small.astype(np.int16)), k


def multiplies_in_int8(operation: Operation, sent: Range) -> bool:
    """Whether Σ w·s is a product of uint8 and int8 that every processor computes exactly, as spikes' is."""
    weight = stored_weight(operation)[0]
    if not isinstance(operation, Dense) or weight.dtype != np.int8 or sent[0] < 0 or sent[1] > 255:
        return False
    return 2 * sent[1] * int(np.abs(weight.astype(np.int64)).max(initial=0)) <= PAIR_SAFE


def digit_bits(operation: Operation) -> int:
    """Bits of a source value for which the sum stays exact in float32; 0 where not even one bit does."""
    one = max(1, largest_sum(operation, (-1, 1)) >> stored_weight(operation)[1])
    return (FLOAT32_EXACT // one).bit_length() - 1 if one <= FLOAT32_EXACT // 2 else 0
