"""The demo's session: a virtual wearable on a pseudo-terminal, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.runtime.bundle import Bundle
from cortexcore.runtime.classifier import Classifier, Decision
from cortexcore.runtime.stream import BeatDecided, Event, Recorder, Signal, Summary, open_source
from cortexcore.sources import Source


@dataclass(frozen=True, eq=False)
class Session:
    """What the demo saw.

    Attributes:
        source: what the wearable played, with the truth.
        filtered: int32 [N], the front end's filtered signal.
        decisions: every beat with its class.
        summary: the session's figures.
        target: where the network ran.
    """

    source: Source
    filtered: NDArray[np.int32]
    decisions: tuple[Decision, ...]
    summary: Summary
    target: str


@dataclass
class _Keeper:
    """A sink that keeps signal and decisions for the page."""

    blocks: list[NDArray[np.int32]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def handle(self, event: Event) -> None:
        if isinstance(event, Signal):
            self.blocks.append(event.filtered)
        elif isinstance(event, BeatDecided):
            self.decisions.append(event.decision)

    def close(self) -> None:
        """Nothing is held."""


def play(bundle: Bundle, source: Source, speed: float, target: str, recording: Path | None) -> Session:
    """Serve ``source`` at ``speed`` times real time on a serial port and stream it through the bundle's network.

    Args:
        recording: folder for the WFDB recording, None for none.
    """
    from cortexcore.firmware_sim.wearable import Wearable, serve_wearable
    from cortexcore.runtime.frontend import FrontEnd
    from cortexcore.runtime.stream import stream
    from cortexcore.runtime.stream.terminal import make_view

    classifier = Classifier(bundle, target)
    keeper = _Keeper()
    device = Wearable(source.counts, source.rate_hz, source.gain_per_mv, source.lead, source.name, speed=speed)
    with serve_wearable(device) as port:
        print(f"virtual wearable on {port}: {source.what}, at {speed:g} times real time")
        with open_source(port) as serial:
            front_end = FrontEnd(bundle.front_end, serial.info.gain_per_mv, serial.info.rate_hz)
            recorder = [Recorder(recording, serial.info)] if recording is not None else []
            summary = stream(serial, front_end, classifier.decide, [make_view(), keeper, *recorder])
    filtered = np.concatenate(keeper.blocks) if keeper.blocks else np.zeros(0, np.int32)
    return Session(source, filtered, tuple(keeper.decisions), summary, target)
