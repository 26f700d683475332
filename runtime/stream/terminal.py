"""A session on the terminal: a live picture, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cortexcore.runtime import protocol
from cortexcore.runtime.frontend import UNIT_PER_MV
from cortexcore.runtime.protocol import Info, LinkCounts
from cortexcore.runtime.stream.events import BeatDecided, Closed, Event, Gap, Opened, Signal, Sink
from cortexcore.runtime.stream.sparkline import sparkline
from cortexcore.runtime.stream.summary import Summary

_SHOWN_BEATS = 8
_SHOWN_SIGNAL_S = 4
_RATE_OVER_BEATS = 8
_STYLES = {"N": "green", "S": "yellow", "V": "bold red", "F": "magenta", "Q": "dim"}
_NAMES = {"N": "normal", "S": "supraventricular", "V": "ventricular", "F": "fusion", "Q": "unclassifiable"}


def make_view(*, json_lines: bool = False, output: TextIO | None = None) -> Sink:
    """The view that suits ``output`` (standard output by default): live on a terminal, plain lines elsewhere.

    Args:
        json_lines: one JSON object per event and line instead, for programs.
        output: where to.
    """
    stream = output or sys.stdout
    if json_lines:
        return JsonView(stream)
    console = Console(file=stream)
    return LiveView(console) if console.is_terminal else PlainView(stream)


class JsonView:
    """One JSON object per line: ``opened``, ``gap``, ``beat`` and ``summary``; the signal itself is left out."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def handle(self, event: Event) -> None:
        """Write the line of ``event``."""
        values = event_json(event)
        if values is not None:
            print(json.dumps(values), file=self._output, flush=True)

    def close(self) -> None:
        """Nothing is held."""


class PlainView:
    """One line per beat and gap, then the summary."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def handle(self, event: Event) -> None:
        """Write the lines of ``event``."""
        if isinstance(event, Opened):
            self._write(_introduction(event.info))
        elif isinstance(event, Gap):
            self._write(f"           lost {event.lost} samples")
        elif isinstance(event, BeatDecided):
            beat = event.decision.beat
            interval = f"{beat.rr_ms:5d} ms" if beat.rr_ms else "       -"
            where = "" if event.board is None else "  on the device"
            self._write(f"{event.time_s:8.2f} s  {event.decision.label}  {interval}{where}")
        elif isinstance(event, Closed):
            for name, value in summary_rows(event.summary):
                self._write(f"{name + ':':<20} {value}")

    def close(self) -> None:
        """Nothing is held."""

    def _write(self, line: str) -> None:
        print(line, file=self._output, flush=True)


class LiveView:
    """A picture that follows the session: rate, beats by class, the last beats, the signal and the link."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._info: Info | None = None
        self._link = LinkCounts()
        self._lost = 0
        self._position = 0
        self._beats: Counter[str] = Counter()
        self._last: deque[BeatDecided] = deque(maxlen=_SHOWN_BEATS)
        self._signal: deque[float] = deque()
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self.picture, transient=True)

    def handle(self, event: Event) -> None:
        """Bring the picture up to date; the terminal follows at its own pace."""
        if isinstance(event, Opened):
            self._info = event.info
            self._signal = deque(maxlen=_SHOWN_SIGNAL_S * event.info.rate_hz)
            self._live.start()
        elif isinstance(event, Signal):
            self._signal.extend((event.filtered / UNIT_PER_MV).tolist())
            self._position = event.first + event.counts.size
            self._link = event.link
        elif isinstance(event, Gap):
            self._lost += event.lost
        elif isinstance(event, BeatDecided):
            self._beats[event.decision.label] += 1
            self._last.append(event)
        elif isinstance(event, Closed):
            self._live.stop()
            self._console.print(summary_table(event.summary))

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def picture(self) -> RenderableType:
        """What the terminal shows right now."""
        # Rich's own thread draws this: each deque is copied in one go, never iterated while it changes.
        signal, last, beats = list(self._signal.copy()), list(self._last.copy()), dict(self._beats)
        info = self._info
        if info is None:
            return Text("waiting for the device")
        counts = Text("  ").join(Text(f"{label} {number}", _STYLES.get(label, "")) for label, number in beats.items())
        top = Text.assemble(f"{self._position / info.rate_hz:8.1f} s   ", (_heart_rate(last), "bold"), "   ", counts)
        link = f"lost samples {self._lost}   lost frames {self._link.lost_frames}   bad frames {self._link.bad_frames}"
        width = max(20, min(100, self._console.width - 4))
        trace = Text(sparkline(signal, width), "cyan")
        body = Group(
            top, Text(), trace, Text(f"the last {_SHOWN_SIGNAL_S} s, filtered", "dim"), Text(), beat_table(last)
        )
        return Panel(Group(body, Text(link, "dim")), title=Text(_introduction(info)), title_align="left")


