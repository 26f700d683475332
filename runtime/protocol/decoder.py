"""Bytes in, messages out: finds frames in a stream that may be cut anywhere, damaged, or start in the middle."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol.cobs import cobs_decode
from cortexcore.runtime.protocol.frame import DELIMITER, MAX_ENCODED, SEQUENCE_MODULUS, split_body
from cortexcore.runtime.protocol.messages import MESSAGES, Info, Kinds, Message, Start, unpack


@dataclass(frozen=True)
class LinkCounts:
    """How the link did since the session began.

    Attributes:
        frames: frames that arrived whole.
        bad_frames: pieces between two delimiters that are no frame of ours: wrong length, byte stuffing, checksum,
            unknown code or payload.
        crc_errors: those of ``bad_frames`` that failed by their checksum alone.
        lost_frames: frames that the sequence numbers miss, damaged ones included; modulo 256 in one gap.
    """

    frames: int = 0
    bad_frames: int = 0
    crc_errors: int = 0
    lost_frames: int = 0


class Decoder:
    """An incremental decoder; holds at most one frame (254 bytes), whatever arrives, and never raises.

    Info and Start open a session: with them ``counts`` begins anew.

    Args:
        kinds: the messages that are understood, ``HOST_MESSAGES`` by a device; a frame of another code counts as bad.
    """

    def __init__(self, kinds: Kinds = MESSAGES) -> None:
        self._kinds = kinds
        self._pending = bytearray()
        self._overlong = False
        self._expected: int | None = None
        self._counts = LinkCounts()

    @property
    def counts(self) -> LinkCounts:
        """The link's figures since the last Info or Start."""
        return self._counts

    def push(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes, in order; ``data`` may end anywhere in a frame."""
        messages = []
        *complete, rest = bytes(data).split(DELIMITER)
        for piece in complete:
            self._hold(piece)
            message = self._take()
            if message is not None:
                messages.append(message)
        self._hold(rest)
        return messages

    def _hold(self, piece: bytes) -> None:
        if len(self._pending) + len(piece) > MAX_ENCODED:
            self._overlong = True
            self._pending.clear()
        if not self._overlong:
            self._pending += piece

    def _take(self) -> Message | None:
        """The message between two delimiters; None where there is none, which is counted unless the piece is empty."""
        encoded, overlong = bytes(self._pending), self._overlong
        self._pending.clear()
        self._overlong = False
        if not encoded and not overlong:
            return None
        try:
            if overlong:
                raise StreamError(f"a frame has more than {MAX_ENCODED} bytes")
            body = split_body(cobs_decode(encoded))
            if body is None:
                self._counts = replace(self._counts, crc_errors=self._counts.crc_errors + 1)
                raise StreamError("a frame's checksum does not hold")
            self._follow(body.sequence)
            message = unpack(body.code, body.payload, self._kinds)
        except StreamError:
            self._counts = replace(self._counts, bad_frames=self._counts.bad_frames + 1)
            return None
        if isinstance(message, (Info, Start)):
            self._counts = LinkCounts(frames=1)
        return message

    def _follow(self, sequence: int) -> None:
        lost = 0 if self._expected is None else (sequence - self._expected) % SEQUENCE_MODULUS
        self._expected = (sequence + 1) % SEQUENCE_MODULUS
        self._counts = replace(
            self._counts, frames=self._counts.frames + 1, lost_frames=self._counts.lost_frames + lost
        )
