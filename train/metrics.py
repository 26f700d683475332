"""Beat-wise figures of a classifier: what cross-validation reports. EC57 figures are in ``train/evaluation``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of beats, ``counts`` int64 [true class, decided class], in the order of ``classes``.

    A ratio without beats to take it from (0/0) is NaN, and ``None`` in JSON; it never counts as 0 or 1.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        return _ratio(np.trace(self.counts), self.counts.sum())

    def sensitivity(self, name: str) -> float:
        """Share of the beats of class ``name`` that were decided so."""
        i = self.classes.index(name)
        return _ratio(self.counts[i, i], self.counts[i].sum())

    def predictivity(self, name: str) -> float:
        """Positive predictivity: share of the beats decided ``name`` that are so."""
        i = self.classes.index(name)
        return _ratio(self.counts[i, i], self.counts[:, i].sum())

    def f1(self, name: str) -> float:
        """2·TP / (2·TP + FN + FP)."""
        i = self.classes.index(name)
        return _ratio(2 * self.counts[i, i], self.counts[i].sum() + self.counts[:, i].sum())

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur or were decided at least once."""
        return float(np.nanmean([self.f1(name) for name in self.classes])) if self.counts.any() else float("nan")

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        return ConfusionMatrix(self.classes, self.counts + other.counts)

    def to_json(self) -> dict[str, Any]:
        per_class = {
            name: {"sensitivity": _json(self.sensitivity(name)), "predictivity": _json(self.predictivity(name))}
            for name in self.classes
        }
        return {
            "beats": int(self.counts.sum()),
            "accuracy": _json(self.accuracy),
            "macro_f1": _json(self.macro_f1),
            "classes": per_class,
            "confusion": self.counts.tolist(),
        }


def confusion(
    classes: Sequence[str], true: NDArray[np.integer[Any]], decided: NDArray[np.integer[Any]]
) -> ConfusionMatrix:
    """Count pairs of class indices; ``true`` and ``decided`` have one entry per beat."""
    size = len(classes)
    pairs = true.astype(np.int64) * size + decided.astype(np.int64)
    return ConfusionMatrix(tuple(classes), np.bincount(pairs, minlength=size * size).reshape(size, size))


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _json(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)
