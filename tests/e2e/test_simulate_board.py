"""The shipped model's firmware on the emulated board, over its serial port: bit for bit what Python computes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import serial

import cortexcore as cc
from cortexcore.cli import main
from cortexcore.firmware_sim.board import (
    ADC_ADDRESS,
    Adc,
    Board,
    Electrodes,
    Uart,
    build_device,
    counting,
    read_firmware,
    serve_board,
    sizes,
)
from cortexcore.firmware_sim.board.devices import TIMER_ADDRESS, Timer
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.frontend import FrontEnd
from cortexcore.runtime.frontend.beat import Beat as FrontEndBeat
from cortexcore.runtime.frontend.encoder import encode_beats
from cortexcore.runtime.protocol import (
    DELIMITER,
    Beat,
    Decoder,
    End,
    Filtered,
    Info,
    Message,
    Samples,
    Start,
    Stop,
    encode_frame,
)
from cortexcore.sources import Source, recording_source

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

FOLDER = SHIPPED / "bundle"
BUNDLE = load_bundle(FOLDER)
ECG = synthetic_ecg(60, seed=11, ventricular=0.15)
CLOCK_HZ = 64e6
BATCH = 256


@pytest.fixture(scope="module")
def elf() -> bytes:
    return build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions(), filtered=True)


def electrodes(counts: np.ndarray = ECG.counts, gain: float = ECG.gain_per_mv, speed: float = 0.0) -> Electrodes:
    return Electrodes(counts, ECG.rate_hz, gain, ECG.lead, ECG.name, speed=speed)


def say(port: serial.Serial, message: Message) -> None:
    port.write(DELIMITER + encode_frame(message, 0))


def until(port: serial.Serial, kind: type[Message], decoder: Decoder) -> list[Message]:
    """What arrives up to and with the first message of ``kind``."""
    messages: list[Message] = []
    while not any(isinstance(message, kind) for message in messages):
        data = port.read(max(1, port.in_waiting))
        assert data, "the board fell silent"
        messages += decoder.push(data)
    return messages


def session(path: str, number: int = 1) -> list[Message]:
    """Everything from Start to End over the serial port, nothing lost."""
    decoder = Decoder()
    with serial.Serial(path, timeout=60) as port:
        say(port, Start(number))
        messages = until(port, End, decoder)
    assert decoder.counts.lost_frames == decoder.counts.bad_frames == 0
    first = next(at for at, m in enumerate(messages) if isinstance(m, Info) and m.session == number)
    return messages[first:]


def assert_equal_to_python(messages: list[Message], counts: np.ndarray, gain_per_mv: float) -> int:
    """Every sample, filtered value, beat, spike count and score; the number of beats."""
    samples = [m for m in messages if isinstance(m, Samples)]
    filtered = [m for m in messages if isinstance(m, Filtered)]
    decided = [m for m in messages if isinstance(m, Beat)]
    assert np.array_equal(np.concatenate([m.counts for m in samples]), counts)
    front_end = FrontEnd(BUNDLE.front_end, gain_per_mv, 250)
    beats, tapped = front_end.push_and_tap(counts)
    beats = [*beats, *front_end.flush()]
    assert np.array_equal(np.concatenate([m.values for m in filtered]), tapped[: counts.size])
    assert [(m.sample, m.rr_ms, m.delay) for m in decided] == [(b.sample, b.rr_ms, b.ready - b.sample) for b in beats]
    scores, spikes = golden(beats)
    assert np.array_equal([m.scores for m in decided], scores)
    assert np.array_equal([m.spikes for m in decided], spikes)
    assert np.array_equal([m.label for m in decided], scores.argmax(axis=1))
    return len(decided)


def golden(beats: list[FrontEndBeat]) -> tuple[np.ndarray, np.ndarray]:
    """Readouts [beats, classes] and spikes of each spiking population over all steps [beats, populations]."""
    compiled, network = cc.compile(BUNDLE.network, "integer"), BUNDLE.network
    scores, spikes = [], []
    for at in range(0, len(beats), BATCH):
        result = compiled.run(encode_beats(beats[at : at + BATCH], BUNDLE.steps), trace=True)
        scores.append(result.outputs[network.outputs[0].name][-1])
        spiking = [result.spikes[p.name] for p in network.populations if p.vth is not None]
        spikes.append(np.stack([s.reshape(s.shape[0], s.shape[1], -1).sum(axis=(0, 2)) for s in spiking], axis=1))
    return np.concatenate(scores), np.concatenate(spikes)


def test_a_minute_of_made_up_ecg(elf: bytes) -> None:
    with serve_board(elf, electrodes()) as path:
        messages = session(path, 5)
    assert messages[0] == Info(250, 200.0, "MLII", "synthetic-11", session=5, decides=True)
    assert assert_equal_to_python(messages, ECG.counts, 200.0) > 50


def test_a_whole_record(elf: bytes, data_dir: Path) -> None:
    source: Source = recording_source("208", data_dir)
    with serve_board(elf, electrodes(source.counts, source.gain_per_mv)) as path:
        messages = session(path)
    assert isinstance(messages[-1], End) and messages[-1].total == source.counts.size > 450_000
    assert assert_equal_to_python(messages, source.counts, source.gain_per_mv) > 2900


def test_an_amplifier_that_the_front_end_cannot_take_still_gives_its_samples(elf: bytes) -> None:
    with serve_board(elf, electrodes(ECG.counts[:1000], gain=0.5)) as path:
        messages = session(path)
    assert isinstance(messages[0], Info) and not messages[0].decides
    assert {type(m) for m in messages} == {Info, Samples, End}
    assert np.array_equal(np.concatenate([m.counts for m in messages if isinstance(m, Samples)]), ECG.counts[:1000])


def test_a_host_that_vanishes_and_returns_gets_it_all_from_the_start(elf: bytes) -> None:
    with serve_board(elf, electrodes()) as path:
        with serial.Serial(path, timeout=60) as port:
            say(port, Start(1))
            until(port, Beat, Decoder())
        assert assert_equal_to_python(session(path, 2), ECG.counts, 200.0) > 50


def test_end_is_repeated_once_a_second_until_stop(elf: bytes) -> None:
    # The clock is the test's own: it goes on only while the firmware waits, 20 ms at a time.
    waits = 0

    def now_s() -> float:
        return waits * 0.02 + 0.001

    def wait(seconds: float) -> None:
        nonlocal waits
        assert seconds == 0.02
        waits += 1
        if waits == 130:
            board.uart.arriving.extend(DELIMITER + encode_frame(Stop(), 1))
        if waits == 400:
            board.stop()

    adc = Adc(electrodes(ECG.counts[:500]), wait, now_s)
    board = Board(elf, {ADC_ADDRESS: adc, TIMER_ADDRESS: Timer(now_s)})
    board.uart.arriving.extend(DELIMITER + encode_frame(Start(3), 0))
    board.boot()
    board.resume()
    messages = Decoder().push(board.uart.take())
    assert sum(m.counts.size for m in messages if isinstance(m, Samples)) == 500
    assert [m for m in messages if isinstance(m, End)] == [End(500)] * 3  # at 0, 1 and 2 of 2.6 s


def test_hostile_bytes_from_the_host(elf: bytes) -> None:
    noise = np.random.default_rng(9).integers(0, 256, 20_000).astype(np.uint8).tobytes()
    frames = b"".join(encode_frame(Stop(), k)[:-1] + b"\x01\0" for k in range(50))
    with serve_board(elf, electrodes()) as path:
        with serial.Serial(path, timeout=60) as port:
            for at in range(0, len(noise), 500):
                port.write(noise[at : at + 500])
            port.write(frames + bytes(300) + b"\xff" * 600)
        assert assert_equal_to_python(session(path, 4), ECG.counts, 200.0) > 50


def test_two_builds_are_the_same_and_fit(elf: bytes) -> None:
    again = build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions(), filtered=True)
    assert again == elf
    took = sizes(read_firmware(elf))
    assert took.flash <= 256 * 1024 == took.flash_limit
    assert took.ram <= 64 * 1024 == took.ram_limit


def test_a_recording_that_flash_cannot_hold() -> None:
    with pytest.raises(cc.CortexCoreError, match=r"will not fit in region 'FLASH': overflowed by \d+ bytes"):
        build_device(
            BUNDLE.network, BUNDLE.front_end, CodegenOptions(), recording=electrodes(np.zeros(150_000, np.int16))
        )
    named = Electrodes(ECG.counts, 250, 200, "MLII", 'a "quoted" name')
    with pytest.raises(cc.CortexCoreError, match="a recording in flash cannot be named"):
        build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions(), recording=named)


class Listening(Uart):
    """Switches the board off when the firmware has said End."""

    board: Board

    def __init__(self) -> None:
        super().__init__()
        self.decoder = Decoder()
        self.messages: list[Message] = []

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.sent and self.sent[-1] == 0:
            self.messages += self.decoder.push(self.take())
            if any(isinstance(message, End) for message in self.messages[-1:]):
                self.board.stop()


def test_real_time_and_stack_on_a_64_mhz_core() -> None:
    signal_ = electrodes(ECG.counts[:5000])
    flashed = build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions(), recording=signal_)
    uart = Listening()
    uart.board = board = Board(flashed, uart=uart)
    uart.arriving.extend(DELIMITER + encode_frame(Start(1), 0))
    regions = ["ccx_push_samples", "ccx_poll_event", "ccx_decide"]
    with counting(board, regions) as counts:
        board.boot()
        board.resume()
    beats = [m for m in uart.messages if isinstance(m, Beat)]
    sample, decide = counts.regions["ccx_push_samples"], counts.regions["ccx_decide"]
    assert sample.calls == 5000 and decide.calls == len(beats) > 20
    # At the model's slowest, a decision is there before the second sample after it is due (a sample is 4 ms long, and
    # the converter holds what is not read yet), and all work together leaves the core asleep most of the time.
    worst = sample.largest.cycles[1] + counts.regions["ccx_poll_event"].largest.cycles[1]
    assert worst < 2 * CLOCK_HZ / 250
    assert counts.total.cycles[1] < 0.02 * CLOCK_HZ * 5000 / 250
    assert 0 < board.stack_used() < sizes(board.firmware).stack


@contextmanager
def simulated(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``cortexcore simulate board`` in a process of its own, and its port."""
    code = "from cortexcore.cli import main; main()"
    command = [sys.executable, "-c", code, "simulate", "board", str(FOLDER), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_command_and_a_stream_from_it(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated("--synthetic", "--duration", 30, "--seed", 4, "--speed", 0) as (process, port):
        assert port.startswith("/dev/") and os.path.exists(port)  # noqa: PTH110 - a device, not a file
        monkeypatch.setattr(sys, "argv", ["cortexcore", "stream", str(FOLDER), "--port", port, "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (None, 0)
        lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "the firmware of 'beat' hears synthetic ECG, 30 s, seed 4" in said and "Traceback" not in said
    ecg = synthetic_ecg(30, seed=4)
    front_end = FrontEnd(BUNDLE.front_end, ecg.gain_per_mv, ecg.rate_hz)
    beats = [*front_end.push(ecg.counts), *front_end.flush()]
    told = [line for line in lines if line["event"] == "beat"]
    assert [line["sample"] for line in told] == [beat.sample for beat in beats]
    assert np.array_equal([line["scores"] for line in told], golden(beats)[0])


def test_the_command_in_real_time() -> None:
    with simulated("--synthetic", "--duration", 30) as (process, path), serial.Serial(path, timeout=60) as port:
        decoder = Decoder()
        began_s = time.monotonic()
        say(port, Start(1))
        received = 0
        while received < 500:
            messages = decoder.push(port.read(max(1, port.in_waiting)))
            received += sum(m.counts.size for m in messages if isinstance(m, Samples))
        assert time.monotonic() - began_s >= 500 / 250  # how late it is depends on the machine; it is never early
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((FOLDER,), 1, "simulate board needs either --record, e.g. --record 208, or --synthetic"),
        ((FOLDER, "--synthetic", "--start", "5"), 1, "leave them out with --synthetic"),
        ((FOLDER, "--synthetic", "--duration", "10", "--speed", "-1"), 1, "the speed -1 must be 0"),
        (("nowhere", "--synthetic"), 1, "nowhere"),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments: tuple[object, ...],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["cortexcore", "simulate", "board", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    err = capfd.readouterr().err
    assert end.value.code == code and len(err.splitlines()) == 1 and words in err


@pytest.mark.parametrize("package", ["unicorn", "ziglang"])
def test_without_a_package_the_command_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from cortexcore.firmware_sim.toolchain import zig

    monkeypatch.setitem(sys.modules, package, None)
    found = zig.importlib.util.find_spec
    monkeypatch.setattr(zig.importlib.util, "find_spec", lambda name: None if name == package else found(name))
    monkeypatch.setattr(sys, "argv", ["cortexcore", "simulate", "board", str(FOLDER), "--synthetic"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 3
    assert "pip install 'cortexcore[firmware]'" in capfd.readouterr().err
