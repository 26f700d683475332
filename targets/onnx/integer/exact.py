"""Which 8-bit types hold a network's values and products exactly; needs nothing but NumPy."""

from __future__ import annotations

import numpy as np

from cortexcore.export.bounds import Range
from cortexcore.export.network import Dense, InputPort, Operation
from cortexcore.export.stored_weight import stored_weight

PAIR_SAFE = 2**15 - 1
"""Two products of 8-bit numbers that x86 adds up in 16 bits (vpmaddubsw, where VNNI is missing) must stay below."""


def input_dtype(port: InputPort) -> str:
    """The smallest type that holds the port's range: uint8, int8, int16, int32 or int64."""
    types = (np.uint8, np.int8, np.int16, np.int32)
    fitting = (t for t in types if np.iinfo(t).min <= port.low and port.high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.int64)).name


def multiplies_in_int8(operation: Operation, sent: Range) -> bool:
    """Whether Σ w·s is a product of uint8 and int8 that every processor computes exactly, as spikes' is."""
    weight = stored_weight(operation)[0]
    if not isinstance(operation, Dense) or weight.dtype != np.int8 or sent[0] < 0 or sent[1] > 255:
        return False
    return 2 * sent[1] * int(np.abs(weight.astype(np.int64)).max(initial=0)) <= PAIR_SAFE
