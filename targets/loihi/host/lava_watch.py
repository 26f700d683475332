"""Ending all of it when a process of Lava died, or the one that asks is gone: the others would wait for ever."""

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


def _look(asking: int | None, left: Callable[[], list[Path]]) -> None:
    while asking is None or os.getppid() == asking:
        if how := _died():
            print(f"run_lava: a process of Lava {how}, and the others wait for it: run again", file=sys.stderr)
            break
        time.sleep(LOOK_S)
    sys.stderr.flush()
    for child in multiprocessing.active_children():
        child.terminate()
        if child.pid is not None:
            os.kill(child.pid, signal.SIGCONT)  # one that was stopped takes no other signal
    for folder in left():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


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
