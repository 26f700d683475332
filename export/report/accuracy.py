"""Decisions against labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.report.report import Accuracy, ClassFigures

Array = NDArray[Any]


def accuracy(labels: Array, before: Array, after: Array, classes: Sequence[str]) -> Accuracy:
    """Accuracy, macro-F1 and per class sensitivity and positive predictivity of two sets of decisions.

    Args:
        labels, before, after: class indices [B].
        classes: names in index order.

    Raises:
        DataError: the labels are not one known class index per inference.
    """
    labels = class_indices(labels, before.shape, classes)
    rows = []
    scores: list[tuple[float, float]] = []
    for index, name in enumerate(classes):
        (se_a, pp_a, f1_a), (se_b, pp_b, f1_b) = (_figures(labels, decided, index) for decided in (before, after))
        cases = int(np.count_nonzero(labels == index))
        rows.append(ClassFigures(name, cases, se_a, se_b, pp_a, pp_b))
        if cases:
            scores.append((f1_a, f1_b))
    macro = np.mean(scores, axis=0) if scores else np.zeros(2)
    return Accuracy(
        accuracy_float=float(np.mean(before == labels)),
        accuracy_integer=float(np.mean(after == labels)),
        macro_f1_float=float(macro[0]),
        macro_f1_integer=float(macro[1]),
        classes=tuple(rows),
    )


def class_indices(labels: Array, shape: tuple[int, ...], classes: Sequence[str]) -> NDArray[np.int64]:
    """Labels as one known class index for each of ``shape`` inferences; floats may hold them if they are whole.

    Raises:
        DataError: their number, type or range is wrong.
    """
    labels = np.asarray(labels)
    whole = labels.dtype.kind in "iu" or (labels.dtype.kind == "f" and bool(np.all(labels == np.rint(labels))))
    if labels.shape != shape or not whole:
        raise DataError(
            f"labels are {labels.dtype} of shape {labels.shape}, there must be one class index for each inference: "
            f"whole numbers of shape {shape}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise DataError(f"labels lie in [{labels.min()}, {labels.max()}], there are {len(classes)} classes")
    return labels.astype(np.int64)


def _figures(labels: Array, decided: Array, index: int) -> tuple[float | None, float | None, float]:
    """Sensitivity, positive predictivity and F1 = 2·TP / (cases + calls) of one class."""
    cases, calls = int(np.count_nonzero(labels == index)), int(np.count_nonzero(decided == index))
    hits = int(np.count_nonzero((labels == index) & (decided == index)))
    f1 = 2 * hits / (cases + calls) if cases + calls else 0.0
    return (hits / cases if cases else None), (hits / calls if calls else None), f1
