"""The front end's own QRS detector against the reference beats, after EC57."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.train.evaluation.ec57 import Comparison, compare_beats
from cortexcore.train.evaluation.ec57_figures import Score, score
from cortexcore.train.recordings import load_beats, load_recording, to_wearable_rate


def compare_detector(record: str, data: Path | None = None, config: FrontEndConfig | None = None) -> Comparison:
    """Detect the beats of one record (MLII, at 250 Hz) and compare them with its annotations; every detection is an N.

    Args:
        record: MIT-BIH record, e.g. ``"208"``.
        data: see :func:`~cortexcore.train.recordings.find_data`.
        config: the front end's constants; None for the defaults.
    """
    signal = to_wearable_rate(load_recording(record, data))
    beats = load_beats(record, data).at_rate(signal.rate_hz)
    front_end = FrontEnd(config or FrontEndConfig(), signal.gain_per_mv, signal.rate_hz)
    found = front_end.push(signal.counts) + front_end.flush()
    samples = np.array([beat.sample for beat in found], dtype=np.int64)
    return compare_beats(
        record, beats.sample, beats.aami, samples, ["N"] * len(found), signal.rate_hz, flutter=beats.flutter
    )


def evaluate_detector(records: Iterable[str], data: Path | None = None, config: FrontEndConfig | None = None) -> Score:
    """EC57's QRS figures of the own detector; VEB and SVEB say nothing here, as a detector names no class.

    Raises:
        DataError: a record that is missing or damaged, or no record at all.
    """
    return score([compare_detector(record, data, config) for record in records])
