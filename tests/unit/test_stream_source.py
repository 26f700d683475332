"""The host's end of the protocol, against a scripted device: every loss, lie and silence at a chosen place."""

from __future__ import annotations

import dataclasses
import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import serial

from cortexcore.errors import StreamError
from cortexcore.firmware_sim.wearable import Wearable, serve_wearable
from cortexcore.runtime.protocol import (
    DELIMITER,
    INDEX_MODULUS,
    Decoder,
    End,
    Info,
    Message,
    Samples,
    Start,
    Stop,
    encode_frame,
)
from cortexcore.runtime.stream import Block, Source, open_source
from cortexcore.runtime.stream.port import Port

INFO = Info(250, 200.0, "MLII", "scripted", adc_bits=11)


class ScriptedPort(Port):
    """A port whose device answers the ``answers_at``-th Start with Info and then says ``script``."""

    def __init__(
        self,
        script: list[Message | bytes],
        *,
        info: Info = INFO,
        answers_at: int = 1,
        before: bytes = b"",
        vanishes: bool = False,
    ) -> None:
        self.url = "scripted"
        self.heard: list[Message] = []
        self.closed = False
        self._script, self._info, self._answers_at, self._vanishes = script, info, answers_at, vanishes
        self._decoder = Decoder()
        self._ready = [before] if before else []

    def write(self, data: bytes) -> None:
        for message in self._decoder.push(data):
            self.heard.append(message)
            if isinstance(message, Start) and len(self.heard) == self._answers_at:
                info = dataclasses.replace(self._info, session=message.session)
                frames = [DELIMITER + encode_frame(info, 0)]
                for sequence, said in enumerate(self._script, start=1):
                    frames.append(said if isinstance(said, bytes) else encode_frame(said, sequence))
                self._ready += frames

    def read(self) -> bytes:
        if self._ready:
            return self._ready.pop(0)
        if self._vanishes:
            raise StreamError("the port 'scripted' vanished (unplugged)")
        return b""

    def close(self) -> None:
        self.closed = True


def samples(first: int, size: int = 25) -> Samples:
    return Samples(first % INDEX_MODULUS, (np.arange(first, first + size) % 1000).astype(np.int16))


def never() -> bool:
    return False


def read_all(script: list[Message | bytes], **settings: object) -> tuple[Source, list[Block]]:
    source = Source(ScriptedPort(script, **settings), handshake_s=5, silence_s=0.01)  # type: ignore[arg-type]
    return source, list(source.blocks(never))


def shapes(blocks: list[Block]) -> list[tuple[int, int]]:
    return [(block.lost, block.counts.size) for block in blocks]


def test_everything_arrives() -> None:
    source, blocks = read_all([samples(0), samples(25), samples(50, 7), End(57)])
    assert (source.info.name, source.info.adc_bits) == ("scripted", 11)
    assert np.array_equal(np.concatenate([block.counts for block in blocks]), np.arange(57))
    assert shapes(blocks) == [(0, 25), (0, 25), (0, 7)]
    assert source.problem is None and source.link.lost_frames == 0


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([samples(25), samples(50), End(75)], [(25, 25), (0, 25)]),
        ([samples(0), samples(75), End(100)], [(0, 25), (50, 25)]),
        ([samples(0), End(100)], [(0, 25), (75, 0)]),
        ([End(100)], [(100, 0)]),
        ([End(0)], []),
    ],
)
def test_what_is_missing_is_told_where_it_is_missing(
    script: list[Message | bytes], expected: list[tuple[int, int]]
) -> None:
    source, blocks = read_all(script)
    assert shapes(blocks) == expected
    assert source.problem is None


def test_a_frame_lost_on_the_way_counts_as_lost_and_a_damaged_one_as_bad() -> None:
    whole = [encode_frame(samples(25 * number), number + 1) for number in range(4)]
    damaged = bytearray(whole[2])
    damaged[20] ^= 4
    source, blocks = read_all([whole[0], bytes(damaged), whole[3], encode_frame(End(100), 5)])
    assert shapes(blocks) == [(0, 25), (50, 25)]
    assert (source.link.lost_frames, source.link.bad_frames, source.link.crc_errors) == (2, 1, 1)


def test_a_frame_from_the_past_or_from_far_ahead_is_refused() -> None:
    hour = 3600 * INFO.rate_hz
    source, blocks = read_all([samples(0), samples(0), samples(25 + hour + 1), samples(25), End(50)])
    assert shapes(blocks) == [(0, 25), (0, 25)]
    assert source.link.bad_frames == 2
    _, blocks = read_all([samples(0), samples(25 + hour), End(50 + hour)])
    assert shapes(blocks) == [(0, 25), (hour, 25)]


def test_a_device_that_only_repeats_itself_counts_as_silent() -> None:
    class Repeating(ScriptedPort):
        def read(self) -> bytes:
            time.sleep(0.001)
            return super().read() or encode_frame(samples(0), 9)

    source = Source(Repeating([samples(0)]), handshake_s=5, silence_s=0.01)
    assert shapes(list(source.blocks(never))) == [(0, 25)]
    assert source.problem == "the device at 'scripted' sent no samples for 0.01 s"


def test_the_sample_index_wraps() -> None:
    fast = Info(65535, 200.0, "I", "fast")
    leap = 2 * 10**8
    hops = INDEX_MODULUS // leap + 2
    firsts = [number * leap for number in range(hops)]
    script: list[Message | bytes] = [samples(first, 1) for first in firsts]
    source, blocks = read_all([*script, End((firsts[-1] + 1) % INDEX_MODULUS)], info=fast)
    assert firsts[-1] > INDEX_MODULUS
    assert shapes(blocks) == [(0, 1)] + [(leap - 1, 1)] * (hops - 1)
    assert source.link.bad_frames == 0


