"""Beat-by-beat comparison of an algorithm with a reference, after ANSI/AAMI EC57.

The rules, from the standard's description: reference beats and detections pair up within 150 ms, one to one; the first
five minutes are for learning and are not scored; nothing is scored in episodes of ventricular flutter or fibrillation;
a beat missed or added where its side declares the signal unreadable is kept apart (X) from other ones (O).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError

LABELS: tuple[str, ...] = ("N", "S", "V", "F", "Q", "O", "X")
"""Rows (reference) and columns (algorithm) of the matrix. O: no beat; X: no beat, in an unreadable stretch."""

MATCH_WINDOW_S = 0.150
LEARNING_S = 300.0

_CLASSES = LABELS[:5]


@dataclass(frozen=True, eq=False)
class Comparison:
    """One record's beats, compared.

    Attributes:
        record: its name.
        matrix: int64 [7, 7], counts by reference label (row) and algorithm label (column), in the order of ``LABELS``.
        pairs: int64 [P, 2], indices of reference beat and detection that match, in order, learning period included.
        in_flutter: detections left out because they fell into an episode of flutter.
    """

    record: str
    matrix: NDArray[np.int64]
    pairs: NDArray[np.int64]
    in_flutter: int


def match_beats(
    reference: Sequence[int] | NDArray[np.int64], detected: Sequence[int] | NDArray[np.int64], window: int
) -> NDArray[np.int64]:
    """Pair reference beats with detections.

    Goes through both in order of time. The earlier of the next two is paired with the other when they are at most
    ``window`` apart and the earlier one's own successor is not strictly nearer; otherwise it stays alone. So each is
    used once, and of two equally near ones the earlier is taken.

    Args:
        reference, detected: ascending sample numbers.
        window: largest distance in samples, inclusive.

    Returns:
        int64 [P, 2] of (index in reference, index in detected), ascending in both.
    """
    first = np.asarray(reference, dtype=np.int64).tolist()
    second = np.asarray(detected, dtype=np.int64).tolist()
    pairs = []
    i = j = 0
    while i < len(first) and j < len(second):
        distance = abs(first[i] - second[j])
        if first[i] <= second[j]:
            own, index, other = first, i, second[j]
        else:
            own, index, other = second, j, first[i]
        nearer = index + 1 < len(own) and abs(own[index + 1] - other) < distance
        if distance <= window and not nearer:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif own is first:
            i += 1
        else:
            j += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def compare_beats(
    record: str,
    reference: NDArray[np.int64],
    reference_class: Sequence[str] | NDArray[np.str_],
    detected: NDArray[np.int64],
    detected_class: Sequence[str] | NDArray[np.str_],
    rate_hz: int,
    flutter: NDArray[np.int64] | None = None,
    unreadable: NDArray[np.int64] | None = None,
    shutdown: NDArray[np.int64] | None = None,
    learning_s: float = LEARNING_S,
) -> Comparison:
    """Compare one record, everything counted in samples at ``rate_hz``.

    Beats are paired over the whole record; a pair counts when its reference beat lies after the learning period, a beat
    alone when it does itself.

    Args:
        record: name, for the report.
        reference, detected: ascending samples of the beats, int64 [R] and [D].
        reference_class, detected_class: one of N S V F Q each; a pure detector says N for all.
        rate_hz: samples per second.
        flutter: int64 [K, 2], first and last sample of episodes in which nothing is scored. A detection in one is
            still paired with a reference beat outside when they match.
        unreadable: the reference's unreadable stretches: a detection alone in one is row X instead of O.
        shutdown: stretches in which the algorithm says it cannot read: a reference beat missed in one is column X.
        learning_s: unscored start, in seconds.

    Raises:
        DataError: unequal lengths, samples that descend, or an unknown class.
    """
    ref_label = _labels(record, "reference", reference, reference_class)
    det_label = _labels(record, "detected", detected, detected_class)
    pairs = match_beats(reference, detected, int(MATCH_WINDOW_S * rate_hz))
    begin = int(learning_s * rate_hz)
    no_beat, no_beat_unreadable = LABELS.index("O"), LABELS.index("X")

    row = np.full(len(reference), no_beat, dtype=np.int64)
    row[_inside(reference, shutdown)] = no_beat_unreadable
    row[pairs[:, 0]] = det_label[pairs[:, 1]]
    scored = (reference >= begin) & ~_inside(reference, flutter)
    matrix = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(matrix, (ref_label[scored], row[scored]), 1)

    alone = np.ones(len(detected), dtype=bool)
    alone[pairs[:, 1]] = False
    late = alone & (detected >= begin)
    fluttering = _inside(detected, flutter)
    extra = late & ~fluttering
    kind = np.where(_inside(detected, unreadable), no_beat_unreadable, no_beat)
    np.add.at(matrix, (kind[extra], det_label[extra]), 1)
    return Comparison(record, matrix, pairs, int(np.count_nonzero(late & fluttering)))


def _labels(
    record: str, side: str, samples: NDArray[np.int64], classes: Sequence[str] | NDArray[np.str_]
) -> NDArray[np.int64]:
    if len(samples) != len(classes):
        raise DataError(f"record {record}: {len(samples)} {side} beats but {len(classes)} classes; give one for each")
    if len(samples) > 1 and np.any(np.diff(samples) < 0):
        raise DataError(f"record {record}: the {side} beats are out of order; sort them by sample")
    unknown = sorted({str(label) for label in classes} - set(_CLASSES))
    if unknown:
        raise DataError(f"record {record}: {side} classes {', '.join(unknown)} are none of {' '.join(_CLASSES)}")
    return np.array([_CLASSES.index(str(label)) for label in classes], dtype=np.int64)


def _inside(samples: NDArray[np.int64], stretches: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    inside = np.zeros(len(samples), dtype=bool)
    for start, stop in np.asarray(stretches if stretches is not None else [], dtype=np.int64).reshape(-1, 2):
        inside |= (samples >= start) & (samples <= stop)
    return inside
