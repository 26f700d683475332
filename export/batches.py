"""Long inputs in slices of inferences, so that a full trace of every neuron fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SLICE = 64


def batches(inputs: Mapping[str, Array], size: int = SLICE) -> Iterator[dict[str, Array]]:
    """``inputs`` (name → [T, B, *shape]) in slices of at most ``size`` inferences.

    Arrays without a batch axis, or of different batch sizes, come whole, for the run to refuse.
    """
    sizes = {np.shape(a)[1] if np.ndim(a) > 1 else 0 for a in inputs.values()}
    total = sizes.pop() if len(sizes) == 1 else 0
    if total <= size:
        yield dict(inputs)
        return
    for start in range(0, total, size):
        yield {name: np.asarray(a)[:, start : start + size] for name, a in inputs.items()}
