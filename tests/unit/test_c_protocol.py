"""The protocol's device side in C against Python: packed frames, and a decoder that any bytes may be thrown at."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import cortexcore.firmware_sim
from cortexcore.errors import StreamError
from cortexcore.firmware_sim.toolchain import build_shared
from cortexcore.runtime.protocol import (
    DELIMITER,
    HOST_MESSAGES,
    MAX_FILTERED,
    MAX_SAMPLES,
    VERSION,
    Beat,
    Cycles,
    Decoder,
    End,
    Filtered,
    Info,
    LinkCounts,
    Samples,
    Start,
    Stop,
    encode_frame,
)
from cortexcore.runtime.protocol.checksum import crc16
from cortexcore.runtime.protocol.cobs import cobs_decode, cobs_encode
from cortexcore.runtime.protocol.frame import MAX_ENCODED
from cortexcore.runtime.protocol.messages import MAX_NUMBERS

pytest.importorskip("ziglang", reason="compiling C needs the extra 'firmware'")

SOURCES = Path(cortexcore.firmware_sim.__file__).parent / "csrc" / "protocol"
FEED = """
#include "ccx_decoder.h"
uint32_t feed(ccx_decoder *decoder, const uint8_t *bytes, uint32_t size, ccx_host_message *messages);
uint32_t decoder_size(void);

uint32_t feed(ccx_decoder *decoder, const uint8_t *bytes, uint32_t size, ccx_host_message *messages)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < size; ++i) {
        count += ccx_decoder_push(decoder, bytes[i], &messages[count]) ? 1u : 0u;
    }
    return count;
}

uint32_t decoder_size(void)
{
    return sizeof(ccx_decoder);
}
"""
UINT8, UINT16, UINT32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
INT32 = st.integers(-(2**31), 2**31 - 1)
PRINTABLE = st.characters(codec="utf-8").filter(str.isprintable)
ANY_FIXTURE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GUARD = b"\xa5" * 64


class CFrame(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint8 * (MAX_ENCODED + 1)), ("size", ctypes.c_uint32))


class CInfo(ctypes.Structure):
    _fields_ = (
        ("session", ctypes.c_uint32),
        ("gain", ctypes.c_uint32),
        ("rate_hz", ctypes.c_uint16),
        ("adc_bits", ctypes.c_uint8),
        ("decides", ctypes.c_bool),
        ("lead", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
    )


class CDecision(ctypes.Structure):
    _fields_ = (
        ("sample", ctypes.c_uint32),
        ("cycles", ctypes.c_uint32),
        ("rr_ms", ctypes.c_int32),
        ("delay", ctypes.c_uint16),
        ("features", ctypes.c_uint8),
        ("label", ctypes.c_uint8),
        ("score_count", ctypes.c_uint8),
        ("spike_count", ctypes.c_uint8),
        ("scores", ctypes.POINTER(ctypes.c_int32)),
        ("spikes", ctypes.POINTER(ctypes.c_uint32)),
    )


class CCycles(ctypes.Structure):
    _fields_ = (
        ("front_end", ctypes.c_uint64),
        ("decisions", ctypes.c_uint64),
        ("samples", ctypes.c_uint32),
        ("worst_sample", ctypes.c_uint32),
        ("beats", ctypes.c_uint32),
        ("worst_beat", ctypes.c_uint32),
    )


class CHostMessage(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_uint32), ("session", ctypes.c_uint32), ("version", ctypes.c_uint8))


class CDecoder:
    """The C decoder with the interface of ``Decoder(HOST_MESSAGES)``; its memory lies between guards."""

    def __init__(self, c: ctypes.CDLL) -> None:
        self._c = c
        self._size = c.decoder_size()
        self._memory = ctypes.create_string_buffer(GUARD + bytes(self._size) + GUARD, self._size + 2 * len(GUARD))

    def push(self, data: bytes) -> list[Start | Stop]:
        messages = (CHostMessage * (len(data) // 5 + 1))()
        count = self._c.feed(ctypes.byref(self._memory, len(GUARD)), data, len(data), messages)
        assert self._memory.raw[: len(GUARD)] == self._memory.raw[-len(GUARD) :] == GUARD
        return [Start(each.session, each.version) if each.kind == 0 else Stop() for each in messages[:count]]

    @property
    def counts(self) -> LinkCounts:
        at = len(GUARD) + self._size - 16
        return LinkCounts(*np.frombuffer(self._memory.raw[at : at + 16], np.uint32).tolist())


@pytest.fixture(scope="module", params=["plain", "checked"])
def c(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    (folder / "feed.c").write_text(FEED)
    sources = [*sorted(SOURCES.glob("*.c")), folder / "feed.c"]
    path = build_shared(sources, [SOURCES], folder / "protocol.so", sanitize=request.param == "checked")
    functions = ctypes.CDLL(str(path))
    functions.ccx_crc16.restype = ctypes.c_uint16
    for name in ("unstuff", "body_holds", "pack_info", "pack_samples", "pack_decision", "pack_filtered"):
        getattr(functions, f"ccx_{name}").restype = ctypes.c_bool
    return functions


def sent(frame: CFrame) -> bytes:
    return bytes(frame.bytes[: frame.size])


def assert_sends(frame: CFrame, message, sequence: int) -> None:
    """The frame is Python's of this message, and Python reads the message in it."""
    assert sent(frame) == encode_frame(message, sequence)
    (heard,) = Decoder().push(sent(frame))
    assert (type(heard), heard.pack()) == (type(message), message.pack())


