"""The front end: a stream of ADC counts in, beats ready for the network out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.builder import BeatBuilder
from cortexcore.runtime.frontend.config import BLOCK, KEEP, RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.detector import QrsDetector
from cortexcore.runtime.frontend.filters import BiquadCascade, scale_counts
from cortexcore.runtime.frontend.fixed import gain_multiplier
from cortexcore.runtime.frontend.history import History
from cortexcore.runtime.frontend.sharpness import Sharpness


@dataclass
class _Waiting:
    """A beat known of: where about it is in the filtered signal, and since which sample."""

    middle: int
    known: int
    given: int | None = None
    fiducial: int | None = None


class FrontEnd:
    """Integer and causal; any division of the stream into blocks gives the same beats and the same filtered signal.

    Args:
        config: constants; ``FrontEndConfig()`` for the defaults.
        gain_per_mv: ADC counts per millivolt of the device.
        rate_hz: must be 250.
        peaks: R peaks to use instead of the own detector: ascending indices into the 250 Hz stream. Everything else is
            equal; ``Beat.sample`` is then the peak as given.

    Beats at the edges: what a window needs from before the first sample is 0; what it still needs when the stream ends
    (:meth:`flush`) or breaks (:meth:`gap`) is the last filtered value, held. No beat is dropped for its window.

    Raises:
        DataError: another rate than 250 Hz, a gain that makes no sense, peaks that do not ascend.
    """

    def __init__(
        self, config: FrontEndConfig, gain_per_mv: float, rate_hz: int, peaks: NDArray[np.integer[Any]] | None = None
    ) -> None:
        if rate_hz != RATE_HZ:
            raise DataError(
                f"the front end takes {RATE_HZ} Hz, this signal has {rate_hz} Hz: set the device to {RATE_HZ} Hz, "
                "or resample a recording with cortexcore.train.recordings.to_wearable_rate"
            )
        self.config = config
        self._multiplier, self._shift = gain_multiplier(gain_per_mv)
        self._builder = BeatBuilder(config)
        self._peaks = None if peaks is None else deque(_ascending(peaks))
        self._last_count = 0
        self._flushed = False
        self._start(0)

    def _start(self, index: int) -> None:
        """Filter and detector from rest, the next sample being number ``index``."""
        self._cascade = BiquadCascade(self.config.sections)
        self._end = index
        self._sharpness = Sharpness(self.config)
        self._filtered = History(KEEP, index)
        self._bend = History(KEEP, index)
        self._power = History(KEEP, index)
        self._detector = QrsDetector(self.config, self._filtered, self._power) if self._peaks is None else None
        self._waiting: deque[_Waiting] = deque()

    @property
    def samples(self) -> int:
        """Samples of the stream so far, lost ones included."""
        return self._end

    def push(self, counts: NDArray[np.int16]) -> list[Beat]:
        """Take the next samples.

        Args:
            counts: int16 [N], any N.

        Returns:
            the beats completed by them, in order.
        """
        return self.push_and_tap(counts)[0]

    def push_and_tap(self, counts: NDArray[np.int16]) -> tuple[list[Beat], NDArray[np.int32]]:
        """As :meth:`push`, with the filtered signal: int32 [N], 4096 per mV, late by ``filter_delay``."""
        counts = np.asarray(counts)
        if counts.dtype != np.int16 or counts.ndim != 1:
            raise DataError(f"the front end takes int16 counts of shape [N], not {counts.dtype} {list(counts.shape)}")
        self._refuse_after_flush()
        beats: list[Beat] = []
        taps: list[NDArray[np.int32]] = []
        for start in range(0, len(counts), BLOCK):
            scaled = scale_counts(counts[start : start + BLOCK], self._multiplier, self._shift)
            filtered = np.array(self._cascade.push(scaled.tolist()), dtype=np.int64)
            self._listen(filtered)
            self._end += len(filtered)
            self._note()
            beats += self._complete()
            taps.append(filtered.astype(np.int32))
        if len(counts):
            self._last_count = int(counts[-1])
        return beats, taps[0] if len(taps) == 1 else np.concatenate([np.zeros(0, dtype=np.int32), *taps])

    def gap(self, lost: int) -> list[Beat]:
        """The stream lost ``lost`` samples; indices go on as if they had come.

        Up to ``hold_limit`` samples the last count is held (if any came), so that the rhythm goes on. After a longer
        gap filter and detector start anew at the sample that follows, waiting beats are completed as at the end of a
        stream, and the next beat's RR interval is unknown (0). What is usual for the patient is kept.

        Returns:
            beats completed by this.
        """
        if lost < 0:
            raise DataError(f"a gap of {lost} samples makes no sense: give how many were lost, from 0 up")
        self._refuse_after_flush()
        if lost <= self.config.hold_limit and not self._filtered.empty:
            return self.push(np.full(lost, self._last_count, dtype=np.int16))
        beats = self._finish()
        self._builder.restart()
        self._start(self.samples + lost)
        if self._peaks is not None:
            while self._peaks and self._peaks[0] < self.samples:
                self._peaks.popleft()
        return beats

    def flush(self) -> list[Beat]:
        """The stream ended: the beats still waiting for their window, completed by holding the last value."""
        if self._flushed:
            return []
        self._flushed = True
        return self._finish()

    def _refuse_after_flush(self) -> None:
        if self._flushed:
            raise DataError("this front end was flushed, its stream has ended: make a new one for the next stream")

    def _listen(self, filtered: NDArray[np.int64]) -> None:
        """Take the next filtered samples."""
        bend, power = self._sharpness.push(filtered)
        self._filtered.append(filtered)
        self._bend.append(bend)
        self._power.append(power)

    def _note(self) -> None:
        """Let the beats wait that are known of by now."""
        config = self.config
        if self._detector is not None:
            for found in self._detector.poll():
                self._waiting.append(_Waiting(found.middle, found.known))
        while self._peaks and self._peaks[0] < self._end:
            peak = self._peaks.popleft()
            self._waiting.append(_Waiting(peak + config.filter_delay, peak, given=peak))

    def _complete(self) -> list[Beat]:
        """Build the waiting beats whose window is complete."""
        beats = []
        while self._waiting:
            beat = self._waiting[0]
            surround = beat.middle + self.config.align_reach + self.config.bend_delay
            if surround >= self.samples:
                break
            if beat.fiducial is None:
                beat.fiducial = self._sharpest(beat)
            ready = max(beat.fiducial + self.config.after, surround, beat.known)
            if ready >= self.samples:
                break
            self._waiting.popleft()
            beats.append(self._build(beat, ready))
        return beats

    def _sharpest(self, beat: _Waiting) -> int:
        """Index in the filtered signal where it bends most, near the beat; the first of equals."""
        start = beat.middle - self.config.align_reach
        stop = beat.middle + self.config.align_reach + 1
        near = self._bend.part(start + self.config.bend_delay, stop + self.config.bend_delay)
        return start + int(np.argmax(np.abs(near)))

    def _build(self, beat: _Waiting, ready: int) -> Beat:
        fiducial = self._sharpest(beat) if beat.fiducial is None else beat.fiducial
        sample = max(0, fiducial - self.config.filter_delay) if beat.given is None else beat.given
        return self._builder.build(self._filtered, fiducial, sample, ready)

    def _finish(self) -> list[Beat]:
        """The stream ends or breaks here: build what still waits, apart from a QRS whose peak would be yet to come."""
        if self._filtered.empty:
            return []
        last = int(self._filtered.part(self._end - 1, self._end)[0])
        self._listen(np.full(self.config.hold, last, dtype=np.int64))
        self._note()
        inside = [beat for beat in self._waiting if beat.given is not None or self._sharpest(beat) < self._end]
        beats = [self._build(beat, self._end - 1) for beat in inside]
        self._waiting.clear()
        return beats


def _ascending(peaks: NDArray[np.integer[Any]]) -> list[int]:
    values: list[int] = np.asarray(peaks).astype(np.int64).tolist()
    if any(b <= a for a, b in pairwise(values)) or (values and values[0] < 0):
        raise DataError("the peaks given to the front end must be ascending sample numbers from 0 up")
    return values
