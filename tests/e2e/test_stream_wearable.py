"""The virtual wearable behind a real pseudo-terminal, seen by a plain serial client and the protocol alone."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import serial

from cortexcore.firmware_sim.wearable import Faults, Wearable, serve_wearable, synthetic_ecg
from cortexcore.runtime.protocol import DELIMITER, Decoder, End, Info, Message, Samples, Start, Stop, encode_frame

ECG = synthetic_ecg(60, seed=11)
# 150 kB: more than the kernel's buffers hold, so that the device has to stand still and wait for its reader.
LONG = np.tile(ECG.counts, 5)


def wearable(**changes: object) -> Wearable:
    still = Wearable(ECG.counts, ECG.rate_hz, ECG.gain_per_mv, ECG.lead, ECG.name, speed=0)
    return dataclasses.replace(still, **changes)  # type: ignore[arg-type]


@contextlib.contextmanager
def opened(path: str) -> Iterator[serial.Serial]:
    with serial.Serial(path, timeout=60) as port:
        yield port


def say(port: serial.Serial, message: Message) -> None:
    port.write(DELIMITER + encode_frame(message, 0))


def until(port: serial.Serial, kind: type[Message], decoder: Decoder, size: int = 256) -> list[Message]:
    """What arrives up to and with the first message of ``kind``."""
    messages: list[Message] = []
    while not any(isinstance(message, kind) for message in messages):
        data = port.read(max(1, min(size, port.in_waiting)))
        assert data, "the device fell silent"
        messages += decoder.push(data)
    return messages


def counts_of(messages: list[Message]) -> np.ndarray:
    return np.concatenate([message.counts for message in messages if isinstance(message, Samples)])


def test_every_sample_of_a_minute_arrives() -> None:
    with serve_wearable(wearable()) as path, opened(path) as port:
        say(port, Start(5))
        decoder = Decoder()
        messages = until(port, End, decoder)
        assert messages[0] == Info(250, 200.0, "MLII", "synthetic-11", session=5)
        assert np.array_equal(counts_of(messages), ECG.counts)
        assert decoder.counts.lost_frames == decoder.counts.bad_frames == 0


def test_a_reader_that_comes_late_and_reads_slowly_loses_nothing() -> None:
    with serve_wearable(wearable(counts=LONG)) as path, opened(path) as port:
        say(port, Start(1))
        decoder = Decoder()
        first = until(port, Samples, decoder, size=1)
        rest = until(port, End, decoder, size=64)
        assert np.array_equal(counts_of(first + rest), LONG)


def test_a_line_that_takes_part_of_a_frame_gets_the_rest_later(monkeypatch: pytest.MonkeyPatch) -> None:
    # Linux takes frames whole here, other systems need not: a stand-in takes seven bytes at most and is often full.
    whole_write = os.write
    calls = itertools.count()

    def partial_write(descriptor: int, data: bytes) -> int:
        if next(calls) % 3 == 1:
            raise BlockingIOError
        return whole_write(descriptor, data[:7])

    with serve_wearable(wearable()) as path, opened(path) as port:
        say(port, Start(1))
        decoder = Decoder()
        first = until(port, Info, decoder, size=1)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", partial_write)
            rest = until(port, End, decoder)
        assert np.array_equal(counts_of(first + rest), ECG.counts)
        assert decoder.counts.lost_frames == decoder.counts.bad_frames == 0 and next(calls) > 100


def test_a_host_that_leaves_and_returns_starts_anew_on_the_same_port() -> None:
    with serve_wearable(wearable(counts=LONG)) as path:
        with opened(path) as port:
            say(port, Start(1))
            until(port, Samples, Decoder())
        with opened(path) as port:
            say(port, Start(2))
            decoder = Decoder()
            messages = until(port, End, decoder)
        infos = [number for number, m in enumerate(messages) if isinstance(m, Info) and m.session == 2]
        assert len(infos) == 1
        assert np.array_equal(counts_of(messages[infos[0] :]), LONG)
        assert decoder.counts.lost_frames == 0


def test_a_host_that_returns_without_start_reads_on_where_the_port_stood() -> None:
    with serve_wearable(wearable(counts=LONG)) as path:
        # The first host only knocks: what it leaves unread stays under way, less what opening a port discards.
        with opened(path) as port:
            say(port, Start(1))
            until(port, Info, Decoder())
        with opened(path) as port:
            messages = until(port, End, Decoder())
        assert not any(isinstance(message, Info) for message in messages)
        got = counts_of(messages)
        assert np.array_equal(got, LONG[-got.size :])


def test_stop_silences_it_until_the_next_start() -> None:
    with serve_wearable(wearable(counts=LONG)) as path, opened(path) as port:
        say(port, Start(1))
        decoder = Decoder()
        until(port, Samples, decoder)
        say(port, Stop())
        say(port, Start(2))
        while True:
            infos = [m for m in until(port, Info, decoder) if isinstance(m, Info)]
            if infos[-1].session == 2:
                break
        until(port, End, decoder)
        assert decoder.counts.lost_frames == decoder.counts.bad_frames == 0


def test_garbage_from_the_host_does_not_disturb_it() -> None:
    with serve_wearable(wearable()) as path, opened(path) as port:
        port.write(bytes(range(256)) * 8)
        say(port, Start(9))
        assert np.array_equal(counts_of(until(port, End, Decoder())), ECG.counts)


def test_the_port_hangs_up_when_the_device_is_switched_off() -> None:
    with serve_wearable(wearable()) as path:
        port = serial.Serial(path, timeout=60)
    with port, pytest.raises(OSError):
        port.read(max(1, port.in_waiting))


def test_the_port_hangs_up_when_the_device_vanishes() -> None:
    faults = Faults(disconnect=270)
    with serve_wearable(wearable(counts=LONG, faults=faults)) as path, opened(path) as port:
        say(port, Start(1))
        received = bytearray()
        with contextlib.suppress(OSError):
            while data := port.read(max(1, port.in_waiting)):
                received += data
        got = counts_of(Decoder().push(bytes(received)))
        assert 0 < got.size <= 270 * 250
        assert np.array_equal(got, LONG[: got.size])


PROGRAM = """
import numpy as np
from cortexcore.firmware_sim.wearable import Wearable, run_wearable, synthetic_ecg
ecg = synthetic_ecg(60, seed=11)
wearable = Wearable(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, speed=0)
run_wearable(wearable, lambda path: print(path, flush=True))
print("stopped", flush=True)
"""


def test_two_processes_and_each_signal_ends_it_cleanly() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        device = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
        try:
            assert device.stdout is not None
            path = device.stdout.readline().strip()
            assert path.startswith("/dev/") and os.path.exists(path)  # noqa: PTH110 - a device, not a file
            with opened(path) as port:
                say(port, Start(5))
                assert np.array_equal(counts_of(until(port, End, Decoder())), ECG.counts)
            device.send_signal(number)
            rest, _ = device.communicate(timeout=60)
            assert (device.returncode, rest) == (0, "stopped\n")
        finally:
            device.kill()
            device.wait()
