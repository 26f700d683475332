"""What answers at the addresses of peripherals. Registers are 32 bits wide; one that is not there reads 0."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

UART_ADDRESS = 0x4000_4000
TIMER_ADDRESS = 0x4000_0000
CLOCK_HZ = 25_000_000
"""Of the timer, as on an Arm MPS2 board."""


class Device(Protocol):
    """A peripheral: a page of registers."""

    def read(self, offset: int) -> int:
        """The register at ``offset`` bytes."""

    def write(self, offset: int, value: int) -> None:
        """Set it."""


class Uart:
    """A CMSDK APB UART (Arm DDI 0479, 4.3) without interrupts, whose line is as fast as either side.

    Attributes:
        arriving: bytes from the host that the firmware has not read.
        sent: bytes from the firmware that nobody has taken.
    """

    _DATA, _STATE = 0x00, 0x04
    _RX_FULL = 2

    def __init__(self) -> None:
        self.arriving: deque[int] = deque()
        self.sent = bytearray()

    def take(self) -> bytes:
        """What the firmware has sent since the last call."""
        data = bytes(self.sent)
        self.sent.clear()
        return data

    def read(self, offset: int) -> int:
        if offset == self._STATE:
            return self._RX_FULL if self.arriving else 0
        if offset == self._DATA and self.arriving:
            return self.arriving.popleft()
        return 0

    def write(self, offset: int, value: int) -> None:
        if offset == self._DATA:
            self.sent.append(value & 0xFF)


class Timer:
    """A CMSDK APB timer that counts down from 2³² − 1 at 25 MHz by the host's clock.

    An emulated core is not as fast as a real one; so this is for timeouts, never for measuring.
    """

    _VALUE = 0x04

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s

    def read(self, offset: int) -> int:
        return ~int(self._now_s() * CLOCK_HZ) & 0xFFFF_FFFF if offset == self._VALUE else 0

    def write(self, offset: int, value: int) -> None:
        """Every setting the firmware makes is the one this timer has."""


class Absent:
    """Registers that keep nothing: the core's own, whose cycle counter therefore reads 0, "not available"."""

    def read(self, offset: int) -> int:
        return 0

    def write(self, offset: int, value: int) -> None:
        """Lost."""
