"""The path of one sample: bytes, frames, counts, front end, beat, decision, events.

A device that decides on beats itself is taken at its word: the front end here then filters for the eye alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cortexcore.errors import StreamError
from cortexcore.runtime.frontend import Beat, FrontEnd
from cortexcore.runtime.stream.board import board_decision
from cortexcore.runtime.stream.events import BeatDecided, Closed, Event, Gap, Opened, Signal, Sink
from cortexcore.runtime.stream.interrupt import stop_on_signals
from cortexcore.runtime.stream.source import Block, BoardBeat, Source
from cortexcore.runtime.stream.summary import Ending, Summary, Tally

if TYPE_CHECKING:
    from cortexcore.runtime.classifier import Decision


def stream(
    source: Source,
    front_end: FrontEnd,
    decide: Callable[[Beat], Decision],
    sinks: Sequence[Sink],
    duration_s: float | None = None,
    stop: threading.Event | None = None,
    classes: Sequence[str] = (),
) -> Summary:
    """Run a session to its end: the device's, the asked length, Ctrl-C, SIGTERM, or a link that breaks.

    However it ends, what arrived has been decided on and handed to the sinks, and the summary says how it ended.

    Args:
        source: an open source; the caller closes it, which stops the device.
        front_end: a fresh one for the source's gain and rate.
        decide: what the network says of a beat; not asked where the device decides.
        sinks: told of every event in order; closed at the end, also after an error.
        duration_s: seconds of signal to take, above 0; None for all. A device that decides is not waited for: beats it
            tells of later are missing.
        stop: set it from another thread to end the session.
        classes: names of the classes of a device that decides, in its model's order.

    Raises:
        StreamError: ``duration_s`` is not allowed, see :func:`check_duration`; the device decides by another model, see
            :func:`board_decision`.
    """
    with ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)
        check_duration(duration_s)
        should_stop = stack.enter_context(stop_on_signals(stop or threading.Event()))
        return _Session(source, front_end, decide, sinks, classes).run(duration_s, should_stop)


def check_duration(duration_s: float | None) -> None:
    """Refuse a length that no session can have, before a device is asked for it.

    Raises:
        StreamError: ``duration_s`` is neither None nor a finite number above 0.
    """
    if duration_s is not None and not 0 < duration_s < math.inf:
        raise StreamError(f"a session of {duration_s:g} s is not possible: give a finite number of seconds above 0")


class _Session:
    def __init__(
        self,
        source: Source,
        front_end: FrontEnd,
        decide: Callable[[Beat], Decision],
        sinks: Sequence[Sink],
        classes: Sequence[str],
    ) -> None:
        self._source = source
        self._front_end = front_end
        self._decide = decide
        self._sinks = sinks
        self._classes = classes
        self._rate_hz = source.info.rate_hz
        self._tally = Tally(self._rate_hz)

    def run(self, duration_s: float | None, should_stop: Callable[[], bool]) -> Summary:
        self._tell(Opened(self._source.info))
        limit = None if duration_s is None else max(1, round(duration_s * self._rate_hz))
        ended: Ending = "complete"
        for heard in self._source.blocks(should_stop):
            if isinstance(heard, BoardBeat):
                self._hear(heard)
            else:
                self._take(heard, limit)
            if limit is not None and self._tally.position >= limit:
                ended = "duration"
                break
        else:
            if self._source.problem is not None:
                ended = "broken"
            elif should_stop():
                ended = "interrupted"
        self._settle(self._front_end.flush(), arrived_s=None)
        summary = self._tally.summary(self._source.info.name, ended, self._source.problem, self._source.link)
        self._tell(Closed(summary))
        return summary

    def _take(self, block: Block, limit: int | None) -> None:
        """One block, and the gap before it, as far as the asked length goes."""
        room = block.lost + block.counts.size if limit is None else limit - self._tally.position
        lost = min(block.lost, room)
        if lost:
            self._tell(Gap(self._tally.position, lost))
            self._tally.lose(lost)
            self._settle(self._front_end.gap(lost), arrived_s=None)
        counts = block.counts[: room - lost]
        if counts.size:
            beats, filtered = self._front_end.push_and_tap(counts)
            self._tell(Signal(self._tally.position, counts, filtered, self._source.link))
            self._tally.samples += counts.size
            self._settle(beats, block.arrived_s)

    def _hear(self, heard: BoardBeat) -> None:
        """A beat that the device decided on."""
        decision, delay_s = board_decision(heard, self._classes), heard.message.delay / self._rate_hz
        self._tally.decide(decision, delay_s, None)
        self._tell(BeatDecided(decision, heard.sample / self._rate_hz, delay_s, None, heard.message))

    def _settle(self, beats: list[Beat], arrived_s: float | None) -> None:
        """Decide on beats, unless the device does."""
        for beat in [] if self._source.info.decides else beats:
            decision = self._decide(beat)
            latency_s = None if arrived_s is None else time.perf_counter() - arrived_s
            delay_s = (beat.ready - beat.sample) / self._rate_hz
            self._tally.decide(decision, delay_s, latency_s)
            self._tell(BeatDecided(decision, beat.sample / self._rate_hz, delay_s, latency_s))

    def _tell(self, event: Event) -> None:
        for sink in self._sinks:
            sink.handle(event)
