"""QRS detection: peaks of power against adaptive thresholds, T-wave test, search-back.

After Pan & Tompkins, IEEE Trans. Biomed. Eng. 32(3), 1985, with medians of recent peaks for the levels of signal and
noise as Hamilton & Tompkins found better (33(12), 1986). Written as a queue of events in order of sample index, so that
no result depends on how the stream was cut.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isqrt

import numpy as np

from cortexcore.runtime.frontend.config import MAX_INTERVAL, RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.fixed import lower_median
from cortexcore.runtime.frontend.history import History

MOST_LEFT = 32
"""Candidates kept for a search-back: more than 4 s of them, which is as far as it looks."""


@dataclass(frozen=True)
class Detection:
    """The middle of a QRS in the filtered signal, to some samples, and the index of the sample that decided it."""

    middle: int
    known: int


@dataclass(frozen=True)
class Candidate:
    """A local maximum of power: its index there, √power, and the steepest slope of the filtered signal beneath it."""

    index: int
    strength: int
    slope: int


class QrsDetector:
    """Fed with power, it names the middle of each QRS, in order of time.

    - A candidate is the largest power within ``refractory`` samples on both sides (the first of equals), so no two are
      closer than a heart can beat.
    - Level of signal and of noise: the median √power of the last ``peak_memory`` QRS and of the last others.
      Threshold: noise + ``threshold_percent`` of the way to signal, and never below ``least_strength``.
    - Candidates wait until ``learn`` samples have passed; the strongest of them is the first signal level.
    - T wave: closer than ``t_wave_within`` to a QRS and less than ``t_wave_percent`` as steep.
    - Search-back: when no QRS came for ``search_rr_percent`` of the median RR, the strongest candidate left since the
      last one counts if it exceeds ``search_percent`` of the threshold.
    - Drought: after ``drought`` samples without any QRS (and each second from then on) the signal levels are halved, so
      that a start-up artefact or a slipping electrode cannot deafen the detector.
    """

    def __init__(self, config: FrontEndConfig, filtered: History, power: History) -> None:
        self._config = config
        self._filtered = filtered
        self._power = power
        self._next = filtered.end
        self._learnt = self._next + config.learn
        self._lag = config.power_delay
        self._queue: deque[Candidate] = deque()
        self._signal: deque[int] = deque(maxlen=config.peak_memory)
        self._noise: deque[int] = deque(maxlen=config.peak_memory)
        self._intervals: deque[int] = deque(maxlen=config.peak_memory)
        self._last: Candidate | None = None
        self._left: deque[Candidate] = deque(maxlen=MOST_LEFT)
        self._search = self._learnt + self._patience()
        self._drought = self._learnt + config.drought

    def poll(self) -> list[Detection]:
        """The QRS complexes that the newest samples decided, in order of time."""
        self._find_candidates(self._power.end - 1 - self._config.refractory)
        frontier = self._next - 1
        if frontier < self._learnt:
            return []
        if not self._signal:
            early = (each.strength for each in self._queue if each.index <= self._learnt)
            self._signal.append(max(early, default=0))
        found: list[Detection] = []
        while self._queue:
            candidate = self._queue.popleft()
            self._run_deadlines(candidate.index, found)
            self._judge(candidate, found)
        self._run_deadlines(frontier + 1, found)
        return found

    def _find_candidates(self, frontier: int) -> None:
        """Queue the local maxima up to index ``frontier``: their right side is complete."""
        if frontier < self._next:
            return
        reach = self._config.refractory
        near = self._power.part(self._next - 1, frontier + 2)
        middle = near[1:-1]
        for offset in ((middle > near[:-2]) & (middle >= near[2:])).nonzero()[0].tolist():
            index = self._next + offset
            value = int(middle[offset])
            before = int(self._power.part(index - reach, index).max())
            after = int(self._power.part(index + 1, index + reach + 1).max())
            if before < value >= after:
                self._queue.append(Candidate(index, isqrt(value), self._slope(index)))
        self._next = frontier + 1

    def _slope(self, index: int) -> int:
        middle = index - self._lag
        around = self._filtered.part(middle - self._config.slope_reach - 1, middle + self._config.slope_reach + 1)
        return int(np.abs(np.diff(around)).max())

    def _threshold(self) -> int:
        noise = lower_median(self._noise)
        signal = lower_median(self._signal)
        return max(self._config.least_strength, noise + (signal - noise) * self._config.threshold_percent // 100)

    def _judge(self, candidate: Candidate, found: list[Detection]) -> None:
        config, last = self._config, self._last
        t_wave = (
            last is not None
            and candidate.index - last.index < config.t_wave_within
            and 100 * candidate.slope < config.t_wave_percent * last.slope
        )
        if candidate.strength > self._threshold() and not t_wave:
            self._accept(candidate, candidate.index, found)
            return
        self._noise.append(candidate.strength)
        if not t_wave:
            self._left.append(candidate)

    def _run_deadlines(self, before: int, found: list[Detection]) -> None:
        """Search back, and halve the levels in a drought, as far as their time came before index ``before``."""
        while min(self._search, self._drought) < before:
            if self._search <= self._drought:
                self._search_back(found)
            else:
                self._signal = deque((each >> 1 for each in self._signal), maxlen=self._config.peak_memory)
                self._drought += RATE_HZ

    def _search_back(self, found: list[Detection]) -> None:
        deadline = self._search
        least = max(self._config.least_strength, self._threshold() * self._config.search_percent // 100)
        oldest = deadline - self._config.drought
        fit = [each for each in self._left if each.strength > least and each.index > oldest]
        if fit:
            self._accept(max(fit, key=lambda each: each.strength), deadline, found)
        else:
            self._search = deadline + self._patience()

    def _patience(self) -> int:
        """Samples without a QRS after which to search back; before any RR interval is known it counts as 1 s."""
        return (lower_median(self._intervals) or RATE_HZ) * self._config.search_rr_percent // 100

    def _accept(self, candidate: Candidate, decided: int, found: list[Detection]) -> None:
        if self._last is not None:
            self._intervals.append(min(MAX_INTERVAL, candidate.index - self._last.index))
        self._last = candidate
        self._signal.append(candidate.strength)
        self._left = deque((each for each in self._left if each.index > candidate.index), maxlen=MOST_LEFT)
        self._search = candidate.index + self._patience()
        self._drought = candidate.index + self._config.drought
        known = max(decided, self._learnt) + self._config.refractory
        found.append(Detection(candidate.index - self._lag, known))
