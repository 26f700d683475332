"""The serial protocol: published check values, round trips, and what damage does and does not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol import (
    DELIMITER,
    HOST_MESSAGES,
    INDEX_MODULUS,
    MAX_FILTERED,
    MAX_SAMPLES,
    Beat,
    Cycles,
    Decoder,
    End,
    Filtered,
    Info,
    LinkCounts,
    Message,
    Samples,
    Start,
    Stop,
    encode_frame,
)
from cortexcore.runtime.protocol.checksum import crc16
from cortexcore.runtime.protocol.cobs import cobs_decode, cobs_encode
from cortexcore.runtime.protocol.frame import MAX_ENCODED
from cortexcore.runtime.protocol.messages import MAX_NUMBERS, MESSAGES, unpack

UINT32 = st.integers(0, INDEX_MODULUS - 1)


PRINTABLE = st.characters(codec="utf-8").filter(str.isprintable)
INFOS = st.builds(
    Info,
    rate_hz=st.integers(1, 0xFFFF),
    gain_per_mv=st.integers(1, (1 << 32) - 1).map(lambda thousandths: thousandths / 1000),
    lead=st.text(PRINTABLE, max_size=3),
    name=st.text(PRINTABLE, max_size=15),
    adc_bits=st.integers(1, 16),
    session=UINT32,
    decides=st.booleans(),
)
SAMPLES = st.builds(
    lambda first, counts: Samples(first, np.array(counts, dtype=np.int16)),
    UINT32,
    st.lists(st.integers(-32768, 32767), min_size=1, max_size=MAX_SAMPLES),
)
INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


@st.composite
def beats(draw: st.DrawFn) -> Beat:
    scores = tuple(draw(st.lists(INT32, min_size=1, max_size=MAX_NUMBERS)))
    spikes = tuple(draw(st.lists(UINT32, max_size=MAX_NUMBERS - len(scores))))
    label = draw(st.integers(0, len(scores) - 1))
    delay, features = draw(st.integers(0, 0xFFFF)), draw(st.integers(0, 0xFF))
    return Beat(draw(UINT32), delay, draw(INT32), label, scores, spikes, draw(UINT32), features)


FILTERED = st.builds(
    lambda first, values: Filtered(first, np.array(values, dtype=np.int32)),
    UINT32,
    st.lists(INT32, min_size=1, max_size=MAX_FILTERED),
)


@st.composite
def cycles(draw: st.DrawFn) -> Cycles:
    counts = []
    for _ in range(2):
        many, worst = draw(UINT32), draw(UINT32)
        worst = worst if many else 0
        counts += [many, draw(st.integers(worst, many * worst)), worst]
    return Cycles(*counts)


DEVICE_MESSAGES = st.one_of(INFOS, SAMPLES, st.builds(End, UINT32), beats(), FILTERED, cycles())
MESSAGE = st.one_of(DEVICE_MESSAGES, st.builds(Start, UINT32), st.just(Stop()))


def content(message: Message) -> tuple[int, bytes]:
    """Everything a message says, in a form that compares."""
    return message.code, message.pack()


def contents(messages: list[Message]) -> list[tuple[int, bytes]]:
    return [content(message) for message in messages]


def conversation() -> list[Message]:
    """A short session with zeros, 0xFF, a full frame and texts in it."""
    random = np.random.default_rng(5)
    blocks = [random.integers(-300, 300, 25), np.zeros(25), np.full(7, -1), random.integers(-32768, 32767, MAX_SAMPLES)]
    messages: list[Message] = [Info(250, 200.0, "MLII", "208", adc_bits=11, session=0x00FF00)]
    first = 0
    for block in blocks:
        messages.append(Samples(first, block.astype(np.int16)))
        first += block.size
    return [*messages, End(first)]


def wire(messages: list[Message]) -> bytes:
    return b"".join(encode_frame(message, sequence) for sequence, message in enumerate(messages))


def test_crc_has_the_published_check_value() -> None:
    # CRC catalogue (reveng): CRC-16/IBM-3740, check 0x29B1; the empty message leaves the initial value.
    assert crc16(b"123456789") == 0x29B1
    assert crc16(b"") == 0xFFFF


@pytest.mark.parametrize(
    ("body", "encoded"),
    [
        ("", "01"),
        ("00", "0101"),
        ("0000", "010101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "0211010101"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        ("00" + bytes(range(1, 255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
        (bytes(range(2, 256)).hex() + "00", "ff" + bytes(range(2, 256)).hex() + "0101"),
        (bytes(range(3, 256)).hex() + "0001", "fe" + bytes(range(3, 256)).hex() + "0201"),
    ],
)
def test_byte_stuffing_matches_the_published_examples(body: str, encoded: str) -> None:
    # The examples of the Wikipedia article on consistent overhead byte stuffing, delimiters removed.
    assert cobs_encode(bytes.fromhex(body)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)).hex() == body


@given(st.binary(max_size=1200))
def test_byte_stuffing_round_trip_has_no_zero(body: bytes) -> None:
    encoded = cobs_encode(body)
    assert 0 not in encoded
    assert cobs_decode(encoded) == body


def test_layouts_are_the_documented_ones() -> None:
    info = Info(250, 200.5, "MLII", "208", adc_bits=11, session=0x01020304)
    assert info.pack().hex() == "010bfa0004030201" + (200500).to_bytes(4, "little").hex() + "044d4c4949" + "03323038"
    assert Samples(0x01020304, np.array([1, -2], np.int16)).pack().hex() == "04030201" + "0100" + "feff"
    assert End(258).pack().hex() == "02010000"
    assert Start(session=258).pack().hex() == "0102010000"
    assert Stop().pack() == b""
    beat = Beat(258, 116, -4, 1, (-1, 2), (3,), cycles=0x01020304, features=5)
    head = "02010000" + "04030201" + "fcffffff" + "7400" + "05" + "01" + "02" + "01"
    assert beat.pack().hex() == head + "ffffffff" + "02000000" + "03000000"
    assert Filtered(258, np.array([1, -2], np.int32)).pack().hex() == "02010000" + "01000000" + "feffffff"
    told = Cycles(258, 0x0102030405, 0x01020304, 2, 7, 4).pack().hex()
    assert told == "02010000" + "0504030201000000" + "04030201" + "02000000" + "0700000000000000" + "04000000"
    deciding = Info(250, 200.0, "I", "x", adc_bits=11, decides=True)
    assert deciding.pack()[1] == 0x80 + 11 and unpack(0x01, deciding.pack()) == deciding
    # code 03, sequence 07, total 5 and the CRC-16 0x1B61 of those six bytes, byte-stuffed by hand
    assert crc16(bytes.fromhex("030705000000")) == 0x1B61
    assert encode_frame(End(5), 7).hex() == "04030705" + "01" + "01" + "03611b" + "00"


@given(MESSAGE, st.integers(0, 1000))
def test_every_message_survives_its_frame(message: Message, sequence: int) -> None:
    frame = encode_frame(message, sequence)
    assert frame.count(0) == 1 and frame.endswith(DELIMITER)
    assert len(frame) <= MAX_ENCODED + 1
    decoder = Decoder()
    assert contents(decoder.push(frame)) == [content(message)]
    assert decoder.counts == LinkCounts(frames=1)


@given(st.lists(DEVICE_MESSAGES, max_size=8), st.data())
def test_any_chunking_gives_the_same_messages(messages: list[Message], data: st.DataObject) -> None:
    stream = wire(messages)
    decoder, got = Decoder(), []
    position = 0
    while position < len(stream):
        size = data.draw(st.integers(1, 300))
        got += decoder.push(stream[position : position + size])
        position += size
    assert contents(got) == contents(messages)


@given(st.binary(max_size=3000), st.lists(st.integers(1, 400), min_size=1))
def test_noise_never_raises_and_the_next_frame_gets_through(noise: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    for cut in cuts:
        decoder.push(noise[:cut])
        noise = noise[cut:]
    decoder.push(noise + DELIMITER)
    assert contents(decoder.push(encode_frame(End(9), 0))) == [content(End(9))]


def test_no_single_flipped_bit_yields_a_wrong_message() -> None:
    messages = conversation()
    stream = wire(messages)
    sent = set(contents(messages))
    for bit in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << (bit % 8)
        decoder = Decoder()
        got = contents(decoder.push(bytes(damaged)))
        assert set(got) <= sent, f"bit {bit}"
        # A delimiter that vanished joins two frames; one that appears splits one. Nothing else is harmed.
        assert len(messages) - 2 <= len(got) < len(messages), f"bit {bit}"
        assert decoder.counts.bad_frames >= 1 or bit // 8 >= len(stream) - 1, f"bit {bit}"


def test_no_seeded_burst_of_damage_yields_a_wrong_message() -> None:
    messages = conversation()
    stream = np.frombuffer(wire(messages), np.uint8)
    sent = set(contents(messages))
    random = np.random.default_rng(1)
    for _ in range(5000):
        damaged = stream.copy()
        for _ in range(random.integers(2, 6)):
            damaged[random.integers(damaged.size)] = random.integers(256)
        assert set(contents(Decoder().push(damaged.tobytes()))) <= sent


def test_lost_frames_show_in_the_sequence_and_a_new_session_starts_over() -> None:
    frames = [encode_frame(message, sequence) for sequence, message in enumerate(conversation())]
    decoder = Decoder()
    decoder.push(frames[0] + frames[1] + frames[4] + frames[5])
    assert decoder.counts == LinkCounts(frames=4, lost_frames=2)
    decoder.push(b"noise\0" + frames[0])
    assert decoder.counts == LinkCounts(frames=1)
    decoder.push(frames[2])
    assert decoder.counts == LinkCounts(frames=2, lost_frames=1)


def test_sequence_numbers_wrap_without_a_loss() -> None:
    decoder = Decoder()
    decoder.push(b"".join(encode_frame(End(sequence), sequence) for sequence in range(600)))
    assert decoder.counts == LinkCounts(frames=600)


def test_bad_frames_are_told_apart() -> None:
    decoder = Decoder()
    good = encode_frame(End(1), 0)
    body = bytearray(cobs_decode(good[:-1]))
    body[2] ^= 1
    decoder.push(cobs_encode(bytes(body)) + DELIMITER)
    assert decoder.counts == LinkCounts(bad_frames=1, crc_errors=1)
    decoder.push(b"\x09\x01\x02" + DELIMITER)
    assert decoder.counts == LinkCounts(bad_frames=2, crc_errors=1)
    unknown = bytes([0x7F, 0])
    decoder.push(cobs_encode(unknown + crc16(unknown).to_bytes(2, "little")) + DELIMITER)
    assert decoder.counts == LinkCounts(frames=1, bad_frames=3, crc_errors=1)


def test_a_device_understands_its_host_alone() -> None:
    decoder = Decoder(HOST_MESSAGES)
    heard = decoder.push(encode_frame(Start(7), 0) + encode_frame(End(1), 1) + encode_frame(Stop(), 2))
    assert contents(heard) == [content(Start(7)), content(Stop())]
    assert decoder.counts == LinkCounts(frames=3, bad_frames=1)


def test_the_buffer_is_bounded_and_an_endless_frame_counts_once() -> None:
    decoder = Decoder()
    for _ in range(1000):
        decoder.push(b"\x55" * 1000)
    assert len(decoder._pending) <= MAX_ENCODED
    assert contents(decoder.push(DELIMITER + encode_frame(End(2), 0))) == [content(End(2))]
    assert decoder.counts == LinkCounts(frames=1, bad_frames=1)


@pytest.mark.parametrize(
    ("code", "payload", "says"),
    [
        (0x7F, b"", "0x7F"),
        (0x01, bytes(13), "too short"),
        (0x01, Info(250, 200.0, "I", "x").pack() + b"!", "1 bytes too many"),
        (0x01, Info(250, 200.0, "I", "x").pack()[:-1], "within a text"),
        (0x01, Info(250, 200.0, "I", "x").pack()[:-1] + b"\xff", "UTF-8"),
        (0x02, bytes(4), "4 bytes"),
        (0x02, bytes(7), "7 bytes"),
        (0x03, bytes(3), "4 bytes, not 3"),
        (0x04, bytes(17), "Beat of 17 bytes"),
        (0x04, Beat(0, 0, 0, 0, (1,), (2,), 0, 0).pack()[:-1], "1 scores and 1 populations cannot have 25 bytes"),
        (0x04, bytes(18), "scores"),
        (0x05, bytes(4), "4 bytes"),
        (0x05, bytes(9), "9 bytes"),
        (0x81, bytes(4), "5 bytes, not 4"),
        (0x82, b"x", "no payload"),
    ],
)
def test_a_payload_of_another_form_is_refused(code: int, payload: bytes, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        unpack(code, payload)


def test_a_later_info_may_be_longer() -> None:
    later = Info(250, 200.0, "I", "x", version=2)
    assert unpack(0x01, later.pack() + b"more") == later


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Info(0, 200.0, "I", "x"), "rate_hz"),
        (lambda: Info(250, 0.0, "I", "x"), "gain_per_mv"),
        (lambda: Info(250, float("nan"), "I", "x"), "gain_per_mv"),
        (lambda: Info(250, 200.0, "sixteen letters!", "x"), "lead"),
        (lambda: Info(250, 200.0, "I", "ü" * 32), "name"),
        (lambda: Info(250, 200.0, "I", "\x1b[2J"), "printable"),
        (lambda: Info(250, 200.0, "I", "x", adc_bits=24), "adc_bits"),
        (lambda: Samples(-1, np.zeros(1, np.int16)), "first"),
        (lambda: Samples(0, np.zeros(1, np.int32)), "int16"),
        (lambda: Samples(0, np.zeros(MAX_SAMPLES + 1, np.int16)), f"1 to {MAX_SAMPLES}"),
        (lambda: Samples(0, np.zeros(0, np.int16)), f"1 to {MAX_SAMPLES}"),
        (lambda: Beat(-1, 0, 0, 0, (1,), (), 0, 0), "sample"),
        (lambda: Beat(0, 1 << 16, 0, 0, (1,), (), 0, 0), "delay"),
        (lambda: Beat(0, 0, 1 << 31, 0, (1,), (), 0, 0), "rr_ms"),
        (lambda: Beat(0, 0, 0, 1, (1,), (), 0, 0), "label"),
        (lambda: Beat(0, 0, 0, 0, (), (), 0, 0), "scores"),
        (lambda: Beat(0, 0, 0, 0, (1 << 31,), (), 0, 0), "scores"),
        (lambda: Beat(0, 0, 0, 0, (1,) * 30, (1,) * 28, 0, 0), "1 to 57"),
        (lambda: Beat(0, 0, 0, 0, (1,), (-1,), 0, 0), "spikes"),
        (lambda: Beat(0, 0, 0, 0, (1,), (), 1 << 32, 0), "cycles"),
        (lambda: Beat(0, 0, 0, 0, (1,), (), 0, 256), "features"),
        (lambda: Filtered(0, np.zeros(1, np.int16)), "int32"),
        (lambda: Filtered(0, np.zeros(MAX_FILTERED + 1, np.int32)), f"1 to {MAX_FILTERED}"),
        (lambda: Cycles(1 << 32, 1, 1, 0, 0, 0), "samples"),
        (lambda: Cycles(0, 0, 0, -1, 0, 0), "beats"),
        (lambda: Cycles(2, 9, 4, 0, 0, 0), "front_end cannot be 9 cycles .* with 4 for the dearest of 2"),
        (lambda: Cycles(2, 3, 4, 0, 0, 0), "front_end"),
        (lambda: Cycles(0, 0, 0, 0, 4, 4), "decisions"),
        (lambda: Cycles(0, 0, 0, 1, 1 << 32, 1 << 32), "decisions"),
        (lambda: Cycles.unpack(bytes(31)), "32 bytes, not 31"),
        (lambda: End(INDEX_MODULUS), "total"),
        (lambda: Start(-1), "session"),
    ],
)
def test_a_message_that_does_not_fit_is_refused(build: object, says: str) -> None:
    with pytest.raises(StreamError, match=says):
        build()  # type: ignore[operator]


def test_the_table_names_each_code_once() -> None:
    assert {code: kind.__name__ for code, kind in MESSAGES.items()} == {
        0x01: "Info",
        0x02: "Samples",
        0x03: "End",
        0x04: "Beat",
        0x05: "Filtered",
        0x06: "Cycles",
        0x81: "Start",
        0x82: "Stop",
    }