def array(kind, values):
    return (kind * len(values))(*values)


@given(st.binary(max_size=300))
@example(b"123456789")
@ANY_FIXTURE
def test_checksum(c, data):
    assert c.ccx_crc16(data, len(data)) == crc16(data)


@given(st.binary(max_size=248) | st.lists(st.sampled_from([0, 1, 255]), max_size=248).map(bytes), UINT8, UINT8)
@ANY_FIXTURE
def test_a_frame_is_stuffed_and_unstuffed_as_in_python(c, payload, code, sequence):
    frame = CFrame()
    ctypes.memmove(ctypes.byref(frame, 3), payload, len(payload))
    c.ccx_frame_close(ctypes.byref(frame), code, sequence, len(payload))
    body = bytes([code, sequence]) + payload
    body += crc16(body).to_bytes(2, "little")
    assert sent(frame) == cobs_encode(body) + DELIMITER
    size = ctypes.c_uint32(frame.size - 1)
    assert c.ccx_unstuff(frame.bytes, ctypes.byref(size))
    assert bytes(frame.bytes[: size.value]) == body
    assert c.ccx_body_holds(frame.bytes, size)
    frame.bytes[0] ^= 1
    assert not c.ccx_body_holds(frame.bytes, size)
    assert not c.ccx_body_holds(frame.bytes, 3)


@given(st.binary(max_size=MAX_ENCODED) | st.lists(st.integers(0, 9), max_size=60).map(bytes))
@ANY_FIXTURE
def test_any_bytes_are_unstuffed_or_refused_as_in_python(c, data):
    buffer, size = ctypes.create_string_buffer(data + GUARD, len(data) + len(GUARD)), ctypes.c_uint32(len(data))
    if c.ccx_unstuff(buffer, ctypes.byref(size)):
        assert buffer.raw[: size.value] == cobs_decode(data)
    else:
        with pytest.raises(StreamError):
            cobs_decode(data)
    assert buffer.raw.endswith(GUARD)


@given(
    rate_hz=st.integers(1, 0xFFFF),
    gain=st.integers(1, 2**32 - 1),
    lead=st.text(PRINTABLE, max_size=5),
    name=st.text(PRINTABLE, max_size=20),
    adc_bits=st.integers(1, 16),
    session=UINT32,
    decides=st.booleans(),
    sequence=UINT8,
)
@ANY_FIXTURE
def test_info(c, rate_hz, gain, lead, name, adc_bits, session, decides, sequence):
    frame = CFrame()
    info = CInfo(session, gain, rate_hz, adc_bits, decides, lead.encode(), name.encode())
    fits = c.ccx_pack_info(ctypes.byref(frame), sequence, ctypes.byref(info))
    assert fits == (len(lead.encode()) <= 15 and len(name.encode()) <= 63)
    if fits:
        assert_sends(frame, Info(rate_hz, gain / 1000, lead, name, adc_bits, session, VERSION, decides), sequence)
    else:
        assert frame.size == 0


def test_texts_of_the_greatest_length(c):
    for lead, name, fits in ((15, 63, True), (16, 63, False), (15, 64, False), (0, 0, True)):
        frame, info = CFrame(), CInfo(1, 1000, 250, 16, False, b"l" * lead, b"n" * name)
        assert c.ccx_pack_info(ctypes.byref(frame), 0, ctypes.byref(info)) == fits
        if fits:
            assert_sends(frame, Info(250, 1.0, "l" * lead, "n" * name, session=1), 0)


