"""Which beats an epoch sees: rare classes and short records more often than they occur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def draw_beats(
    labels: NDArray[np.integer[Any]],
    records: NDArray[np.integer[Any]],
    count: int,
    balance: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Indices of ``count`` beats, drawn with replacement.

    A class with n beats gets a share proportional to n^(1 − balance), and within a class a record with m of them a
    share proportional to √m, so that no patient speaks for a class alone.

    Args:
        labels: class index per beat.
        records: record index per beat.
        count: beats to draw.
        balance: 0 keeps the class frequencies, 1 makes all classes equally frequent.
        rng: where chance comes from.
    """
    weights = np.zeros(len(labels), np.float64)
    for label in np.unique(labels):
        of_class = labels == label
        share = float(of_class.sum()) ** (1 - balance)
        names, sizes = np.unique(records[of_class], return_counts=True)
        total = np.sqrt(sizes).sum()
        for name, size in zip(names, sizes, strict=True):
            weights[of_class & (records == name)] = share * np.sqrt(size) / total / size
    return rng.choice(len(labels), size=count, p=weights / weights.sum())
