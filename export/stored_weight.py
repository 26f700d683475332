"""Weights as a target stores them: without the power of two that all of a layer share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import common_factor
from cortexcore.export.network import Operation


def stored_weight(operation: Operation) -> tuple[NDArray[np.int8] | NDArray[np.int16], int]:
    """(w / 2^k, k): the weights without their common factor 2^k, as int8 wherever they fit."""
    k = common_factor(operation.weight).bit_length() - 1
    small = operation.weight >> k
    fits = small.min(initial=0) >= -128 and small.max(initial=0) <= 127
    return (small.astype(np.int8) if fits else small.astype(np.int16)), k
