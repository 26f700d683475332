"""The emulated board behind a pseudo-terminal: to its host it looks like the device on a serial port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from cortexcore.firmware_sim.board.adc import ADC_ADDRESS, Adc, Electrodes
from cortexcore.firmware_sim.board.board import Board
from cortexcore.firmware_sim.board.line import Line
from cortexcore.firmware_sim.terminal import PseudoTerminal, stop_pipe, stopped_by_signals


@contextmanager
def serve_board(elf: Path | bytes, electrodes: Electrodes) -> Iterator[str]:
    """Run a firmware in a thread for the length of a ``with`` block.

    Args:
        elf: a firmware with ``csrc/board/adc.c`` and ``uart.c``.
        electrodes: what its converter finds.

    Yields:
        The path of its serial port, e.g. ``/dev/pts/3``; it is gone after the block.

    Raises:
        TargetUnavailable: the emulator is not installed.
        GraphError: the ELF is no firmware for this board.
        StreamError: this system has no pseudo-terminals.
        FirmwareFault: the firmware stopped by itself; at the block's end, in place of what its host ran into.
    """
    with stop_pipe() as (stop, request_stop):
        port = PseudoTerminal.open()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="board") as executor:
            future = executor.submit(_run, elf, electrodes, port, stop)
            try:
                yield port.path
            finally:
                request_stop()
                future.result()  # a fault of the firmware explains whatever its host ran into


def run_board(elf: Path | bytes, electrodes: Electrodes, on_open: Callable[[str], None]) -> None:
    """Run a firmware in the main thread until SIGINT (Ctrl-C) or SIGTERM.

    Args:
        elf: a firmware with ``csrc/board/adc.c`` and ``uart.c``.
        electrodes: what its converter finds.
        on_open: called once with the path of the serial port.

    Raises:
        TargetUnavailable, GraphError, StreamError, FirmwareFault: as for :func:`serve_board`.
    """
    with stopped_by_signals() as stop:
        port = PseudoTerminal.open()
        _run(elf, electrodes, port, stop, on_open)


def _run(
    elf: Path | bytes,
    electrodes: Electrodes,
    port: PseudoTerminal,
    stop: int,
    on_open: Callable[[str], None] = lambda path: None,
) -> None:
    """Power on, run until ``stop`` is readable, and hang up."""
    with closing(port):
        line = Line(port.master, stop, lambda: board.stop())
        board = Board(elf, {ADC_ADDRESS: Adc(electrodes, line.exchange)}, line)
        board.boot()
        on_open(port.path)
        board.resume()
