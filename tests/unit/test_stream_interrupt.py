"""Ctrl-C as a question: the first is answered in good time, the second is as rude as ever."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cortexcore.runtime.stream.interrupt import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_block_gives_the_handlers_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals(threading.Event()) as should_stop:
        assert signal.getsignal(number) is not before
        assert not should_stop()
        signal.raise_signal(number)
        assert should_stop()
    assert signal.getsignal(number) is before


def test_the_second_interrupt_does_what_it_always_did() -> None:
    with stop_on_signals(threading.Event()), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_handlers_come_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), stop_on_signals(threading.Event()):
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_only_the_callers_event_counts() -> None:
    stop = threading.Event()

    def run() -> tuple[bool, bool]:
        with stop_on_signals(stop) as should_stop:
            first = should_stop()
            stop.set()
            return first, should_stop()

    before = signal.getsignal(signal.SIGINT)
    with ThreadPoolExecutor(max_workers=1) as executor:
        assert executor.submit(run).result() == (False, True)
    assert signal.getsignal(signal.SIGINT) is before
