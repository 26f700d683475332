"""The worker process that runs Lava: started with the first request, kept for the next, ended with this process.

It is the script that artifacts bring, told to serve: a line of its own arguments in JSON for each request, a line of
JSON for each answer, and arrays in files. A network that ran before is still built when it is asked again.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import CortexCoreError, GraphError, TargetUnavailable
from cortexcore.targets.loihi.artifact import FORMAT, HOST, read_arrays, write_lowered
from cortexcore.targets.loihi.interpreter import LAVA, VARIABLE, environment, find_interpreter
from cortexcore.targets.loihi.plan import Lowered

SCRIPT = HOST / "run_lava.py"
_STDERR_LINES = 5
_CLOSING_S, _CLEARING_S = 5.0, 1.0
"""Waits for a worker that is asked to end, and for what it leaves to be cleared away."""
_LONGER = "run fewer steps or inferences at once, or set a longer timeout_s in LoihiConfig"
_ROOM = "free space there, or set TMPDIR to another folder"
_KEPT = 2
"""Networks whose files are kept for the next run."""
_LATER = "run it again; if it stays so, 'make setup' builds Lava's environment anew"
Answer = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]


class LavaWorker:
    """One worker process, the pipes to it and a folder for its files. Not for several threads at once."""

    def __init__(self, python: str, script: Path = SCRIPT) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cortexcore-loihi-"))
        self._artifacts: list[Path] = []
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._greeted = self._ended = False
        self._process = subprocess.Popen(
            [python, str(script), "--serve", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment(),
            start_new_session=True,
        )
        self.python = python
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def greet(self, timeout_s: float) -> None:
        """Wait until it is ready. Raises TargetUnavailable where it is not in time, or of another version."""
        if self._greeted:
            return
        hello = self._answer(timeout_s)
        if hello.get("format") != FORMAT or not f"{hello.get('lava')}.".startswith(f"{LAVA}."):
            found = f"Lava {hello.get('lava')} and the format {hello.get('format')}"
            raise self._failure(f"has {found}, it must be Lava {LAVA} and {FORMAT}", f"name another in {VARIABLE}")
        self._greeted = True

    def ask(self, arguments: Sequence[str], timeout_s: float) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            TargetUnavailable: the worker died, failed or did not answer in time, and is ended; or there is no Loihi.
            GraphError: this network cannot be run on these inputs.
        """
        until = time.monotonic() + timeout_s
        self.greet(timeout_s)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(list(arguments)).encode() + b"\n")
                self._process.stdin.flush()
        answer = self._answer(timeout_s, until)
        if "refused" in answer:
            raise GraphError(f"target 'loihi': {answer['refused']}")
        if "unavailable" in answer:
            raise TargetUnavailable(answer["unavailable"])
        if "seconds" not in answer:
            raise self._failure(f"failed ({answer.get('failed', answer)})")
        return answer

    def run(self, lowered: Lowered, inputs: Arrays, options: Sequence[str], timeout_s: float) -> Arrays:
        """Run a network; returns what the script writes."""
        given, taken = self._folder / "in.npz", self._folder / "out.npz"
        try:
            artifact = self._artifact(lowered)
            _write(given, inputs)
            places = ["--artifact", str(artifact), "--scratch", str(self._folder)]
            self.ask([str(given), str(taken), *places, *options], timeout_s)
            return read_arrays(taken)
        except CortexCoreError:
            raise
        except (FileNotFoundError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise self._failure(f"wrote a damaged answer ({error})") from error
        except OSError as error:
            raise self._failure(f"and this process share {self._folder}, which failed ({error})", _ROOM) from error
        finally:
            given.unlink(missing_ok=True)
            taken.unlink(missing_ok=True)

    def _artifact(self, lowered: Lowered) -> Path:
        """The network's files, which the worker reads when it builds it; those used longest ago are removed."""
        artifact = self._folder / lowered.sha256
        if artifact in self._artifacts:
            self._artifacts.remove(artifact)
        else:
            artifact.mkdir()
            write_lowered(lowered, artifact, {}, small=False)
        self._artifacts.append(artifact)
        while len(self._artifacts) > _KEPT:
            shutil.rmtree(self._artifacts.pop(0))
        return artifact

    def close(self) -> None:
        """Ask the worker to end, and end it and all that Lava started where it does not."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if not self._ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._ended = self._process.wait(_CLOSING_S) == 0
        self._end()
        self._process.wait()
        self._stderr.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        """Terminated first: Python's resource tracker outlives that, and frees the shared memory of all the others."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if not self._ended:
                os.killpg(self._process.pid, signal.SIGCONT)
                os.killpg(self._process.pid, signal.SIGTERM)
            until = time.monotonic() + (0 if self._ended else _CLEARING_S)
            while time.monotonic() < until:
                self._process.poll()
                os.killpg(self._process.pid, 0)
                time.sleep(0.02)
            os.killpg(self._process.pid, signal.SIGKILL)
        self._ended = True

    def _read(self) -> None:
        """Hand lines on; None when the worker's end is closed."""
        if self._process.stdout is not None:
            with contextlib.suppress(OSError, ValueError):
                for line in self._process.stdout:
                    self._answers.put(line.decode(errors="replace"))
        self._answers.put(None)

    def _answer(self, timeout_s: float, until: float | None = None) -> Answer:
        until = time.monotonic() + timeout_s if until is None else until
        while True:
            try:
                line = self._answers.get(timeout=0.2)
            except queue.Empty:
                if self.alive and time.monotonic() < until:
                    continue
                if self.alive:
                    raise self._failure(f"did not answer within {timeout_s:g} s", _LONGER) from None
                line = None
            if line is None:
                raise self._failure("ended without an answer")
            try:
                answer = json.loads(line)
            except ValueError:
                raise self._failure(f"sent a damaged answer, {line[:80]!r}") from None
            if not isinstance(answer, dict):
                raise self._failure(f"sent a damaged answer, {line[:80]!r}")
            return answer

    def _failure(self, why: str, remedy: str = _LATER) -> TargetUnavailable:
        """End the worker and say why, with the last lines it wrote and what mends it."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()[-_STDERR_LINES:]
        self._end()
        said = f"; its last lines: {' | '.join(lines)}" if lines else ""
        return TargetUnavailable(f"Lava's worker ({self.python}) {why}{said}; {remedy}")


def _write(path: Path, arrays: Arrays) -> None:
    """numpy.savez takes names as keywords and keeps "file" for itself, so the archive is written here."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, values, allow_pickle=False)  # type: ignore[no-untyped-call]


_lock = threading.Lock()
_running: list[LavaWorker] = []


def start(timeout_s: float) -> None:
    """Start the worker of this process where there is none, and wait until it is ready."""
    with _lock:
        _worker(timeout_s)


def run(lowered: Lowered, inputs: Arrays, options: Sequence[str], timeout_s: float) -> Arrays:
    """Run a network on the one worker of this process (safe from several threads).

    Args:
        lowered: the network's Lava processes.
        inputs: input name → integers [T, B, *shape].
        options: of the script: ``--trace``, ``--hardware``.
        timeout_s: longest wait for the answer, start-up included.

    Returns:
        output → [T, B, *shape]; with ``--trace`` also ``spikes/…``, ``u/…`` and ``v/…`` of every population.

    Raises:
        TargetUnavailable: Lava is not here, or the worker died, failed or was late; the next run starts another.
        GraphError: a value left the range in which Lava's processes are the network, or the run is too large.
    """
    with _lock:
        worker = _worker(timeout_s)
        try:
            return worker.run(lowered, inputs, options, timeout_s)
        except GraphError:
            raise
        except BaseException:
            _running.remove(worker)  # an interrupted one would answer the next request with this one's result
            worker.close()
            raise


def _worker(timeout_s: float) -> LavaWorker:
    if _running and not _running[0].alive:
        _running.pop().close()
    if not _running:
        _running.append(LavaWorker(find_interpreter()))
        try:
            _running[0].greet(timeout_s)
        except BaseException:
            _running.pop().close()
            raise
    return _running[0]


@atexit.register
def close() -> None:
    """End the worker, if one runs."""
    while _running:
        _running.pop().close()


def _forget() -> None:
    """A process that was forked leaves the worker to its parent, and starts its own."""
    global _lock
    _lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