def event_json(event: Event) -> dict[str, Any] | None:
    """``event`` as JSON values; None for the signal, which the recording holds."""
    if isinstance(event, Opened):
        info = event.info
        values = {"name": info.name, "rate_hz": info.rate_hz, "gain_per_mv": info.gain_per_mv, "lead": info.lead}
        return {"event": "opened", **values, **({"decides": True} if info.decides else {})}
    if isinstance(event, Signal):
        return None
    if isinstance(event, Gap):
        return {"event": "gap", "sample": event.first, "lost": event.lost}
    if isinstance(event, BeatDecided):
        decision = event.decision
        return {
            "event": "beat",
            "sample": decision.beat.sample,
            "time_s": event.time_s,
            "label": decision.label,
            "rr_ms": decision.beat.rr_ms,
            "scores": [float(score) for score in decision.scores],
            "delay_s": event.delay_s,
            "host_latency_s": event.latency_s,
            **_board_json(event.board),
        }
    return {"event": "summary", **event.summary.to_json()}


def _board_json(board: protocol.Beat | None) -> dict[str, Any]:
    """What only a device that decides can tell: its spikes per population, and its cycles where it counts them."""
    if board is None:
        return {}
    return {"decided_on": "device", "spikes": list(board.spikes), "cycles": board.cycles or None}


def beat_table(beats: list[BeatDecided]) -> Table:
    """The last beats, newest first, with empty lines up to the table's constant height."""
    table = Table(box=None, header_style="dim")
    for heading in ("time / s", "beat", "RR / ms", "host latency / ms"):
        table.add_column(heading, justify="left" if heading == "beat" else "right")
    for event in reversed(beats):
        decision = event.decision
        nowhere = "-" if event.board is None else "on the device"
        latency = nowhere if event.latency_s is None else f"{1000 * event.latency_s:.1f}"
        name = f"{decision.label} {_NAMES.get(decision.label, '')}"
        interval = str(decision.beat.rr_ms) if decision.beat.rr_ms else "-"
        table.add_row(f"{event.time_s:.2f}", Text(name, _STYLES.get(decision.label, "")), interval, latency)
    for _ in range(_SHOWN_BEATS - len(beats)):
        table.add_row("", "", "", "")
    return table


def summary_rows(summary: Summary) -> list[tuple[str, str]]:
    """The summary as names and values with units."""
    beats = "  ".join(f"{label} {number}" for label, number in summary.beats.items()) or "none"
    link = summary.link
    rows = [
        ("recording", summary.name),
        ("signal", f"{summary.duration_s:.1f} s"),
        ("beats", beats),
        ("mean heart rate", _or_dash(summary.heart_rate_bpm, "/min", 0)),
        ("PVC burden", _or_dash(summary.pvc_burden_percent, "%", 1)),
        ("lost samples", f"{summary.lost_samples} in {summary.gaps} gaps"),
        (
            "frames",
            f"{link.frames} whole, {link.lost_frames} lost, {link.bad_frames} bad ({link.crc_errors} by checksum)",
        ),
        ("decision after R", _or_dash(summary.delay_p50_ms, "ms of signal (median)", 0)),
        ("host latency p50", _or_dash(summary.latency_p50_ms, "ms (measured on this host)", 2)),
        ("host latency p99", _or_dash(summary.latency_p99_ms, "ms (measured on this host)", 2)),
        ("ended", summary.ended if summary.problem is None else f"{summary.ended}: {summary.problem}"),
    ]
    return rows


def summary_table(summary: Summary) -> Table:
    """The summary for a terminal."""
    table = Table(box=None, show_header=False)
    for name, value in summary_rows(summary):
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _introduction(info: Info) -> str:
    decides = ", decides on beats itself" if info.decides else ""
    return f"{info.name}: lead {info.lead}, {info.rate_hz} Hz, {info.gain_per_mv:g} counts/mV{decides}"


def _heart_rate(last: list[BeatDecided]) -> str:
    intervals = [event.decision.beat.rr_ms for event in last if event.decision.beat.rr_ms][-_RATE_OVER_BEATS:]
    return f"{60_000 * len(intervals) / sum(intervals):3.0f}/min" if intervals else "  -/min"


def _or_dash(value: float | None, unit: str, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f} {unit}"
