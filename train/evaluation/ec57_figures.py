"""EC57's figures of a comparison: sensitivity and positive predictivity, per record, gross and average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.train.evaluation.ec57 import LABELS, Comparison

_N, _S, _V, _F, _Q, _O, _X = range(len(LABELS))
_BEATS = [_N, _S, _V, _F, _Q]


@dataclass(frozen=True)
class Rate:
    """True positives, false negatives and false positives of one kind of beat."""

    tp: int
    fn: int
    fp: int

    @property
    def sensitivity(self) -> float | None:
        """TP / (TP + FN); None where there is nothing to find."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def positive_predictivity(self) -> float | None:
        """TP / (TP + FP); None where nothing was said."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    def to_json(self) -> dict[str, Any]:
        """Counts and both ratios."""
        return {
            "tp": self.tp,
            "fn": self.fn,
            "fp": self.fp,
            "sensitivity": self.sensitivity,
            "positive_predictivity": self.positive_predictivity,
        }


@dataclass(frozen=True)
class Figures:
    """One matrix's figures.

    Attributes:
        record: the record, or ``"gross"``.
        matrix: 7 × 7 counts, rows reference, columns algorithm, in the order of ``ec57.LABELS``.
        qrs: every beat against no beat (O and X alike).
        veb: V against the rest; V said of a reference F or Q is not held against the algorithm (EC57).
        sveb: S against the rest; S said of a reference Q is not held against it.
        accuracy: share of the paired beats that carry the reference's class; None without pairs.
    """

    record: str
    matrix: tuple[tuple[int, ...], ...]
    qrs: Rate
    veb: Rate
    sveb: Rate
    accuracy: float | None

    def to_json(self) -> dict[str, Any]:
        """Everything, with the matrix's labels."""
        return {
            "record": self.record,
            "qrs": self.qrs.to_json(),
            "veb": self.veb.to_json(),
            "sveb": self.sveb.to_json(),
            "accuracy": self.accuracy,
            "labels": list(LABELS),
            "matrix": [list(row) for row in self.matrix],
        }


@dataclass(frozen=True)
class Score:
    """A set of records.

    Attributes:
        records: each record's figures.
        gross: figures of the summed matrix: every beat weighs the same.
        average: mean over the records in which a figure is defined (every patient weighs the same), by name, e.g.
            ``"qrs_sensitivity"``; None where it is defined in none.
    """

    records: tuple[Figures, ...]
    gross: Figures
    average: dict[str, float | None]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain data."""
        return {
            "records": [figures.to_json() for figures in self.records],
            "gross": self.gross.to_json(),
            "average": dict(self.average),
        }


def figures_of(record: str, matrix: NDArray[np.int64]) -> Figures:
    """EC57's figures of a 7 × 7 matrix."""
    paired = matrix[np.ix_(_BEATS, _BEATS)]
    total = int(paired.sum())
    qrs = Rate(total, int(matrix[_BEATS][:, [_O, _X]].sum()), int(matrix[[_O, _X]][:, _BEATS].sum()))
    return Figures(
        record,
        tuple(tuple(int(count) for count in row) for row in matrix),
        qrs,
        _one_against_rest(matrix, _V, exempt=(_F, _Q)),
        _one_against_rest(matrix, _S, exempt=(_Q,)),
        int(np.trace(paired)) / total if total else None,
    )


def score(comparisons: Sequence[Comparison]) -> Score:
    """Figures per record, gross and average.

    Raises:
        DataError: no record at all.
    """
    if not comparisons:
        raise DataError("there is no record to score: name at least one")
    records = tuple(figures_of(each.record, each.matrix) for each in comparisons)
    gross = figures_of("gross", np.sum([each.matrix for each in comparisons], axis=0))
    average: dict[str, float | None] = {}
    for kind in ("qrs", "veb", "sveb"):
        for ratio in ("sensitivity", "positive_predictivity"):
            average[f"{kind}_{ratio}"] = _mean([getattr(getattr(each, kind), ratio) for each in records])
    average["accuracy"] = _mean([each.accuracy for each in records])
    return Score(records, gross, average)


def _one_against_rest(matrix: NDArray[np.int64], index: int, exempt: tuple[int, ...]) -> Rate:
    tp = int(matrix[index, index])
    accused = [row for row in range(len(LABELS)) if row != index and row not in exempt]
    return Rate(tp, int(matrix[index].sum()) - tp, int(matrix[accused, index].sum()))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
