"""The worker process: started with the first request, reused, ended with this process."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import TargetUnavailable
from cortexcore.targets.loihi import worker
from cortexcore.targets.loihi.interpreter import find_interpreter

SCRIPT = Path(worker.__file__)
_STDERR_LINES = 5
_CLOSING_S = 5.0
Answer = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class LavaWorker:
    """One worker process and the pipes to it. Not for several threads at once; see :func:`ask`."""

    def __init__(self, python: str, script: Path = SCRIPT) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        self._process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment,
            start_new_session=True,
        )
        self.python = python
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, plan: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], timeout_s: float) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            TargetUnavailable: the worker died, failed or did not answer in time; it is then ended.
        """
        if self._process.stdin is None:
            raise TargetUnavailable("Lava's worker has no standard input")
        until = time.monotonic() + timeout_s
        with contextlib.suppress(BrokenPipeError):
            worker.write_message(self._process.stdin, plan, arrays)
        while True:
            try:
                answer = self._answers.get(timeout=0.2)
            except queue.Empty:
                if self.alive and time.monotonic() < until:
                    continue
                why = f"did not answer within {timeout_s:g} s" if self.alive else "ended without an answer"
                raise self._failure(why) from None
            if answer is None:
                raise self._failure("ended without an answer")
            if "error" in answer[0]:
                raise self._failure(f"failed ({answer[0]['error']})")
            return answer

    def close(self) -> None:
        """Ask the worker to end, and end it and all that Lava started where it does not."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSING_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._stderr.close()

    def _read(self) -> None:
        """Hand answers on; None when the worker's end is closed."""
        answer: Answer | None = None
        if self._process.stdout is not None:
            with contextlib.suppress(OSError, ValueError):
                while (answer := worker.read_message(self._process.stdout)) is not None:
                    self._answers.put(answer)
        self._answers.put(None)

    def _failure(self, why: str) -> TargetUnavailable:
        """End the worker and say why, with the last lines it wrote."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()[-_STDERR_LINES:]
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        said = f"; its last lines: {' | '.join(lines)}" if lines else ""
        return TargetUnavailable(f"Lava's worker ({self.python}) {why}{said}")


_lock = threading.Lock()
_running: list[LavaWorker] = []


def ask(plan: Mapping[str, Any], arrays: Mapping[str, NDArray[np.int32]], timeout_s: float) -> Answer:
    """Ask the one worker of this process, starting it where there is none (safe from several threads)."""
    with _lock:
        if _running and not _running[0].alive:
            _running.pop().close()
        if not _running:
            _running.append(LavaWorker(find_interpreter()))
        try:
            return _running[0].ask(plan, arrays, timeout_s)
        except BaseException:
            _running.pop().close()  # an interrupted one would answer the next request with this one's result
            raise


@atexit.register
def close() -> None:
    """End the worker, if one runs."""
    while _running:
        _running.pop().close()
