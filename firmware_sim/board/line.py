"""The board's UART on a pseudo-terminal."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress

from cortexcore.firmware_sim.board.devices import Uart

_READ_SIZE = 4096
_CHUNK = 512
_POLLS = 64
"""How often the firmware may ask for a byte before the line is looked at: that takes longer than the question."""


class Line(Uart):
    """A UART whose other end is a descriptor.

    What the firmware sends goes out at the end of a frame (a zero byte), and when it waits. Where the host does not
    read on, the firmware stands still in its write until it does, or until the board is switched off.

    Args:
        master: the device's end of a pseudo-terminal; does not block.
        stop: a descriptor that becomes readable when the board is to be switched off.
        switch_off: ends the emulation.
    """

    def __init__(self, master: int, stop: int, switch_off: Callable[[], None]) -> None:
        super().__init__()
        self._master, self._stop, self._switch_off = master, stop, switch_off
        self._polls = 0
        self._off = False

    def read(self, offset: int) -> int:
        self._polls += 1
        if self._polls >= _POLLS:
            self.exchange(0.0)
        return super().read(offset)

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.sent and (self.sent[-1] == 0 or len(self.sent) >= _CHUNK):
            self._send()

    def exchange(self, wait_s: float) -> None:
        """Take what came; wait for it up to ``wait_s`` seconds, unless the firmware has not read the last yet."""
        self._polls = 0
        self._send()
        self._select(0.0 if self.arriving else wait_s, writing=False)

    def _send(self) -> None:
        while self.sent and not self._off:
            if self._select(None, writing=True):
                with suppress(BlockingIOError):
                    del self.sent[: os.write(self._master, self.sent)]

    def _select(self, wait_s: float | None, *, writing: bool) -> bool:
        """Wait for the host; whether there is room to write."""
        if self._off:
            return False
        readable, writable, _ = select.select([self._master, self._stop], [self._master] if writing else [], [], wait_s)
        if self._stop in readable:
            self._off = True
            self._switch_off()
        elif self._master in readable:
            self.arriving.extend(os.read(self._master, _READ_SIZE))
        return bool(writable)
