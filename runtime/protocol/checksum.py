"""CRC-16, the checksum at the end of every frame."""

from __future__ import annotations

import binascii


def crc16(data: bytes) -> int:
    """CRC-16/IBM-3740, long known as CRC-16/CCITT-FALSE.

    Polynomial 0x1021, initial value 0xFFFF, bits not reflected, no final XOR; the check value, of the ASCII digits
    ``123456789``, is 0x29B1. It finds every error of one or two bits and every burst of up to 16 bits in a body.

    Args:
        data: the bytes to protect, in the order in which they are sent.

    Returns:
        The checksum in [0, 65535].
    """
    return binascii.crc_hqx(data, 0xFFFF)