@pytest.mark.parametrize(
    ("gain", "rate_hz", "adc_bits"), [(0, 250, 11), (1000, 0, 11), (1000, 250, 0), (1000, 250, 17)]
)
def test_an_info_that_makes_no_sense_is_refused(c, gain, rate_hz, adc_bits):
    frame, info = CFrame(), CInfo(1, gain, rate_hz, adc_bits, False, b"I", b"x")
    assert not c.ccx_pack_info(ctypes.byref(frame), 0, ctypes.byref(info))
    assert frame.size == 0


@given(UINT32, st.lists(st.integers(-32768, 32767), max_size=MAX_SAMPLES + 2), UINT8)
@ANY_FIXTURE
def test_samples(c, first, values, sequence):
    frame = CFrame()
    fits = c.ccx_pack_samples(ctypes.byref(frame), sequence, first, array(ctypes.c_int16, values), len(values))
    assert fits == (1 <= len(values) <= MAX_SAMPLES)
    if fits:
        assert_sends(frame, Samples(first, np.array(values, np.int16)), sequence)


@given(UINT32, st.lists(INT32, max_size=MAX_FILTERED + 2), UINT8)
@ANY_FIXTURE
def test_filtered(c, first, values, sequence):
    frame = CFrame()
    fits = c.ccx_pack_filtered(ctypes.byref(frame), sequence, first, array(ctypes.c_int32, values), len(values))
    assert fits == (1 <= len(values) <= MAX_FILTERED)
    if fits:
        assert_sends(frame, Filtered(first, np.array(values, np.int32)), sequence)


