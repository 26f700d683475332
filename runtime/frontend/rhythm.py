"""The rhythm around a beat, seen from the beats before it only."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from cortexcore.runtime.frontend.config import MAX_INTERVAL, FrontEndConfig
from cortexcore.runtime.frontend.fixed import clip8, log2_ratio, lower_median

RR_FEATURES: tuple[str, ...] = (
    "rr_to_local",
    "rr_to_usual",
    "previous_rr_to_usual",
    "rr_to_previous",
    "local_to_usual",
    "irregularity",
    "rr_surprise",
)
"""What :class:`RhythmTracker` tells of a beat, in this order."""


class RhythmTracker:
    """RR intervals, in samples up to ``MAX_INTERVAL``, and their ratios. A feature whose past is not known yet is 0.

    Ratios are 64·log2, so that an interval half as long as usual is −64 for every patient:

    - ``rr_to_local``: this interval to the median of the last ``short_memory``
    - ``rr_to_usual``: … to the median of the last ``long_memory``: minutes, so that a run of early beats stays early
    - ``previous_rr_to_usual``: the interval before this one to the same median
    - ``rr_to_previous``: this interval to the one before
    - ``local_to_usual``: the local median to the same median: runs and rate changes
    - ``irregularity``: 256 · mean |change of RR| / mean RR over the last ``memory``: tells fibrillation from single
      early beats
    - ``rr_surprise``: 16 · (this interval − median of the last ``memory``) / (their median absolute deviation +
      ``spread_floor``), rounded down: how unusual the interval is for a rhythm as regular or irregular as this
      patient's
    """

    def __init__(self, config: FrontEndConfig) -> None:
        self._short = config.short_memory
        self._middle = config.memory
        self._floor = config.spread_floor
        self._intervals: deque[int] = deque(maxlen=config.long_memory)
        self._last: int | None = None

    def restart(self) -> None:
        """The stream broke: the next interval is unknown, what is usual is kept."""
        self._last = None

    def features(self, fiducial: int) -> tuple[int, list[int]]:
        """Interval to the beat before (samples, 0 where unknown) and the features (int8). Remembers the interval."""
        interval = 0 if self._last is None else min(MAX_INTERVAL, fiducial - self._last)
        self._last = fiducial
        recent = list(self._intervals)
        usual = lower_median(recent)
        local = lower_median(recent[-self._short :])
        previous = recent[-1] if recent else 0
        lately = recent[-self._middle :]
        changes = sum(abs(b - a) for a, b in pairwise(lately))
        irregularity = 256 * changes // sum(lately) if lately else 0
        values = [
            log2_ratio(interval, local),
            log2_ratio(interval, usual),
            log2_ratio(previous, usual),
            log2_ratio(interval, previous),
            log2_ratio(local, usual),
            clip8(irregularity),
            self._surprise(interval, lately),
        ]
        if interval > 0:
            self._intervals.append(interval)
        return interval, values

    def _surprise(self, interval: int, lately: list[int]) -> int:
        if interval <= 0 or not lately:
            return 0
        usual = lower_median(lately)
        spread = lower_median([abs(value - usual) for value in lately])
        return clip8(16 * (interval - usual) // (spread + self._floor))
