"""The message in which a device tells what its own cycle counter measured."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from cortexcore.errors import StreamError


@dataclass(frozen=True)
class Cycles:
    """Device: cycles of its processor since Start, by its own counter (of a Cortex-M, DWT CYCCNT). Code 0x06.

    It follows each Beat; since it tells of all that was since Start, only the last one matters. A device whose counter
    stands at 0, as an emulated one may, has none and does not send it.

    ===== ======= ===============================================
    byte  type    field
    ===== ======= ===============================================
    0     uint32  samples
    4     uint64  front_end
    12    uint32  worst_sample
    16    uint32  beats
    20    uint64  decisions
    28    uint32  worst_beat
    ===== ======= ===============================================

    Attributes:
        samples: that went through the front end.
        front_end: cycles of the front end for all of them.
        worst_sample: for the dearest of them.
        beats: that were decided on.
        decisions: cycles for all of them, from the complete beat to the decision.
        worst_beat: for the dearest of them.
    """

    code: ClassVar[int] = 0x06
    _form: ClassVar[struct.Struct] = struct.Struct("<IQIIQI")

    samples: int
    front_end: int
    worst_sample: int
    beats: int
    decisions: int
    worst_beat: int

    def __post_init__(self) -> None:
        for name, value in (("samples", self.samples), ("beats", self.beats)):
            if not 0 <= value < 1 << 32:
                raise StreamError(f"{name} cannot be {value} in a message; allowed: 0 to 4294967295")
        for name, count, total, worst in (
            ("front_end", self.samples, self.front_end, self.worst_sample),
            ("decisions", self.beats, self.decisions, self.worst_beat),
        ):
            if not 0 <= worst <= total <= count * worst or worst >= 1 << 32 or total >= 1 << 64:
                raise StreamError(
                    f"{name} cannot be {total} cycles in a message, with {worst} for the dearest of {count}; allowed: "
                    "from one time the dearest to as many times as there were"
                )

    def pack(self) -> bytes:
        """The payload."""
        front_end = self.samples, self.front_end, self.worst_sample
        return self._form.pack(*front_end, self.beats, self.decisions, self.worst_beat)

    @classmethod
    def unpack(cls, payload: bytes) -> Cycles:
        """The message of ``payload``; StreamError for a payload of another form."""
        if len(payload) != cls._form.size:
            raise StreamError(f"a Cycles has {cls._form.size} bytes, not {len(payload)}")
        return cls(*cls._form.unpack(payload))
