"""From a serial port to decisions on beats: source, session, events, recorder, live view."""

from cortexcore.runtime.stream.events import BeatDecided, Closed, Event, Gap, Opened, Signal, Sink
from cortexcore.runtime.stream.recorder import Recorder
from cortexcore.runtime.stream.session import check_duration, stream
from cortexcore.runtime.stream.source import PROTOCOLS, Block, BoardBeat, Source, open_source
from cortexcore.runtime.stream.summary import Summary

__all__ = [
    "PROTOCOLS",
    "BeatDecided",
    "Block",
    "BoardBeat",
    "Closed",
    "Event",
    "Gap",
    "Opened",
    "Recorder",
    "Signal",
    "Sink",
    "Source",
    "Summary",
    "check_duration",
    "open_source",
    "stream",
]
