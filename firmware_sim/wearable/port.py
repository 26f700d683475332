"""The virtual wearable behind a pseudo-terminal: to its host it looks like any serial port."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

from cortexcore.firmware_sim.terminal import PseudoTerminal, stop_pipe, stopped_by_signals
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
    with stop_pipe() as (stop, request_stop):
        port = PseudoTerminal.open()
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
    with stopped_by_signals() as stop, closing(PseudoTerminal.open()) as port:
        on_open(port.path)
        _play(Player(wearable), port.master, stop)


def _serve(wearable: Wearable, port: PseudoTerminal, stop: int) -> None:
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
