"""The recent past of a signal, addressed by sample index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class History:
    """The last ``keep`` samples or more, int64, addressed by the index in the stream. In C: a ring buffer."""

    def __init__(self, keep: int, start: int = 0) -> None:
        self._keep = keep
        self._buffer = np.zeros(4 * keep, dtype=np.int64)
        self._used = 0
        self._first = start

    @property
    def end(self) -> int:
        """Index after the newest sample."""
        return self._first + self._used

    @property
    def empty(self) -> bool:
        """No sample came yet."""
        return self._used == 0

    def append(self, samples: Sequence[int] | NDArray[np.int64]) -> None:
        """Add a block of at most ``keep`` samples."""
        count = len(samples)
        if self._used + count > len(self._buffer):
            drop = self._used - self._keep
            self._buffer[: self._keep] = self._buffer[drop : self._used].copy()
            self._used, self._first = self._keep, self._first + drop
        self._buffer[self._used : self._used + count] = samples
        self._used += count

    def part(self, start: int, stop: int) -> NDArray[np.int64]:
        """Samples start … stop − 1. Before the stream's first sample: 0; after the newest: the newest, held."""
        low, high = start - self._first, stop - self._first
        if low >= 0 and high <= self._used:
            return self._buffer[low:high]
        index = np.arange(low, high)
        if self._used == 0:
            return np.zeros(len(index), dtype=np.int64)
        values = self._buffer[np.clip(index, 0, self._used - 1)]
        values[index < 0] = 0
        return values
