"""The figures of a session."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cortexcore.runtime.protocol import LinkCounts

if TYPE_CHECKING:
    from cortexcore.runtime.classifier import Decision

Ending = Literal["complete", "duration", "interrupted", "broken"]


@dataclass(frozen=True)
class Summary:
    """What a session saw and how the link and this host did.

    Attributes:
        name: of the recording, as the device gave it.
        ended: ``complete`` (the device sent everything), ``duration`` (asked length reached), ``interrupted`` (by the
            user) or ``broken`` (the device vanished or fell silent).
        problem: one sentence on what broke, None where nothing did.
        duration_s: length of the signal, lost samples included.
        samples: samples that arrived.
        lost_samples: samples that did not.
        gaps: stretches in which they are missing.
        beats: number of beats by class, in order of first appearance.
        heart_rate_bpm: 60 000 over the mean interval in ms, where an interval is known; None without one.
        pvc_burden_percent: share of beats of class V; None without beats.
        link: frames that arrived, were bad, or were lost.
        latency_p50_ms: median of the time from the arrival of the block that completes a beat to the decision; measured
            on this host with all else that ran on it and, at raised speed, with the wait behind the blocks that came
            with it. None without such a beat.
        latency_p99_ms: its 99th percentile.
        delay_p50_ms: median of the signal that the front end needs after an R peak; a property of the front end, in
            signal time. None without beats.
    """

    name: str
    ended: Ending
    problem: str | None
    duration_s: float
    samples: int
    lost_samples: int
    gaps: int
    beats: dict[str, int]
    heart_rate_bpm: float | None
    pvc_burden_percent: float | None
    link: LinkCounts
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    delay_p50_ms: float | None

    @property
    def exit_code(self) -> int:
        """1 where the link broke, else 0."""
        return 0 if self.problem is None else 1

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return asdict(self)


class Tally:
    """Adds a session up."""

    def __init__(self, rate_hz: int) -> None:
        self.samples = 0
        self.lost_samples = 0
        self.gaps = 0
        self._rate_hz = rate_hz
        self._beats: Counter[str] = Counter()
        self._intervals_ms: list[int] = []
        self._latencies_s: list[float] = []
        self._delays_s: list[float] = []

    @property
    def position(self) -> int:
        """Index of the next sample."""
        return self.samples + self.lost_samples

    def lose(self, samples: int) -> None:
        """Count a gap."""
        self.lost_samples += samples
        self.gaps += 1

    def decide(self, decision: Decision, delay_s: float, latency_s: float | None) -> None:
        """Count a beat."""
        self._beats[decision.label] += 1
        self._delays_s.append(delay_s)
        if decision.beat.rr_ms > 0:
            self._intervals_ms.append(decision.beat.rr_ms)
        if latency_s is not None:
            self._latencies_s.append(latency_s)

    def summary(self, name: str, ended: Ending, problem: str | None, link: LinkCounts) -> Summary:
        """The figures so far."""
        total = self._beats.total()
        return Summary(
            name=name,
            ended=ended,
            problem=problem,
            duration_s=self.position / self._rate_hz,
            samples=self.samples,
            lost_samples=self.lost_samples,
            gaps=self.gaps,
            beats=dict(self._beats),
            heart_rate_bpm=60_000 / float(np.mean(self._intervals_ms)) if self._intervals_ms else None,
            pvc_burden_percent=100 * self._beats["V"] / total if total else None,
            link=link,
            latency_p50_ms=_percentile_ms(self._latencies_s, 50),
            latency_p99_ms=_percentile_ms(self._latencies_s, 99),
            delay_p50_ms=_percentile_ms(self._delays_s, 50),
        )


def _percentile_ms(values_s: list[float], percent: float) -> float | None:
    return 1000 * float(np.percentile(values_s, percent)) if values_s else None
