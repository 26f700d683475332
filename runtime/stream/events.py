"""What happens in a session, in the order in which it happens; views and recorders listen to nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cortexcore.runtime import protocol
from cortexcore.runtime.protocol import Info, LinkCounts
from cortexcore.runtime.stream.summary import Summary

if TYPE_CHECKING:
    from cortexcore.runtime.classifier import Decision


@dataclass(frozen=True)
class Opened:
    """The device has introduced itself; comes first."""

    info: Info


@dataclass(frozen=True, eq=False)
class Signal:
    """Samples arrived.

    Attributes:
        first: index of the first one since the stream began, lost ones counted.
        counts: int16 [n], as the device sent them.
        filtered: int32 [n], the front end's filtered signal, ``UNIT_PER_MV`` per millivolt.
        link: figures of the link so far.
    """

    first: int
    counts: NDArray[np.int16]
    filtered: NDArray[np.int32]
    link: LinkCounts


@dataclass(frozen=True)
class Gap:
    """``lost`` samples from index ``first`` on never arrived."""

    first: int
    lost: int


@dataclass(frozen=True, eq=False)
class BeatDecided:
    """A beat was found and classified.

    Attributes:
        decision: the beat, its class and the scores.
        time_s: time of its R peak since the stream began.
        delay_s: signal the front end needed after the R peak.
        latency_s: time this host took from the arrival of the block that completed the beat to the decision;
            None where no block did: at a gap and at the end, and where the device decided.
        board: what the device said of the beat where the device decided on it; None where this host did.
    """

    decision: Decision
    time_s: float
    delay_s: float
    latency_s: float | None
    board: protocol.Beat | None = None


@dataclass(frozen=True)
class Closed:
    """The session is over; comes last."""

    summary: Summary


Event = Opened | Signal | Gap | BeatDecided | Closed


class Sink(Protocol):
    """Anything that follows a session."""

    def handle(self, event: Event) -> None:
        """Take note of ``event``."""

    def close(self) -> None:
        """Let go of what is held; called once, also after an error, when no :class:`Closed` came."""
