"""The rhythm around a beat, seen from the beats before it only."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from cortexcore.runtime.frontend.config import RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.fixed import clip8, log2_ratio, lower_median

RR_FEATURES: tuple[str, ...] = (
    "rr_to_local",
    "rr_to_usual",
    "previous_rr_to_usual",
    "rr_to_previous",
    "local_to_usual",
    "irregularity",
    "rr_to_second",
)
"""What :class:`RhythmTracker` tells of a beat, in this order."""


class RhythmTracker:
    """RR intervals, in samples, and their ratios. A feature whose past is not known yet is 0.

    Ratios are 64·log2, so that an interval half as long as usual is −64 for every patient:

    - ``rr_to_local``: this interval to the median of the last ``short_memory``
    - ``rr_to_usual``: … to the mean of the last ``memory``
    - ``previous_rr_to_usual``: the interval before this one to the same mean
    - ``rr_to_previous``: this interval to the one before
    - ``local_to_usual``: the local median to the same mean: runs and rate changes
    - ``irregularity``: 256 · mean |change of RR| / mean RR over the last ``short_memory``: tells fibrillation from
      single early beats
    - ``rr_to_second``: this interval to one second: the heart rate
    """

    def __init__(self, config: FrontEndConfig) -> None:
        self._short = config.short_memory
        self._intervals: deque[int] = deque(maxlen=config.memory)
        self._last: int | None = None

    def restart(self) -> None:
        """The stream broke: the next interval is unknown, what is usual is kept."""
        self._last = None

    def features(self, fiducial: int) -> tuple[int, list[int]]:
        """Interval to the beat before (samples, 0 where unknown) and the features (int8). Remembers the interval."""
        interval = 0 if self._last is None else fiducial - self._last
        self._last = fiducial
        recent = list(self._intervals)
        usual = sum(recent) // len(recent) if recent else 0
        close = recent[-self._short :]
        local = lower_median(close)
        previous = recent[-1] if recent else 0
        changes = sum(abs(b - a) for a, b in pairwise(close))
        irregularity = 256 * changes // sum(close) if close else 0
        values = [
            log2_ratio(interval, local),
            log2_ratio(interval, usual),
            log2_ratio(previous, usual),
            log2_ratio(interval, previous),
            log2_ratio(local, usual),
            clip8(irregularity),
            log2_ratio(interval, RATE_HZ),
        ]
        if interval > 0:
            self._intervals.append(interval)
        return interval, values
