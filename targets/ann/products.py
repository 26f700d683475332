"""Products of an ANN's weights and values, some inferences at a time, so that a large batch takes no more memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import CHUNK, multiply
from cortexcore.export.network import Convolution, Operation

Floats = NDArray[np.float64]


def products(operation: Operation, values: NDArray[Any]) -> Floats:
    """Σ w·x in float64, which holds sums of int8 products exactly: [B, *source] → [B, out] or [B, out, *positions]."""
    weight = operation.weight.astype(np.float64)
    row = math.prod(values.shape[1:])
    if isinstance(operation, Convolution):
        window = operation.window
        row = values.shape[1] * math.prod((*window.kernel, *window.positions(values.shape[2:])))
    some = max(1, CHUNK // row)
    return np.concatenate(
        [multiply(operation, weight, values[first : first + some]) for first in range(0, len(values), some)]
    )
