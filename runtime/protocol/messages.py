"""What a device and its host say to each other; every number little endian.

The device says nothing until it is asked. The host sends Start with a session number of its choice; the device answers
with Info, which repeats that number, and then sends Samples from sample 0. So a host that comes late loses nothing, and
one that comes back skips what was still under way for its predecessor: everything before its own Info. After the last
sample the device sends End, and again once a second until it hears Stop or Start. A new Start begins anew at any time.

A device whose Info says that it decides runs the network itself: it sends a Beat for each decision, after the Samples
that completed the beat and, for the last ones, before End. Filtered is for checking a board's front end; a host that
does not check ignores it. Cycles follows a Beat where the device has a counter of its own.

Codes below 0x80 belong to the device, those above to the host.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol.cycles import Cycles

VERSION = 1
MAX_PAYLOAD = 248
MAX_SAMPLES = (MAX_PAYLOAD - 4) // 2
MAX_FILTERED = (MAX_PAYLOAD - 4) // 4
MAX_NUMBERS = (MAX_PAYLOAD - 18) // 4
INDEX_MODULUS = 1 << 32
_MAX_TEXT = {"lead": 15, "name": 63}


@dataclass(frozen=True)
class Info:
    """Device: who sends, and what its counts mean. Code 0x01; opens a session and carries sequence number 0.

    ===== ======== =========================================================
    byte  type     field
    ===== ======== =========================================================
    0     uint8    version of the protocol
    1     uint8    ADC bits; plus 0x80 where the device decides on beats itself
    2     uint16   rate in Hz
    4     uint32   session, as the host's Start gave it
    8     uint32   gain in thousandths of a count per millivolt
    12    uint8, … length of the lead's name, then its UTF-8 bytes (at most 15)
    …     uint8, … length of the recording's name, then its UTF-8 bytes (at most 63)
    ===== ======== =========================================================

    Attributes:
        rate_hz: samples per second, 1 … 65535.
        gain_per_mv: counts per millivolt, 0.001 … 4294967.295, held to the nearest thousandth.
        lead: e.g. ``"MLII"``.
        name: what is sent: a record's name or the device's.
        adc_bits: resolution, 1 … 16.
        session: number of the Start that this answers.
        version: of the protocol.
        decides: the device runs the network itself and sends :class:`Beat`.
    """

    code: ClassVar[int] = 0x01
    _decides: ClassVar[int] = 0x80
    _head: ClassVar[struct.Struct] = struct.Struct("<BBHII")

    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str
    adc_bits: int = 16
    session: int = 0
    version: int = VERSION
    decides: bool = False

    def __post_init__(self) -> None:
        _require(1 <= self.rate_hz <= 0xFFFF, "rate_hz", self.rate_hz, "1 to 65535 Hz")
        _require(1e-3 <= self.gain_per_mv <= 4294967.295, "gain_per_mv", self.gain_per_mv, "0.001 to 4294967 counts/mV")
        _require(1 <= self.adc_bits <= 16, "adc_bits", self.adc_bits, "1 to 16")
        _require(0 <= self.session < 1 << 32, "session", self.session, "0 to 4294967295")
        _require(0 <= self.version <= 0xFF, "version", self.version, "0 to 255")
        for field, longest in _MAX_TEXT.items():
            text = getattr(self, field)
            fits = text.isprintable() and len(text.encode()) <= longest
            _require(fits, field, text, f"at most {longest} bytes of UTF-8, printable")
        object.__setattr__(self, "gain_per_mv", round(self.gain_per_mv * 1000) / 1000)

    def pack(self) -> bytes:
        """The payload."""
        gain = round(self.gain_per_mv * 1000)
        adc = self.adc_bits | (self._decides if self.decides else 0)
        head = self._head.pack(self.version, adc, self.rate_hz, self.session, gain)
        return head + b"".join(bytes([len(text)]) + text for text in (self.lead.encode(), self.name.encode()))

    @classmethod
    def unpack(cls, payload: bytes) -> Info:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) < cls._head.size + 2:
            raise StreamError(f"an Info of {len(payload)} bytes is too short")
        version, adc, rate_hz, session, gain = cls._head.unpack_from(payload)
        lead, rest = _take_text(payload[cls._head.size :])
        name, rest = _take_text(rest)
        if rest and version == VERSION:
            raise StreamError(f"an Info has {len(rest)} bytes too many")
        decides = bool(adc & cls._decides)
        return cls(rate_hz, gain / 1000, lead, name, adc & ~cls._decides, session, version, decides)


@dataclass(frozen=True, eq=False)
class Samples:
    """Device: a block of ADC counts. Code 0x02: uint32 index of the first, then one int16 each.

    Attributes:
        first: index of the first sample since Start, modulo 2³²; the host unwraps it.
        counts: int16 [1 … 122].
    """

    code: ClassVar[int] = 0x02

    first: int
    counts: NDArray[np.int16]

    def __post_init__(self) -> None:
        _require(0 <= self.first < INDEX_MODULUS, "first", self.first, "0 to 4294967295")
        _require(self.counts.dtype == np.int16 and self.counts.ndim == 1, "counts", self.counts.dtype, "int16 [n]")
        _require(1 <= self.counts.size <= MAX_SAMPLES, "counts", self.counts.size, f"1 to {MAX_SAMPLES} samples")

    def pack(self) -> bytes:
        """The payload."""
        return struct.pack("<I", self.first) + self.counts.astype("<i2").tobytes()

    @classmethod
    def unpack(cls, payload: bytes) -> Samples:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) < 6 or len(payload) % 2:
            raise StreamError(f"a block of samples cannot have {len(payload)} bytes")
        counts = np.frombuffer(payload, dtype="<i2", offset=4).astype(np.int16)
        return cls(int.from_bytes(payload[:4], "little"), counts)


@dataclass(frozen=True)
class End:
    """Device: nothing follows. Code 0x03: uint32 number of samples since Start, modulo 2³²."""

    code: ClassVar[int] = 0x03

    total: int

    def __post_init__(self) -> None:
        _require(0 <= self.total < INDEX_MODULUS, "total", self.total, "0 to 4294967295")

    def pack(self) -> bytes:
        """The payload."""
        return struct.pack("<I", self.total)

    @classmethod
    def unpack(cls, payload: bytes) -> End:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) != 4:
            raise StreamError(f"an End has 4 bytes, not {len(payload)}")
        return cls(int.from_bytes(payload, "little"))


@dataclass(frozen=True)
class Beat:
    """Device: what its network decided on one beat. Code 0x04.

    ===== ========= ========================================================
    byte  type      field
    ===== ========= ========================================================
    0     uint32    sample
    4     uint32    cycles
    8     int32     rr_ms
    12    uint16    delay
    14    uint8     features
    15    uint8     label
    16    uint8     number of scores
    17    uint8     number of populations
    18    int32, …  scores
    …     uint32, … spikes
    ===== ========= ========================================================

    Attributes:
        sample: index of the R peak since Start, modulo 2³²; the host unwraps it.
        delay: samples from the R peak to the one with which the beat was complete, 0 … 65535.
        rr_ms: interval to the beat before in milliseconds, 0 where unknown.
        label: index of the class, below the number of scores.
        scores: the readout of every class at the last step, in class order; 1 and more.
        spikes: spikes of each population over all steps, in the network's order. At most 57 with the scores.
        cycles: processor cycles from the complete beat to the decision, by the device's own counter; 0 where it has
            none.
        features: version of the windows and features that the network was given (``FEATURES_VERSION``).
    """

    code: ClassVar[int] = 0x04
    _head: ClassVar[struct.Struct] = struct.Struct("<IIiHBBBB")

    sample: int
    delay: int
    rr_ms: int
    label: int
    scores: tuple[int, ...]
    spikes: tuple[int, ...]
    cycles: int
    features: int

    def __post_init__(self) -> None:
        _require(0 <= self.sample < INDEX_MODULUS, "sample", self.sample, "0 to 4294967295")
        _require(0 <= self.delay <= 0xFFFF, "delay", self.delay, "0 to 65535 samples")
        _require(-(1 << 31) <= self.rr_ms < 1 << 31, "rr_ms", self.rr_ms, "32 bits")
        _require(0 <= self.cycles < 1 << 32, "cycles", self.cycles, "0 to 4294967295")
        _require(0 <= self.features <= 0xFF, "features", self.features, "0 to 255")
        numbers = len(self.scores) + len(self.spikes)
        _require(len(self.scores) >= 1 and numbers <= MAX_NUMBERS, "scores", numbers, f"1 to {MAX_NUMBERS} with spikes")
        _require(0 <= self.label < len(self.scores), "label", self.label, f"0 to {len(self.scores) - 1}")
        _require(all(-(1 << 31) <= each < 1 << 31 for each in self.scores), "scores", self.scores, "32 bits each")
        _require(all(0 <= each < 1 << 32 for each in self.spikes), "spikes", self.spikes, "0 to 4294967295 each")

    def pack(self) -> bytes:
        """The payload."""
        counts = len(self.scores), len(self.spikes)
        head = self._head.pack(self.sample, self.cycles, self.rr_ms, self.delay, self.features, self.label, *counts)
        return head + struct.pack(f"<{counts[0]}i{counts[1]}I", *self.scores, *self.spikes)

    @classmethod
    def unpack(cls, payload: bytes) -> Beat:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) < cls._head.size:
            raise StreamError(f"a Beat of {len(payload)} bytes is too short")
        sample, cycles, rr_ms, delay, features, label, scores, spikes = cls._head.unpack_from(payload)
        if len(payload) != cls._head.size + 4 * (scores + spikes):
            raise StreamError(f"a Beat with {scores} scores and {spikes} populations cannot have {len(payload)} bytes")
        numbers = struct.unpack_from(f"<{scores}i{spikes}I", payload, cls._head.size)
        return cls(sample, delay, rr_ms, label, numbers[:scores], numbers[scores:], cycles, features)


@dataclass(frozen=True, eq=False)
class Filtered:
    """Device: a block of its filtered signal, for checking it. Code 0x05: uint32 index of the first, then int32 each.

    Attributes:
        first: index of the first sample since Start, modulo 2³².
        values: int32 [1 … 61], 4096 per millivolt.
    """

    code: ClassVar[int] = 0x05

    first: int
    values: NDArray[np.int32]

    def __post_init__(self) -> None:
        _require(0 <= self.first < INDEX_MODULUS, "first", self.first, "0 to 4294967295")
        _require(self.values.dtype == np.int32 and self.values.ndim == 1, "values", self.values.dtype, "int32 [n]")
        _require(1 <= self.values.size <= MAX_FILTERED, "values", self.values.size, f"1 to {MAX_FILTERED} samples")

    def pack(self) -> bytes:
        """The payload."""
        return struct.pack("<I", self.first) + self.values.astype("<i4").tobytes()

    @classmethod
    def unpack(cls, payload: bytes) -> Filtered:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) < 8 or len(payload) % 4:
            raise StreamError(f"a block of the filtered signal cannot have {len(payload)} bytes")
        values = np.frombuffer(payload, dtype="<i4", offset=4).astype(np.int32)
        return cls(int.from_bytes(payload[:4], "little"), values)


@dataclass(frozen=True)
class Start:
    """Host: send from sample 0. Code 0x81: uint8 version of the protocol, uint32 session."""

    code: ClassVar[int] = 0x81

    session: int
    version: int = VERSION

    def __post_init__(self) -> None:
        _require(0 <= self.session < 1 << 32, "session", self.session, "0 to 4294967295")
        _require(0 <= self.version <= 0xFF, "version", self.version, "0 to 255")

    def pack(self) -> bytes:
        """The payload."""
        return struct.pack("<BI", self.version, self.session)

    @classmethod
    def unpack(cls, payload: bytes) -> Start:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) != 5:
            raise StreamError(f"a Start has 5 bytes, not {len(payload)}")
        return cls(session=int.from_bytes(payload[1:], "little"), version=payload[0])


@dataclass(frozen=True)
class Stop:
    """Host: send no more. Code 0x82, no payload."""

    code: ClassVar[int] = 0x82

    def pack(self) -> bytes:
        """The payload: empty."""
        return b""

    @classmethod
    def unpack(cls, payload: bytes) -> Stop:
        """The message; StreamError where there is a payload."""
        if payload:
            raise StreamError(f"a Stop has no payload, not {len(payload)} bytes")
        return cls()


Message = Info | Samples | End | Beat | Filtered | Cycles | Start | Stop
Kinds = Mapping[int, "type[Message]"]
HOST_MESSAGES: Kinds = MappingProxyType({kind.code: kind for kind in (Start, Stop)})
"""What a host says: all that a device has to understand."""

MESSAGES: Kinds = MappingProxyType(
    {**{kind.code: kind for kind in (Info, Samples, End, Beat, Filtered, Cycles)}, **HOST_MESSAGES}
)


def unpack(code: int, payload: bytes, kinds: Kinds = MESSAGES) -> Message:
    """The message that a frame of type ``code`` carries.

    Args:
        code: of the frame.
        payload: of the frame.
        kinds: the messages that are understood.

    Raises:
        StreamError: no message of ``kinds`` has this code, or the payload does not have its form.
    """
    if code not in kinds:
        known = ", ".join(f"0x{known:02X}" for known in kinds)
        raise StreamError(f"no message has the code 0x{code:02X}; known: {known}")
    return kinds[code].unpack(payload)


def _take_text(data: bytes) -> tuple[str, bytes]:
    if not data or len(data) < 1 + data[0]:
        raise StreamError("an Info ends within a text")
    end = 1 + data[0]
    try:
        return data[1:end].decode(), data[end:]
    except UnicodeDecodeError as error:
        raise StreamError(f"an Info holds a text that is not UTF-8: {error.reason}") from error


def _require(holds: bool, field: str, value: object, allowed: str) -> None:
    if not holds:
        raise StreamError(f"{field} cannot be {value!r} in a message; allowed: {allowed}")
