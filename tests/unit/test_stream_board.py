"""A device that decides on beats itself: its decisions are told, and the host's network is not asked."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from cortexcore.errors import StreamError
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.classifier import Decision
from cortexcore.runtime.frontend import FEATURES_VERSION, FrontEnd, FrontEndConfig
from cortexcore.runtime.protocol import (
    DELIMITER,
    INDEX_MODULUS,
    Beat,
    Decoder,
    End,
    Filtered,
    Info,
    Message,
    Samples,
    Start,
    encode_frame,
)
from cortexcore.runtime.stream import BeatDecided, Block, BoardBeat, Event, Recorder, Signal, Source, Summary, stream
from cortexcore.runtime.stream.board import board_decision
from cortexcore.runtime.stream.port import Port
from cortexcore.runtime.stream.terminal import LiveView, make_view

ECG = synthetic_ecg(10, seed=4)
CLASSES = ("N", "S", "V", "F")
INFO = Info(250, ECG.gain_per_mv, "MLII", "board", adc_bits=11, decides=True)


class Board(Port):
    """A port whose device answers Start with Info and then says ``script``."""

    def __init__(self, script: list[Message], info: Info = INFO) -> None:
        self.url = "board"
        self._script, self._info = script, info
        self._decoder = Decoder()
        self._ready = b""

    def write(self, data: bytes) -> None:
        for message in self._decoder.push(data):
            if isinstance(message, Start):
                said = [dataclasses.replace(self._info, session=message.session), *self._script]
                self._ready = DELIMITER + b"".join(encode_frame(each, number) for number, each in enumerate(said))

    def read(self) -> bytes:
        ready, self._ready = self._ready, b""
        return ready

    def close(self) -> None:
        """Nothing is held."""


def beat(sample: int, label: int = 0, **changes: int | tuple[int, ...]) -> Beat:
    usual = Beat(sample % INDEX_MODULUS, 116, 800, label, (5, -7, 9, 1), (12, 0, 345), 0, FEATURES_VERSION)
    return dataclasses.replace(usual, **changes)


def signal(first: int = 0, last: int = ECG.counts.size) -> list[Message]:
    return [Samples(at, ECG.counts[at : at + 100]) for at in range(first, last, 100)]


def heard(script: list[Message], info: Info = INFO) -> tuple[Source, list[Block | BoardBeat]]:
    source = Source(Board(script, info), handshake_s=5, silence_s=0.01)
    return source, list(source.blocks(lambda: False))


def beats(items: list[Block | BoardBeat]) -> list[tuple[int, int]]:
    return [(item.sample, item.message.label) for item in items if isinstance(item, BoardBeat)]


class Notes:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is held."""


def refuse(_: object) -> Decision:
    raise AssertionError("the host's network was asked")


def session(script: list[Message], *sinks: object, classes: tuple[str, ...] = CLASSES, **settings: float) -> Summary:
    with Source(Board(script), handshake_s=5, silence_s=0.01) as source:
        front_end = FrontEnd(FrontEndConfig(), source.info.gain_per_mv, source.info.rate_hz)
        return stream(source, front_end, refuse, sinks, classes=classes, **settings)  # type: ignore[arg-type]


SCRIPT = [*signal(0, 1000), beat(600), beat(800, 2), *signal(1000), beat(2300, 2), End(ECG.counts.size)]


def test_its_beats_come_where_it_said_them() -> None:
    source, items = heard(SCRIPT)
    assert beats(items) == [(600, 0), (800, 2), (2300, 2)]
    assert [isinstance(item, BoardBeat) for item in items].index(True) == 10
    assert np.array_equal(np.concatenate([item.counts for item in items if isinstance(item, Block)]), ECG.counts)
    assert source.link.bad_frames == 0


def test_its_decisions_are_events_and_the_hosts_network_is_not_asked(tmp_path) -> None:
    notes = Notes()
    recorder = Recorder(tmp_path, INFO)
    summary = session(SCRIPT, notes, recorder)
    told = [event for event in notes.events if isinstance(event, BeatDecided)]
    assert [(e.decision.beat.sample, e.decision.label, e.time_s, e.delay_s, e.latency_s) for e in told] == [
        (600, "N", 2.4, 0.464, None),
        (800, "V", 3.2, 0.464, None),
        (2300, "V", 9.2, 0.464, None),
    ]
    assert [event.board for event in told] == [beat(600), beat(800, 2), beat(2300, 2)]
    assert told[0].decision.scores == (5, -7, 9, 1) and told[0].decision.beat.window.size == 0
    assert summary.beats == {"N": 1, "V": 2} and summary.latency_p50_ms is None
    assert (summary.ended, summary.samples, summary.heart_rate_bpm) == ("complete", ECG.counts.size, 75.0)
    expected = FrontEnd(FrontEndConfig(), ECG.gain_per_mv, 250).push_and_tap(ECG.counts)[1]
    assert np.array_equal(np.concatenate([e.filtered for e in notes.events if isinstance(e, Signal)]), expected)

    import wfdb

    found = wfdb.rdann(str(tmp_path / "board"), "cortex")
    assert [(s, symbol) for s, symbol in zip(found.sample, found.symbol, strict=True) if symbol != '"'] == [
        (600, "N"),
        (800, "V"),
        (2300, "V"),
    ]