def test_what_was_under_way_for_another_host_is_skipped() -> None:
    stale = encode_frame(Info(250, 200.0, "I", "stale", session=1), 0) + encode_frame(samples(7000), 9)
    source, blocks = read_all([samples(0), End(25)], before=b"\x11\x22\0" + stale + b"\x05\x01")
    assert source.info.name == "scripted"
    assert shapes(blocks) == [(0, 25)]
    assert source.link.bad_frames == source.link.lost_frames == 0


def test_calls_again_where_the_introduction_is_lost() -> None:
    port = ScriptedPort([samples(0), End(25)], answers_at=3)
    source = Source(port, handshake_s=0.1)
    assert [type(message) for message in port.heard] == [Start] * 3
    assert len({message.session for message in port.heard if isinstance(message, Start)}) == 3
    assert shapes(list(source.blocks(never))) == [(0, 25)]


@pytest.mark.parametrize(
    ("before", "says"), [(b"", "nothing came"), (b"$GPGGA,123519,4807.038,N\r\n", "26 bytes came, but no introduction")]
)
def test_something_else_on_the_port_is_told_in_one_sentence(before: bytes, says: str) -> None:
    port = ScriptedPort([], answers_at=0, before=before)
    with pytest.raises(StreamError, match=f"'scripted' does not speak the 'cortexcore' protocol: {says}"):
        Source(port, handshake_s=0.02)
    assert port.closed


def test_another_version_is_told_in_one_sentence() -> None:
    port = ScriptedPort([], info=Info(250, 200.0, "I", "later", version=2))
    with pytest.raises(StreamError, match=r"does not speak version 1 .* but version 2"):
        Source(port, handshake_s=5)
    assert port.closed


def test_a_port_that_vanishes_ends_the_blocks_and_keeps_what_came() -> None:
    source, blocks = read_all([samples(0), samples(25)], vanishes=True)
    assert shapes(blocks) == [(0, 25), (0, 25)]
    assert source.problem == "the port 'scripted' vanished (unplugged)"


def test_a_device_that_falls_silent_ends_the_blocks() -> None:
    source, blocks = read_all([samples(0)])
    assert shapes(blocks) == [(0, 25)]
    assert source.problem == "the device at 'scripted' sent no samples for 0.01 s"


def test_a_device_that_another_host_starts_anew_ends_the_blocks() -> None:
    source, blocks = read_all([samples(0), Info(250, 200.0, "I", "scripted", session=1), samples(0)])
    assert shapes(blocks) == [(0, 25)]
    assert source.problem is not None and "started anew" in source.problem


def test_stops_when_asked_and_tells_the_device() -> None:
    port = ScriptedPort([samples(0), samples(25)])
    with Source(port, handshake_s=5) as source:
        assert shapes(list(source.blocks(lambda: True))) == []
        assert source.problem is None
    assert port.closed and isinstance(port.heard[-1], Stop)


def test_a_port_that_does_not_exist() -> None:
    with pytest.raises(StreamError, match="'/dev/no-such-port' does not exist"):
        open_source("/dev/no-such-port")


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(StreamError, match="is no serial port but a file or folder"):
        open_source(str(file))
    with pytest.raises(StreamError, match="is no serial port but a file or folder"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("url", ["socket://localhost:99999", "socket://localhost", "socket://:4000", "rfc2217://host"])
def test_a_network_port_without_host_or_port(url: str) -> None:
    with pytest.raises(StreamError, match=r"must read (socket|rfc2217)://HOST:PORT with a port from 1 to 65535"):
        open_source(url)


@pytest.mark.parametrize("number", ["EACCES", "EPERM"])
def test_a_port_that_is_not_permitted(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may open anything, so that the refusal has to come from a stand-in for the system's open.
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(getattr(errno, number), "could not open port")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(StreamError, match="may not be opened by this user"):
        Port("/dev/ttyACM0")


def test_a_port_in_use() -> None:
    wearable = Wearable(np.zeros(100, np.int16), 250, 200.0, "I", "zeros", speed=0)
    with (
        serve_wearable(wearable) as path,
        serial.Serial(path, exclusive=True),
        pytest.raises(StreamError, match="in use by another program"),
    ):
        open_source(path)


def test_a_url_of_unknown_kind() -> None:
    with pytest.raises(StreamError, match=r"no known kind.*socket://"):
        open_source("carrier-pigeon://loft")


def test_a_socket_that_nobody_listens_on() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        number = unused.getsockname()[1]
        with pytest.raises(StreamError, match="cannot be opened"):
            open_source(f"socket://127.0.0.1:{number}")


def test_an_unknown_protocol_lists_the_known() -> None:
    with pytest.raises(StreamError, match="unknown protocol 'morse'; allowed: cortexcore"):
        open_source("/dev/null", protocol="morse")


def test_an_echo_is_no_device() -> None:
    with pytest.raises(StreamError, match="does not speak"):
        Source(Port("loop://"), handshake_s=0.05)


def test_should_stop_is_asked_while_nothing_comes() -> None:
    asked = iter([False, False, True])
    answers: Callable[[], bool] = lambda: next(asked)  # noqa: E731
    source = Source(ScriptedPort([samples(0)]), handshake_s=5, silence_s=60)
    assert shapes(list(source.blocks(answers))) == [(0, 25)]
    assert source.problem is None


def test_samples_end_a_silence() -> None:
    class Slow(ScriptedPort):
        def read(self) -> bytes:
            time.sleep(0.02)
            return super().read()

    script: list[Message | bytes] = [samples(25 * number) for number in range(10)]
    source = Source(Slow([*script, End(250)]), handshake_s=5, silence_s=0.15)
    assert len(list(source.blocks(never))) == 10
    assert source.problem is None
