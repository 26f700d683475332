"""What a virtual wearable plays: a recording at the wearable's rate, or made-up ECG, each with its true beats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.runtime.frontend.encoder import encode_beats


@dataclass(frozen=True, eq=False)
class Source:
    """ADC counts at 250 Hz and what they truly hold.

    Attributes:
        counts: int16 [N].
        rate_hz, gain_per_mv, lead, name: as the device declares them.
        what: one clause for people, e.g. "MIT-BIH record 208, 05:00 to 06:00".
        beats: int64 [B], true R peaks in samples of ``counts``.
        labels: their AAMI classes.
    """

    counts: NDArray[np.int16]
    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str
    what: str
    beats: NDArray[np.int64]
    labels: tuple[str, ...]


def recording_source(
    record: str, data: Path | None, start_s: float = 0.0, duration_s: float | None = None, lead: str = "MLII"
) -> Source:
    """A MIT-BIH record as a wearable would send it, or a stretch of it.

    Raises:
        DataError: the record is missing or damaged, or does not reach that far.
    """
    from cortexcore.train.recordings import load_beats, load_recording, to_wearable_rate

    recording = to_wearable_rate(load_recording(record, data, lead))
    if duration_s is not None and not duration_s >= 1 / recording.rate_hz:
        raise DataError(f"{duration_s:g} s of record {record} cannot be played: give a number of seconds above 0")
    end_s = recording.duration_s if duration_s is None else min(start_s + duration_s, recording.duration_s)
    if not 0 <= start_s < end_s:
        raise DataError(f"record {record} lasts {recording.duration_s:.0f} s, it cannot be played from {start_s:g} s")
    first, last = round(start_s * recording.rate_hz), round(end_s * recording.rate_hz)
    annotated = load_beats(record, data).at_rate(recording.rate_hz)
    inside = (annotated.sample >= first) & (annotated.sample < last)
    what = f"MIT-BIH record {record}"
    if start_s > 0 or duration_s is not None:
        what += f", {_clock(start_s)} to {_clock(end_s)}"
    return Source(
        counts=recording.counts[first:last],
        rate_hz=recording.rate_hz,
        gain_per_mv=recording.gain_per_mv,
        lead=recording.lead,
        name=record,
        what=what,
        beats=annotated.sample[inside] - first,
        labels=tuple(str(label) for label in annotated.aami[inside]),
    )


def synthetic_source(duration_s: float, seed: int = 1) -> Source:
    """Made-up ECG with normal, premature ventricular and premature atrial beats, noise and drift."""
    from cortexcore.firmware_sim.wearable import synthetic_ecg

    ecg = synthetic_ecg(duration_s, seed=seed)
    what = f"synthetic ECG, {duration_s:g} s, seed {seed}"
    return Source(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, what, ecg.beats, ecg.labels)


def beat_inputs(source: Source, front_end: FrontEndConfig, steps: int) -> dict[str, NDArray[np.int8]]:
    """Every beat that the front end finds, as network input: name → [steps, beats, *shape].

    Raises:
        DataError: there is no beat in it.
    """
    engine = FrontEnd(front_end, source.gain_per_mv, source.rate_hz)
    return encode_beats([*engine.push(source.counts), *engine.flush()], steps)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
