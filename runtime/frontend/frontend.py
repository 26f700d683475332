"""The front end: a stream of ADC counts in, beats ready for the network out."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.builder import BeatBuilder
from cortexcore.runtime.frontend.config import RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.filters import BiquadCascade, scale_counts
from cortexcore.runtime.frontend.fixed import gain_multiplier
from cortexcore.runtime.frontend.history import History

_KEEP = 2048
_BLOCK = 1024


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
        self, config: FrontEndConfig, gain_per_mv: float, rate_hz: int, peaks: NDArray[np.integer] | None = None
    ) -> None:
        if rate_hz != RATE_HZ:
            raise DataError(
                f"the front end takes {RATE_HZ} Hz, this signal has {rate_hz} Hz: resample it "
                "(cortexcore.train.recordings.to_wearable_rate does for a recording)"
            )
        self.config = config
        self._multiplier, self._shift = gain_multiplier(gain_per_mv)
        self._builder = BeatBuilder(config)
        self._peaks = None if peaks is None else deque(_ascending(peaks))
        self._reach = config.filter_delay + config.align_reach + config.decimation * config.window_after
        self._last_count = 0
        self._flushed = False
        self._start(0)

    def _start(self, index: int) -> None:
        """Filter and detector from rest, the next sample being number ``index``."""
        self._cascade = BiquadCascade(self.config.sections)
        self._filtered = History(_KEEP, index)
        self._pending: deque[tuple[int, int]] = deque()

    @property
    def samples(self) -> int:
        """Samples of the stream so far, lost ones included."""
        return self._filtered.end

    def push(self, counts: NDArray[np.int16]) -> list[Beat]:
        """Take the next samples.

        Args:
            counts: int16 [N], any N.

        Returns:
            the beats completed by them, in order.
        """
        return self.push_and_tap(counts)[0]

    def push_and_tap(self, counts: NDArray[np.int16]) -> tuple[list[Beat], NDArray[np.int32]]:
        """As :meth:`push`, and the filtered signal of these samples: int32 [N], 4096 per mV, late by ``filter_delay``."""
        counts = np.asarray(counts)
        if counts.dtype != np.int16 or counts.ndim != 1:
            raise DataError(f"the front end takes int16 counts of shape [N], not {counts.dtype} {list(counts.shape)}")
        if self._flushed:
            raise DataError("this front end was flushed, its stream has ended: make a new one for the next stream")
        beats: list[Beat] = []
        taps = []
        for start in range(0, len(counts), _BLOCK):
            scaled = scale_counts(counts[start : start + _BLOCK], self._multiplier, self._shift)
            filtered = np.array(self._cascade.push(scaled.tolist()), dtype=np.int32)
            self._filtered.append(filtered)
            self._detect()
            beats += self._complete()
            taps.append(filtered)
        if len(counts):
            self._last_count = int(counts[-1])
        return beats, np.concatenate(taps) if taps else np.zeros(0, dtype=np.int32)

    def gap(self, lost: int) -> list[Beat]:
        """The stream lost ``lost`` samples; indices go on as if they had come.

        Up to ``hold_limit`` samples the last count is held, so that the rhythm goes on. After a longer gap filter and
        detector start anew at the sample that follows, waiting beats are completed as at the end of a stream, and the
        next beat's RR interval is unknown (0). What is usual for the patient is kept.

        Returns:
            beats completed by this.
        """
        if lost < 0:
            raise DataError(f"a gap of {lost} samples makes no sense: give how many were lost, from 0 up")
        if lost <= self.config.hold_limit:
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

    def _detect(self) -> None:
        """Move beats that the peaks given, or the detector, know of by now to the waiting ones."""
        if self._peaks is None:
            raise DataError("the front end's own detector is not built in yet: give peaks")
        while self._peaks and self._peaks[0] < self.samples:
            peak = self._peaks.popleft()
            self._pending.append((peak, peak))

    def _complete(self) -> list[Beat]:
        """Build the waiting beats whose window is complete."""
        beats = []
        while self._pending:
            sample, known = self._pending[0]
            ready = max(sample + self._reach, known)
            if ready >= self.samples:
                break
            self._pending.popleft()
            beats.append(self._builder.build(self._filtered, sample, ready))
        return beats

    def _finish(self) -> list[Beat]:
        waiting, self._pending = self._pending, deque()
        return [
            self._builder.build(self._filtered, sample, min(max(sample + self._reach, known), self.samples - 1))
            for sample, known in waiting
        ]


def _ascending(peaks: NDArray[np.integer]) -> list[int]:
    values: list[int] = np.asarray(peaks).astype(np.int64).tolist()
    if any(b <= a for a, b in pairwise(values)) or (values and values[0] < 0):
        raise DataError("the peaks given to the front end must be ascending sample numbers from 0 up")
    return values
