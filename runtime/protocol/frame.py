"""One message on the wire.

::

    stuffed( code: uint8 | sequence: uint8 | payload: 0 … 248 bytes | CRC-16 of all before it: uint16 ) | 0x00

A body is at most 252 bytes, so byte stuffing adds exactly one byte and a frame fits into 254 bytes with its delimiter.
Each side counts its frames modulo 256, starting at 0 with Info and with Start. Empty frames (a lone 0x00) are allowed
anywhere and mean nothing: a sender puts one before Info or Start, to end whatever was on the line.
"""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.runtime.protocol.checksum import crc16
from cortexcore.runtime.protocol.cobs import cobs_encode
from cortexcore.runtime.protocol.messages import MAX_PAYLOAD, Message

DELIMITER = b"\0"
SEQUENCE_MODULUS = 256
MIN_BODY = 4
MAX_ENCODED = MIN_BODY + MAX_PAYLOAD + 1


@dataclass(frozen=True)
class Body:
    """The fields of a frame whose checksum held."""

    code: int
    sequence: int
    payload: bytes


def encode_frame(message: Message, sequence: int) -> bytes:
    """``message`` as the bytes to send, delimiter included.

    Args:
        message: what to say.
        sequence: how many frames this side has sent since Info or Start; taken modulo 256.
    """
    body = bytes([message.code, sequence % SEQUENCE_MODULUS]) + message.pack()
    return cobs_encode(body + crc16(body).to_bytes(2, "little")) + DELIMITER


def split_body(body: bytes) -> Body | None:
    """The fields of an unstuffed frame, or None where its checksum does not hold."""
    if len(body) < MIN_BODY or crc16(body[:-2]) != int.from_bytes(body[-2:], "little"):
        return None
    return Body(code=body[0], sequence=body[1], payload=body[2:-2])
