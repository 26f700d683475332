"""The figures of a session, by hand, and the three ways to show it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from cortexcore.runtime.classifier import Decision
from cortexcore.runtime.frontend import UNIT_PER_MV, Beat
from cortexcore.runtime.protocol import Info, LinkCounts
from cortexcore.runtime.stream import BeatDecided, Closed, Event, Gap, Opened, Signal, Sink, Summary
from cortexcore.runtime.stream.sparkline import sparkline
from cortexcore.runtime.stream.summary import Tally
from cortexcore.runtime.stream.terminal import LiveView, PlainView, make_view

LINK = LinkCounts(frames=40, bad_frames=2, crc_errors=1, lost_frames=3)


def decision(sample: int, label: str, rr_ms: int) -> Decision:
    beat = Beat(sample, sample + 125, np.zeros((1, 8), np.int8), np.zeros(2, np.int8), rr_ms)
    return Decision(beat, label, (3.0, -1.0))


def summary(problem: str | None = None) -> Summary:
    tally = Tally(250)
    tally.samples += 900
    tally.lose(60)
    tally.lose(40)
    for label, rr_ms, latency_s in (("N", 0, 0.001), ("N", 800, 0.002), ("V", 500, 0.009), ("N", 1100, None)):
        tally.decide(decision(100, label, rr_ms), 0.5, latency_s)
    return tally.summary("208", "complete" if problem is None else "broken", problem, LINK)


def events() -> list[Event]:
    counts = np.arange(25, dtype=np.int16)
    return [
        Opened(Info(250, 200.0, "MLII", "208 [bold]", session=4)),
        Signal(0, counts, counts.astype(np.int32) * UNIT_PER_MV, LINK),
        Gap(25, 100),
        BeatDecided(decision(250, "N", 0), 1.0, 0.5, 0.0012),
        BeatDecided(decision(450, "V", 800), 1.8, 0.5, None),
        Closed(summary()),
    ]


def show(view: Sink) -> None:
    for event in events():
        view.handle(event)
    view.close()


def test_the_figures_by_hand() -> None:
    got = summary()
    assert (got.duration_s, got.samples, got.lost_samples, got.gaps) == (4.0, 900, 100, 2)
    assert got.beats == {"N": 3, "V": 1}
    assert got.heart_rate_bpm == pytest.approx(60_000 / 800)  # the mean of 800, 500 and 1100 ms
    assert got.pvc_burden_percent == 25.0
    assert (got.latency_p50_ms, got.delay_p50_ms) == (pytest.approx(2.0), pytest.approx(500.0))
    assert got.latency_p99_ms == pytest.approx(9 - 0.02 * 7)  # 98 % of the way from the second to the third
    assert got.exit_code == 0 and summary("gone").exit_code == 1


def test_figures_that_nothing_supports_are_absent() -> None:
    got = Tally(250).summary("208", "complete", None, LinkCounts())
    assert got.heart_rate_bpm is got.pvc_burden_percent is got.latency_p50_ms is got.delay_p50_ms is None
    assert got.beats == {} and got.duration_s == 0


def test_json_lines() -> None:
    output = io.StringIO()
    show(make_view(json_lines=True, output=output))
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["opened", "gap", "beat", "beat", "summary"]
    assert lines[0] == {"event": "opened", "name": "208 [bold]", "rate_hz": 250, "gain_per_mv": 200.0, "lead": "MLII"}
    assert lines[1] == {"event": "gap", "sample": 25, "lost": 100}
    expected = {"sample": 450, "time_s": 1.8, "label": "V", "rr_ms": 800, "scores": [3.0, -1.0], "delay_s": 0.5}
    assert lines[3] == {"event": "beat", **expected, "host_latency_s": None}
    assert lines[4] == {"event": "summary", **json.loads(json.dumps(summary().to_json()))}
    assert lines[4]["link"]["lost_frames"] == 3


def test_plain_lines_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    view = make_view(output=output)
    assert isinstance(view, PlainView)
    show(view)
    lines = output.getvalue().splitlines()
    assert lines[0] == "208 [bold]: lead MLII, 250 Hz, 200 counts/mV"
    assert lines[1].split() == ["lost", "100", "samples"]
    assert lines[2].split() == ["1.00", "s", "N", "-"]
    assert lines[3].split() == ["1.80", "s", "V", "800", "ms"]
    values = dict(line.split(": ", 1) for line in lines[4:])
    values = {name: value.strip() for name, value in values.items()}
    assert values["beats"] == "N 3  V 1"
    assert values["mean heart rate"] == "75 /min"
    assert values["PVC burden"] == "25.0 %"
    assert values["lost samples"] == "100 in 2 gaps"
    assert values["frames"] == "40 whole, 3 lost, 2 bad (1 by checksum)"
    assert values["host latency p50"] == "2.00 ms (measured on this host)"
    assert "\x1b" not in output.getvalue()


def test_the_live_picture() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=90, height=40, color_system=None)
    view = LiveView(console)
    for event in events()[:-1]:
        view.handle(event)
    with console.capture() as capture:
        console.print(view.picture())
    picture = capture.get()
    view.handle(events()[-1])
    view.close()
    assert "208 [bold]: lead MLII" in picture
    assert "N 1  V 1" in picture and "75/min" in picture
    assert "lost samples 100   lost frames 3   bad frames 2" in picture
    assert picture.index("V ventricular") < picture.index("N normal")
    assert "1.2" in picture
    assert "▁" in picture and "█" in picture
    assert "PVC burden" in output.getvalue() and "25.0 %" in output.getvalue()


def test_the_live_picture_gives_the_terminal_back_after_an_error() -> None:
    output = io.StringIO()
    view = LiveView(Console(file=output, force_terminal=True, width=90))
    view.handle(events()[0])
    view.close()
    hide, show_cursor = "\x1b[?25l", "\x1b[?25h"
    assert output.getvalue().rfind(show_cursor) > output.getvalue().rfind(hide) >= 0


def test_sparkline() -> None:
    assert sparkline([], 10) == ""
    assert sparkline([5.0, 5.0], 10) == "▁▁"
    assert sparkline(list(range(8)), 8) == "▁▂▃▄▅▆▇█"
    narrow = np.zeros(1000)
    narrow[503] = 1.0
    line = sparkline(narrow.tolist(), 50)
    assert len(line) == 50 and line.count("█") == 1 and line[25] == "█"
