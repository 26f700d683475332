"""The virtual wearable behind a pseudo-terminal: to its host it looks like any serial port.

The device holds both ends of the pseudo-terminal open. So its port keeps its path when a host leaves; what the device
has under way waits until someone reads on or sends Start. A slow host slows the device down and loses nothing: the
device then stands still where a real one would overflow.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from cortexcore.errors import StreamError
from cortexcore.firmware_sim.wearable.player import Player, Wearable
from cortexcore.runtime.protocol import Decoder

_READ_SIZE = 4096


@contextmanager
def serve_wearable(wearable: Wearable) -> Iterator[str]:
    """Run ``wearable`` in a thread for the length of a ``with`` block.

    Yields:
        The path of its serial port, e.g. ``/dev/pts/3``; it is gone after the block.

    Raises:
        StreamError: this system has no pseudo-terminals.
    """
    with _stop_pipe() as (stop, request_stop):
        port = _Port.open()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="wearable") as executor:
            future = executor.submit(_serve, wearable, port, stop)
            try:
                yield port.path
            finally:
                request_stop()
        future.result()


def run_wearable(wearable: Wearable, on_open: Callable[[str], None]) -> None:
    """Run ``wearable`` in the main thread until SIGINT (Ctrl-C), SIGTERM or its fault ``disconnect``.

    Args:
        wearable: what to play.
        on_open: called once with the path of the serial port, when the device listens.

    Raises:
        StreamError: this system has no pseudo-terminals.
    """
    with _stop_pipe() as (stop, request_stop):

        def handle(_signal: int, _frame: FrameType | None) -> None:
            request_stop()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with closing(_Port.open()) as port:
                on_open(port.path)
                _play(Player(wearable), port.master, stop)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class _Port:
    """A raw pseudo-terminal: descriptors of the device's end and the host's, and the latter's path."""

    master: int
    slave: int
    path: str

    @classmethod
    def open(cls) -> _Port:
        try:
            import termios
            import tty
        except ImportError:
            raise StreamError(
                "a virtual wearable needs pseudo-terminals, which this system lacks; use Linux, macOS or WSL"
            ) from None
        master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
        return cls(master, slave, os.ttyname(slave))

    def close(self) -> None:
        os.close(self.slave)
        os.close(self.master)


def _serve(wearable: Wearable, port: _Port, stop: int) -> None:
    """Play until ``stop`` is readable or the device vanishes, then close the port."""
    with closing(port):
        _play(Player(wearable), port.master, stop)


def _play(player: Player, master: int, stop: int) -> None:
    decoder, unsent = Decoder(), b""
    while not player.vanished:
        wait_s = player.wait_s(time.monotonic())
        if not unsent and wait_s == 0:
            unsent = player.speak(time.monotonic())
        readable, writable, _ = select.select(
            [master, stop], [master] if unsent else [], [], None if unsent else wait_s
        )
        if stop in readable:
            return
        if master in readable:
            for message in decoder.push(os.read(master, _READ_SIZE)):
                player.hear(message, time.monotonic())
        elif master in writable:
            with suppress(BlockingIOError):
                unsent = unsent[os.write(master, unsent) :]


@contextmanager
def _stop_pipe() -> Iterator[tuple[int, Callable[[], None]]]:
    """A descriptor that becomes readable once the function beside it is called, from a thread or a signal handler."""
    reader, writer = os.pipe()

    def request_stop() -> None:
        os.write(writer, b"\0")

    try:
        yield reader, request_stop
    finally:
        os.close(reader)
        os.close(writer)
