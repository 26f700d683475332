"""Consistent overhead byte stuffing: frees a frame of zero bytes, so that a zero can mark its end.

Source: Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
Each code byte c stands for the c − 1 bytes after it and a zero that follows them; 0xFF for 254 bytes and no zero.
"""

from __future__ import annotations

from cortexcore.errors import StreamError

_LONGEST_RUN = 254


def cobs_encode(body: bytes) -> bytes:
    """``body`` without zero bytes: one byte longer, plus one for each full run of 254."""
    encoded = bytearray()
    runs = body.split(b"\0")
    for number, run in enumerate(runs):
        last = number == len(runs) - 1
        while len(run) >= _LONGEST_RUN:
            encoded.append(0xFF)
            encoded += run[:_LONGEST_RUN]
            run = run[_LONGEST_RUN:]
            if last and not run:
                return bytes(encoded)
        encoded.append(len(run) + 1)
        encoded += run
    return bytes(encoded)


def cobs_decode(encoded: bytes) -> bytes:
    """The body that ``cobs_encode`` made ``encoded`` of.

    Raises:
        StreamError: ``encoded`` holds a zero, or its last run is shorter than its code byte says.
    """
    body = bytearray()
    position = 0
    while position < len(encoded):
        code = encoded[position]
        end = position + code
        if code == 0 or end > len(encoded):
            raise StreamError(f"a frame of {len(encoded)} bytes is not byte-stuffed: code {code} at byte {position}")
        body += encoded[position + 1 : end]
        if code != 0xFF and end < len(encoded):
            body.append(0)
        position = end
    return bytes(body)
