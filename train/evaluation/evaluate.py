"""A classifier against the reference beats of whole recordings: signal in, front end, decision, EC57 figures out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import Beat, FrontEnd, FrontEndConfig
from cortexcore.train.evaluation.annotations import write_annotations
from cortexcore.train.evaluation.ec57 import Comparison, compare_beats
from cortexcore.train.evaluation.ec57_figures import Score, score
from cortexcore.train.evaluation.tables import score_table
from cortexcore.train.recordings import WEARABLE_RATE_HZ, load_beats, load_recording, to_wearable_rate

Classify = Callable[[Sequence[Beat]], Sequence[str]]
"""Beats to their labels, one each, out of N S V F Q."""

TITLES: dict[str, str] = {
    "own": "ANSI/AAMI EC57, beats found by the own detector",
    "reference": "classification on reference peaks, not an EC57 result",
}
"""What a figure is, by who found the beats."""


@dataclass(frozen=True, eq=False)
class Decided:
    """One record's decisions.

    Attributes:
        record: its name.
        samples: int64 [D], R peaks at ``rate_hz``, ascending.
        labels: class of each, out of N S V F Q.
        rate_hz: the recording's native rate.
        comparison: these decisions against the reference beats.
    """

    record: str
    samples: NDArray[np.int64]
    labels: tuple[str, ...]
    rate_hz: int
    comparison: Comparison


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        detector: ``"own"``: the front end found the beats, an EC57 result; ``"reference"``: the annotated peaks were
            given, which is none, as the detector's misses and the classifier's answer to false beats are not in it.
        decided: each record's decisions.
        score: the figures: per record, gross and average.
    """

    detector: Literal["own", "reference"]
    decided: tuple[Decided, ...]
    score: Score

    @property
    def title(self) -> str:
        return TITLES[self.detector]

    def to_json(self) -> dict[str, Any]:
        """Everything but the single decisions, as plain data."""
        return {"detector": self.detector, "title": self.title, **self.score.to_json()}

    def to_text(self) -> str:
        """Title and table, for a terminal."""
        return f"{self.title}\n{score_table(self.score)}"


def evaluate(
    classify: Classify,
    front_end: FrontEndConfig,
    records: Sequence[str],
    data: Path | None = None,
    detector: Literal["own", "reference"] = "own",
    lead: str = "MLII",
    annotations: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Run a classifier over recordings and score it after EC57.

    Args:
        classify: decides the beats of one record, all at once.
        front_end: what the classifier was trained with.
        records: names, e.g. ``("208", "209")``; any MIT-BIH record that lies in ``data``.
        data: see :func:`cortexcore.train.recordings.find_data`.
        detector: who finds the beats, see :class:`Evaluation`.
        lead: the lead that is read, by name.
        annotations: folder for one WFDB annotation file per record, extension ``cc``, at the native rate, so that
            outside scorers (``bxb -r RECORD -a atr cc``) can check the figures; None writes none.
        progress: called with a line before each record.

    Raises:
        DataError: no record, a record that is missing or damaged, or annotations that cannot be written.
    """
    if detector not in TITLES:
        raise DataError(f"detector '{detector}' is unknown, use one of {', '.join(TITLES)}")
    decided = []
    for number, record in enumerate(records, 1):
        if progress:
            progress(f"record {record} ({number}/{len(records)})")
        decided.append(evaluate_record(classify, front_end, record, data, detector, lead))
        if annotations is not None:
            last = decided[-1]
            write_annotations(annotations, record, last.samples, last.labels, last.rate_hz)
    return Evaluation(detector, tuple(decided), score([each.comparison for each in decided]))


def evaluate_record(
    classify: Classify,
    front_end: FrontEndConfig,
    record: str,
    data: Path | None,
    detector: Literal["own", "reference"],
    lead: str = "MLII",
) -> Decided:
    """One record's share of :func:`evaluate`; its decisions are compared at the native rate."""
    native = load_recording(record, data, lead)
    wearable = to_wearable_rate(native)
    reference = load_beats(record, data)
    peaks = reference.at_rate(WEARABLE_RATE_HZ).sample if detector == "reference" else None
    engine = FrontEnd(front_end, wearable.gain_per_mv, wearable.rate_hz, peaks=peaks)
    beats = [*engine.push(wearable.counts), *engine.flush()]
    labels = tuple(classify(beats)) if beats else ()
    if len(labels) != len(beats):
        raise DataError(f"record {record}: the classifier gave {len(labels)} labels for {len(beats)} beats")
    samples = native_samples(np.array([beat.sample for beat in beats], np.int64), native.rate_hz, len(native.counts))
    comparison = compare_beats(
        record, reference.sample, reference.aami, samples, labels, native.rate_hz, flutter=reference.flutter
    )
    return Decided(record, samples, labels, native.rate_hz, comparison)


def native_samples(samples: NDArray[np.int64], rate_hz: int, length: int) -> NDArray[np.int64]:
    """R peaks counted at 250 Hz as samples of a recording of ``length`` at ``rate_hz``, rounded half up."""
    scaled = (2 * samples * rate_hz + WEARABLE_RATE_HZ) // (2 * WEARABLE_RATE_HZ)
    return np.minimum(scaled, length - 1)