def test_the_longest_messages(c):
    frame = CFrame()
    counts, values = [-32768, 0] * (MAX_SAMPLES // 2), [-(2**31)] * MAX_FILTERED
    for size, fits in ((MAX_SAMPLES, True), (MAX_SAMPLES + 1, False)):
        assert c.ccx_pack_samples(ctypes.byref(frame), 0, 0, array(ctypes.c_int16, [*counts, 0]), size) == fits
    assert_sends(frame, Samples(0, np.array(counts, np.int16)), 0)
    for size, fits in ((MAX_FILTERED, True), (MAX_FILTERED + 1, False)):
        assert c.ccx_pack_filtered(ctypes.byref(frame), 0, 0, array(ctypes.c_int32, [*values, 0]), size) == fits
    assert_sends(frame, Filtered(0, np.array(values, np.int32)), 0)


@given(UINT32, UINT8)
@ANY_FIXTURE
def test_end(c, total, sequence):
    frame = CFrame()
    c.ccx_pack_end(ctypes.byref(frame), sequence, total)
    assert_sends(frame, End(total), sequence)


@given(UINT32, UINT32, st.integers(0, 2**64 - 1), UINT8)
@example(2**32 - 1, 2**32 - 1, (2**32 - 1) ** 2, 0)
@ANY_FIXTURE
def test_cycles(c, many, worst, total, sequence):
    worst = worst if many else 0
    total = min(max(total, worst), many * worst)
    frame, counts = CFrame(), CCycles(total, total, many, worst, many, worst)
    c.ccx_pack_cycles(ctypes.byref(frame), sequence, ctypes.byref(counts))
    assert_sends(frame, Cycles(many, total, worst, many, total, worst), sequence)


@given(st.lists(INT32, max_size=60), st.lists(UINT32, max_size=60), UINT32, UINT32, INT32, UINT16, UINT8, UINT8, UINT8)
@example([1] * 57, [], 0, 0, 0, 0, 0, 56, 0)
@example([1] * 40, [2] * 18, 0, 0, 0, 0, 0, 0, 0)
@ANY_FIXTURE
def test_decision(c, scores, spikes, sample, cycles, rr_ms, delay, features, label, sequence):
    label = label % len(scores) if scores and label % 5 else label
    frame = CFrame()
    decision = CDecision(sample, cycles, rr_ms, delay, features, label, len(scores), len(spikes))
    decision.scores, decision.spikes = array(ctypes.c_int32, scores), array(ctypes.c_uint32, spikes)
    fits = c.ccx_pack_decision(ctypes.byref(frame), sequence, ctypes.byref(decision))
    assert fits == (label < len(scores) and len(scores) + len(spikes) <= MAX_NUMBERS)
    if fits:
        assert_sends(frame, Beat(sample, delay, rr_ms, label, tuple(scores), tuple(spikes), cycles, features), sequence)
    else:
        assert frame.size == 0


@given(UINT32, UINT8, UINT8)
@ANY_FIXTURE
def test_a_host_is_heard(c, session, version, sequence):
    data = encode_frame(Start(session, version), sequence) + encode_frame(Stop(), sequence + 1)
    decoder = CDecoder(c)
    assert decoder.push(data) == [Start(session, version), Stop()]
    assert decoder.counts == LinkCounts(frames=2)


FRAMES = st.one_of(
    st.builds(encode_frame, st.builds(Start, UINT32, UINT8), UINT8),
    st.builds(encode_frame, st.just(Stop()), UINT8),
    st.builds(encode_frame, st.builds(End, UINT32), UINT8),
    st.binary(max_size=12),
    st.binary(max_size=3).map(lambda body: cobs_encode(body) + DELIMITER),
    st.sampled_from([DELIMITER, b"\x01", b"\xff" * 254, b"\x55" * 253 + DELIMITER, b"\x55" * 254 + DELIMITER]),
    st.tuples(st.sampled_from([0x81, 0x82, 0x04]), UINT8, st.binary(max_size=7)).map(
        lambda parts: with_checksum(bytes(parts[:2]) + parts[2])
    ),
)


def with_checksum(body: bytes) -> bytes:
    return cobs_encode(body + crc16(body).to_bytes(2, "little")) + DELIMITER


def assert_hears_alike(c, pieces):
    ours, theirs = CDecoder(c), Decoder(HOST_MESSAGES)
    for piece in pieces:
        assert ours.push(piece) == theirs.push(piece)
        assert ours.counts == theirs.counts


@given(st.lists(FRAMES, max_size=20))
@settings(ANY_FIXTURE, max_examples=300)
def test_good_and_bad_frames_count_as_in_python(c, pieces):
    assert_hears_alike(c, pieces)


def test_megabytes_of_noise_are_survived_and_counted_as_in_python(c):
    """Uniform bytes, bytes that are mostly zeros or long runs, and traffic with every thirtieth byte damaged."""
    random = np.random.default_rng(0)
    uniform = random.integers(0, 256, 1_000_000)
    mostly = np.where(
        random.random(1_000_000) < 0.2, random.integers(0, 256, 1_000_000), random.choice([0, 1, 255], 1_000_000)
    )
    frames = [encode_frame(Start(n * 77), n) + encode_frame(Stop(), n + 1) for n in range(20_000)]
    traffic = np.frombuffer(b"".join(frames), np.uint8)
    damaged = np.where(random.random(traffic.size) < 0.03, random.integers(0, 256, traffic.size), traffic)
    for noise in (uniform, mostly, damaged):
        data = noise.astype(np.uint8).tobytes()
        assert_hears_alike(c, [data[at : at + 4093] for at in range(0, len(data), 4093)])
    ours = CDecoder(c)
    assert len(ours.push(damaged.astype(np.uint8).tobytes())) > 10_000


def test_after_any_damage_the_next_frame_gets_through(c):
    random = np.random.default_rng(1)
    for _ in range(500):
        decoder = CDecoder(c)
        decoder.push(random.integers(0, 256, random.integers(0, 600)).astype(np.uint8).tobytes() + DELIMITER)
        assert decoder.push(encode_frame(Start(9), 0)) == [Start(9)]
        assert decoder.counts == LinkCounts(frames=1)


def test_every_flipped_bit_is_noticed(c):
    frame = encode_frame(Start(0x00FF0001), 0)
    for bit in range(8 * len(frame) - 8):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << (bit % 8)
        decoder = CDecoder(c)
        assert decoder.push(bytes(damaged)) == []
        assert decoder.counts.bad_frames >= 1
    assert CDecoder(c).push(frame) == [Start(0x00FF0001)]


def test_lost_frames_and_sequence_numbers_that_wrap(c):
    frames = [encode_frame(Stop(), sequence) for sequence in range(600)]
    assert_hears_alike(c, [frames[0], frames[1], frames[5], *frames[5:400], frames[3], *frames[300:]])
    decoder = CDecoder(c)
    decoder.push(frames[255] + frames[0] + frames[2])
    assert decoder.counts == LinkCounts(frames=3, lost_frames=1)
