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

    A record with m beats of a class speaks for that class with weight m^(1 − balance): neither one patient's thousand
    beats nor one patient's single beat decides what a class looks like, and a class that few patients have stays rare.

    Args:
        labels: class index per beat.
        records: record index per beat.
        count: beats to draw.
        balance: 0 draws all beats alike, 1 all records of a class and all classes' records alike.
        rng: where chance comes from.
    """
    groups = labels.astype(np.int64) * (int(records.max()) + 1) + records
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = sizes[group] ** -float(balance)
    return rng.choice(len(labels), size=count, p=weights / weights.sum())
