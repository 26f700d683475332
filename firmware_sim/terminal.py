"""A pseudo-terminal for a device that is a program: to its host it looks like any serial port.

The device holds both ends open. So its port keeps its path when a host leaves; what the device has under way waits
until someone reads on. A slow host slows the device down and loses nothing: the device then stands still where a real
one would overflow.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from cortexcore.errors import StreamError


@dataclass(frozen=True)
class PseudoTerminal:
    """A raw pseudo-terminal: descriptors of the device's end and the host's, and the latter's path."""

    master: int
    slave: int
    path: str

    @classmethod
    def open(cls) -> PseudoTerminal:
        """A new one.

        Raises:
            StreamError: this system has no pseudo-terminals.
        """
        try:
            import termios
            import tty
        except ImportError:
            raise StreamError(
                "a simulated device needs pseudo-terminals, which this system lacks; use Linux, macOS or WSL"
            ) from None
        master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
        return cls(master, slave, os.ttyname(slave))

    def close(self) -> None:
        """Hang up."""
        os.close(self.slave)
        os.close(self.master)


@contextmanager
def stop_pipe() -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor that becomes readable once the function beside it is called, from a thread or a signal handler."""
    reader, writer = os.pipe()

    def request_stop() -> None:
        os.write(writer, b"\0")

    try:
        yield reader, request_stop
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def stopped_by_signals() -> Iterator[int]:
    """A descriptor that becomes readable with SIGINT (Ctrl-C) or SIGTERM, which do nothing else within the block."""
    with stop_pipe() as (stop, request_stop):

        def handle(_signal: int, _frame: FrameType | None) -> None:
            request_stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield stop
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
