"""Ctrl-C and SIGTERM as a question that a loop asks when it suits it, so that nothing is cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[Callable[[], bool]]:
    """Within the block, the first SIGINT or SIGTERM sets ``stop``; a second one does what it did before.

    Outside the main thread, where Python delivers no signals, only the caller's own ``stop`` counts.

    Yields:
        Whether to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, handle)
    try:
        yield stop.is_set
    finally:
        restore()