def test_its_filtered_signal_is_passed_over() -> None:
    source, items = heard([*signal(0, 100), Filtered(0, np.arange(50, dtype=np.int32)), End(100)])
    assert [type(item) for item in items] == [Block]
    assert source.link.bad_frames == 0 and source.link.frames == 4


def test_a_beat_before_lost_samples_arrive_keeps_its_place() -> None:
    _, items = heard([*signal(0, 500), beat(700), *signal(900, 1000), End(1000)])
    assert beats(items) == [(700, 0)]


def test_sample_indices_wrap() -> None:
    fast = dataclasses.replace(INFO, rate_hz=65535)
    leap = 2 * 10**8
    hops = [Samples(number * leap % INDEX_MODULUS, ECG.counts[:1]) for number in range(23)]
    last = 22 * leap
    assert last > INDEX_MODULUS
    _, items = heard([*hops, beat(last - 50), beat(last + 9), End((last + 1) % INDEX_MODULUS)], fast)
    assert beats(items) == [(last - 50, 0), (last + 9, 0)]


@pytest.mark.parametrize("sample", [-5, 10**7])
def test_a_beat_at_a_place_that_makes_no_sense_counts_as_bad(sample: int) -> None:
    source, items = heard([*signal(0, 500), beat(sample), End(500)])
    assert beats(items) == [] and source.link.bad_frames == 1


def test_a_beat_of_a_device_that_does_not_decide_counts_as_bad() -> None:
    source, items = heard([*signal(0, 500), beat(300), End(500)], dataclasses.replace(INFO, decides=False))
    assert beats(items) == [] and source.link.bad_frames == 1


def test_another_model_is_told_in_one_sentence() -> None:
    with pytest.raises(StreamError, match=r"tells 4 classes apart, the model here has 3 \(N, S, V\): give the bundle"):
        session(SCRIPT, classes=CLASSES[:3])
    with pytest.raises(StreamError, match=r"the model here has 0 \(none\)"):
        session(SCRIPT, classes=())
    other = BoardBeat(600, beat(600, features=FEATURES_VERSION + 1))
    with pytest.raises(StreamError, match=f"features of version {FEATURES_VERSION + 1}, here they have version"):
        board_decision(other, CLASSES)


def test_the_asked_length_holds_for_a_board_too() -> None:
    summary = session(SCRIPT, duration_s=4.0)
    assert (summary.ended, summary.samples, summary.beats) == ("duration", 1000, {})


def test_json_lines_say_who_decided() -> None:
    output = io.StringIO()
    session(
        [*SCRIPT[:10], beat(600), beat(800, 2, cycles=640_000), End(1000)], make_view(json_lines=True, output=output)
    )
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    assert lines[0]["decides"] is True
    told = [line for line in lines if line["event"] == "beat"]
    assert [(line["label"], line["decided_on"], line["cycles"]) for line in told] == [
        ("N", "device", None),
        ("V", "device", 640_000),
    ]
    assert told[0]["spikes"] == [12, 0, 345] and told[0]["scores"] == [5.0, -7.0, 9.0, 1.0]


def test_plain_lines_and_the_picture_say_who_decided() -> None:
    output = io.StringIO()
    session(SCRIPT, make_view(output=output))
    lines = output.getvalue().splitlines()
    assert lines[0] == "board: lead MLII, 250 Hz, 200 counts/mV, decides on beats itself"
    assert lines[1].split("  ")[-1] == "on the device" and lines[1].split()[:3] == ["2.40", "s", "N"]
    notes = Notes()
    session(SCRIPT, notes)
    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=40, color_system=None)
    view = LiveView(console)
    for event in notes.events[:-1]:
        view.handle(event)
    with console.capture() as capture:
        console.print(view.picture())
    view.close()
    assert capture.get().count("on the device") == 3
