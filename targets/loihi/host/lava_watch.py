"""Ending all of it when a process of Lava died, or who asked for it is gone: the others would wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LOOK_S = 0.5
"""Seconds between two looks."""


def watch(asking: int | None, left: Callable[[], list[Path]]) -> None:
    """Look from now on, in a thread.

    Args:
        asking: the process that asks, in whose absence all is to end; None where nobody does.
        left: folders to remove at such an end.
    """
    threading.Thread(target=_look, args=(asking, left), daemon=True).start()


def end_on_signals(left: Callable[[], list[Path]]) -> None:
    """Let Ctrl-C and SIGTERM end this process, all that Lava starts, and the folders ``left``."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: _end(left, 128 + number))  # the code that a shell has for it
    os.register_at_fork(after_in_child=_as_usual)


def _as_usual() -> None:
    """A process that Lava forks ends by these signals alone, whatever it waits in."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _look(asking: int | None, left: Callable[[], list[Path]]) -> None:
    while asking is None or os.getppid() == asking:
        if how := _died():
            print(f"run_lava: a process of Lava {how}, and the others wait for it: run again", file=sys.stderr)
            break
        time.sleep(LOOK_S)
    _end(left, 1)


def _end(left: Callable[[], list[Path]], code: int) -> None:
    """Never returns. Python's resource tracker frees the shared memory of the dead."""
    sys.stderr.flush()
    for child in multiprocessing.active_children():
        child.terminate()
        if child.pid is not None:
            os.kill(child.pid, signal.SIGCONT)  # one that was stopped takes no other signal
    for folder in left():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def _died() -> str | None:
    """How one of Lava's processes ended before it was told to; Lava is left to collect it."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return None
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    if found is None or (found.si_code == os.CLD_EXITED and found.si_status == 0):
        return None
    return f"{'failed with' if found.si_code == os.CLD_EXITED else 'was ended by signal'} {found.si_status}"
