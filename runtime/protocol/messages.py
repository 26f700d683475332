"""What a device and its host say to each other; every number little endian.

The device says nothing until it is asked. The host sends Start with a session number of its choice; the device answers
with Info, which repeats that number, and then sends Samples from sample 0. So a host that comes late loses nothing, and
one that comes back skips what was still under way for its predecessor: everything before its own Info. After the last
sample the device sends End, and again once a second until it hears Stop or Start. A new Start begins anew at any time.

Codes below 0x80 belong to the device, those above to the host; 0x04 is kept for a board that decides on beats itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import StreamError

VERSION = 1
MAX_PAYLOAD = 248
MAX_SAMPLES = (MAX_PAYLOAD - 4) // 2
INDEX_MODULUS = 1 << 32
_MAX_TEXT = {"lead": 15, "name": 63}


@dataclass(frozen=True)
class Info:
    """Device: who sends, and what its counts mean. Code 0x01; opens a session and carries sequence number 0.

    ===== ======== =========================================================
    byte  type     field
    ===== ======== =========================================================
    0     uint8    version of the protocol
    1     uint8    ADC bits
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
    """

    code: ClassVar[int] = 0x01
    _head: ClassVar[struct.Struct] = struct.Struct("<BBHII")

    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str
    adc_bits: int = 16
    session: int = 0
    version: int = VERSION

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
        head = self._head.pack(self.version, self.adc_bits, self.rate_hz, self.session, gain)
        return head + b"".join(bytes([len(text)]) + text for text in (self.lead.encode(), self.name.encode()))

    @classmethod
    def unpack(cls, payload: bytes) -> Info:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) < cls._head.size + 2:
            raise StreamError(f"an Info of {len(payload)} bytes is too short")
        version, adc_bits, rate_hz, session, gain = cls._head.unpack_from(payload)
        lead, rest = _take_text(payload[cls._head.size :])
        name, rest = _take_text(rest)
        if rest and version == VERSION:
            raise StreamError(f"an Info has {len(rest)} bytes too many")
        return cls(rate_hz, gain / 1000, lead, name, adc_bits, session, version)


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


Message = Info | Samples | End | Start | Stop
MESSAGES: dict[int, type[Message]] = {kind.code: kind for kind in (Info, Samples, End, Start, Stop)}


def unpack(code: int, payload: bytes) -> Message:
    """The message that a frame of type ``code`` carries.

    Raises:
        StreamError: no message has this code, or the payload does not have its form.
    """
    if code not in MESSAGES:
        known = ", ".join(f"0x{known:02X}" for known in MESSAGES)
        raise StreamError(f"no message has the code 0x{code:02X}; known: {known}")
    return MESSAGES[code].unpack(payload)


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
