"""From a real pseudo-terminal through the real front end to decisions, records and a summary."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import wfdb

from cortexcore.errors import DataError, StreamError
from cortexcore.firmware_sim.wearable import Faults, Wearable, serve_wearable, synthetic_ecg
from cortexcore.runtime.classifier import Decision
from cortexcore.runtime.frontend import Beat, FrontEnd, FrontEndConfig
from cortexcore.runtime.protocol import Info
from cortexcore.runtime.stream import (
    BeatDecided,
    Closed,
    Event,
    Gap,
    Opened,
    Recorder,
    Signal,
    open_source,
    stream,
)
from cortexcore.runtime.stream.recorder import LOST_SAMPLE
from cortexcore.train.recordings import load_recording, to_wearable_rate

ECG = synthetic_ecg(60, seed=21, ventricular=0.15, atrial=0.1)
TRUTH = dict(zip(ECG.beats.tolist(), ECG.labels, strict=True))
WEARABLE = Wearable(ECG.counts, ECG.rate_hz, ECG.gain_per_mv, ECG.lead, ECG.name, speed=0)
# 150 kB: more than the kernel's buffers hold, so that a device at any speed cannot be done before it is read.
LONG = dataclasses.replace(WEARABLE, counts=np.tile(ECG.counts, 5))


class Notes:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = 0

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed += 1

    def beats(self) -> list[BeatDecided]:
        return [event for event in self.events if isinstance(event, BeatDecided)]


def front_end(info: Info) -> FrontEnd:
    """A fresh one that is given the true peaks, so that these tests are about the stream and not about the detector."""
    return FrontEnd(FrontEndConfig(), info.gain_per_mv, info.rate_hz, peaks=ECG.beats)


def decide(beat: Beat) -> Decision:
    return Decision(beat, TRUTH[beat.sample], (1.0, 0.0))


def content(beat: Beat) -> tuple[object, ...]:
    return beat.sample, beat.ready, beat.rr_ms, beat.window.tobytes(), beat.rhythm.tobytes()


def test_a_whole_minute_arrives_is_decided_on_and_recorded(tmp_path: Path) -> None:
    notes = Notes()
    with serve_wearable(WEARABLE) as path, open_source(path) as source:
        info = source.info
        summary = stream(source, front_end(info), decide, [notes, Recorder(tmp_path, info)])

    assert (info.name, info.lead, info.rate_hz, info.gain_per_mv) == ("synthetic-21", "MLII", 250, 200.0)
    assert (summary.ended, summary.problem, summary.exit_code) == ("complete", None, 0)
    assert (summary.samples, summary.lost_samples, summary.gaps) == (ECG.counts.size, 0, 0)
    assert summary.link.lost_frames == summary.link.bad_frames == 0
    assert summary.beats == {label: ECG.labels.count(label) for label in summary.beats}
    assert sum(summary.beats.values()) == len(ECG.labels)
    assert summary.pvc_burden_percent == pytest.approx(100 * ECG.labels.count("V") / len(ECG.labels))
    assert summary.latency_p99_ms is not None and summary.latency_p50_ms is not None
    assert 0 < summary.latency_p50_ms <= summary.latency_p99_ms

    assert isinstance(notes.events[0], Opened) and isinstance(notes.events[-1], Closed) and notes.closed == 1
    signals = [event for event in notes.events if isinstance(event, Signal)]
    assert np.array_equal(np.concatenate([event.counts for event in signals]), ECG.counts)
    assert np.array_equal([event.first for event in signals], np.cumsum([0, *(s.counts.size for s in signals[:-1])]))

    offline = front_end(info)
    expected = [*offline.push(ECG.counts), *offline.flush()]
    assert [content(event.decision.beat) for event in notes.beats()] == [content(beat) for beat in expected]

    record = wfdb.rdrecord(str(tmp_path / "synthetic-21"), physical=False)
    assert np.array_equal(record.d_signal[:, 0], ECG.counts)
    found = wfdb.rdann(str(tmp_path / "synthetic-21"), "cortex")
    assert np.array_equal(found.sample, ECG.beats)
    assert tuple(found.symbol) == ECG.labels


def test_a_real_record_gives_the_beats_it_gives_offline(data_dir: Path, tmp_path: Path) -> None:
    whole = to_wearable_rate(load_recording("208", data_dir))
    counts = whole.counts[: 120 * whole.rate_hz]
    played = Wearable(counts, whole.rate_hz, whole.gain_per_mv, whole.lead, whole.name, speed=0)
    notes = Notes()
    with serve_wearable(played) as path, open_source(path) as source:
        live = FrontEnd(FrontEndConfig(), source.info.gain_per_mv, source.info.rate_hz)
        stream(source, live, lambda beat: Decision(beat, "N", (1.0,)), [notes, Recorder(tmp_path, source.info)])
    offline = FrontEnd(FrontEndConfig(), whole.gain_per_mv, whole.rate_hz)
    expected = [*offline.push(counts), *offline.flush()]
    assert len(expected) > 150
    assert [content(event.decision.beat) for event in notes.beats()] == [content(beat) for beat in expected]
    assert np.array_equal(wfdb.rdrecord(str(tmp_path / "208"), physical=False).d_signal[:, 0], counts)


def test_lost_and_damaged_frames_are_counted_told_and_recorded(tmp_path: Path) -> None:
    faulty = dataclasses.replace(WEARABLE, faults=Faults(drop=0.05, corrupt=0.05, seed=2))
    notes = Notes()
    with serve_wearable(faulty) as path, open_source(path) as source:
        front = front_end(source.info)
        summary = stream(source, front, decide, [notes, Recorder(tmp_path, source.info)])
    gaps = [event for event in notes.events if isinstance(event, Gap)]
    assert summary.ended == "complete" and summary.exit_code == 0
    assert summary.lost_samples == sum(gap.lost for gap in gaps) > 0 and summary.gaps == len(gaps)
    assert summary.samples + summary.lost_samples == ECG.counts.size == front.samples
    assert summary.link.lost_frames > 0 and summary.link.bad_frames >= summary.link.crc_errors > 0
    expected = ECG.counts.copy()
    for gap in gaps:
        expected[gap.first : gap.first + gap.lost] = LOST_SAMPLE
    assert np.array_equal(wfdb.rdrecord(str(tmp_path / ECG.name), physical=False).d_signal[:, 0], expected)
    found = wfdb.rdann(str(tmp_path / ECG.name), "cortex")
    noted = [
        (s, text) for s, symbol, text in zip(found.sample, found.symbol, found.aux_note, strict=True) if symbol == "~"
    ]
    assert noted == [(gap.first, f"lost {gap.lost} samples") for gap in gaps]
    # Every true peak gets its beat: short gaps are held, so none is lost with the samples.
    assert [event.decision.beat.sample for event in notes.beats()] == ECG.beats.tolist()


def test_a_device_that_vanishes_leaves_an_orderly_end(tmp_path: Path) -> None:
    vanishing = dataclasses.replace(LONG, faults=Faults(disconnect=280))
    with serve_wearable(vanishing) as path, open_source(path) as source:
        summary = stream(source, front_end(source.info), decide, [Recorder(tmp_path, source.info)])
    assert (summary.ended, summary.exit_code) == ("broken", 1)
    assert summary.problem is not None and f"'{path}' vanished" in summary.problem
    assert 0 < summary.samples <= 280 * 250
    recorded = wfdb.rdrecord(str(tmp_path / ECG.name), physical=False).d_signal[:, 0]
    assert np.array_equal(recorded, LONG.counts[: summary.samples])


def test_takes_exactly_the_asked_length_and_the_device_is_free_again() -> None:
    with serve_wearable(LONG) as path:
        for duration_s, samples in ((10.0, 2500), (0.1, 25), (7.77, 1942)):
            notes = Notes()
            with open_source(path) as source:
                summary = stream(source, front_end(source.info), decide, [notes], duration_s=duration_s)
            assert (summary.ended, summary.samples, summary.exit_code) == ("duration", samples, 0)
            got = np.concatenate([event.counts for event in notes.events if isinstance(event, Signal)])
            assert np.array_equal(got, LONG.counts[:samples])


def test_the_asked_length_counts_lost_samples_too() -> None:
    lossy = dataclasses.replace(LONG, faults=Faults(drop=0.5, seed=4))
    with serve_wearable(lossy) as path, open_source(path) as source:
        summary = stream(source, front_end(source.info), decide, [], duration_s=30.03)
    assert summary.duration_s == pytest.approx(30.03, abs=1 / 250)
    assert summary.lost_samples > 0


def test_another_thread_can_end_it() -> None:
    stop = threading.Event()

    class StopAtFirstBeat(Notes):
        def handle(self, event: Event) -> None:
            super().handle(event)
            if isinstance(event, BeatDecided):
                stop.set()

    notes = StopAtFirstBeat()
    with serve_wearable(LONG) as path, open_source(path) as source:
        summary = stream(source, front_end(source.info), decide, [notes], stop=stop)
    assert (summary.ended, summary.exit_code) == ("interrupted", 0)
    assert isinstance(notes.events[-1], Closed) and summary.samples < LONG.counts.size


def test_a_sink_that_fails_ends_the_session_and_every_sink_is_closed(tmp_path: Path) -> None:
    class Full(Notes):
        def handle(self, event: Event) -> None:
            if isinstance(event, Signal):
                raise DataError("the disk is full")

    first, full = Notes(), Full()
    with serve_wearable(LONG) as path, open_source(path) as source:
        recorder = Recorder(tmp_path, source.info)
        with pytest.raises(DataError, match="disk is full"):
            stream(source, front_end(source.info), decide, [first, recorder, full])
    assert first.closed == full.closed == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{ECG.name}.part"]


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_length_that_makes_no_sense(duration_s: float, tmp_path: Path) -> None:
    with (
        serve_wearable(WEARABLE) as path,
        open_source(path) as source,
        pytest.raises(StreamError, match="finite number of seconds above 0"),
    ):
        sinks = [Recorder(tmp_path, source.info)]
        stream(source, front_end(source.info), decide, sinks, duration_s=duration_s)
    assert not [*tmp_path.iterdir()], "something was left half-written"


@contextlib.contextmanager
def over_tcp(path: str) -> Iterator[str]:
    """A serial server: the port at ``path`` as a TCP port, for one client."""
    import serial

    with socket.create_server(("127.0.0.1", 0)) as server, serial.Serial(path, timeout=0.05) as port:

        def serve() -> None:
            client, _ = server.accept()
            client.settimeout(0.05)
            with client, contextlib.suppress(OSError):
                while True:
                    with contextlib.suppress(TimeoutError):
                        asked = client.recv(4096)
                        if not asked:
                            return
                        port.write(asked)
                    client.settimeout(60)
                    client.sendall(port.read(max(1, port.in_waiting)))
                    client.settimeout(0.0001)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_device_behind_a_network_port() -> None:
    with serve_wearable(WEARABLE) as path, over_tcp(path) as url, open_source(url) as source:
        summary = stream(source, front_end(source.info), decide, [])
        assert (summary.ended, summary.samples) == ("complete", ECG.counts.size)


PROGRAM = """
import sys
from cortexcore.runtime.classifier import Decision
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.runtime.stream import open_source, stream
from cortexcore.runtime.stream.terminal import make_view
from cortexcore.firmware_sim.wearable import synthetic_ecg
peaks = synthetic_ecg(60, seed=21).beats
with open_source(sys.argv[1]) as source:
    front_end = FrontEnd(FrontEndConfig(), source.info.gain_per_mv, source.info.rate_hz, peaks=peaks)
    summary = stream(source, front_end, lambda beat: Decision(beat, "N", (1.0,)), [make_view(json_lines=True)])
sys.exit(summary.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_another_process_with_its_summary(number: signal.Signals) -> None:
    # An hour of signal at ten times its speed: it cannot be over before the signal comes.
    endless = dataclasses.replace(WEARABLE, counts=np.tile(ECG.counts, 60), speed=10.0)
    with serve_wearable(endless) as path:
        host = subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True)
        try:
            assert host.stdout is not None
            while json.loads(host.stdout.readline())["event"] != "beat":
                pass
            os.kill(host.pid, number)
            rest, _ = host.communicate(timeout=60)
        finally:
            host.kill()
            host.wait()
    last = json.loads(rest.splitlines()[-1])
    assert (host.returncode, last["event"], last["ended"]) == (0, "summary", "interrupted")


def test_a_second_host_gets_everything_whatever_the_first_left_behind() -> None:
    with serve_wearable(LONG) as path:
        with open_source(path) as source:
            next(source.blocks(lambda: False))
        with open_source(path) as again:
            got = np.concatenate([block.counts for block in again.blocks(lambda: False)])
    assert np.array_equal(got, LONG.counts)
