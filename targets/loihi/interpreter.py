"""Finding a Python that has Lava."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cortexcore.errors import TargetUnavailable

VARIABLE = "CORTEXCORE_LAVA_PYTHON"
FOLDER = ".venv-lava"
LAVA = "0.10"
"""The release of Lava whose models the integer network was written from."""
_PROBE = (
    "import sys; del sys.path[0]; import lava.proc.lif.models, lava.proc.dense.models, lava.proc.sparse.models; "
    "from importlib.metadata import version; print(version('lava-nc'))"
)
_PROBE_TIMEOUT_S = 120


def find_interpreter() -> str:
    """The Python to run Lava with: CORTEXCORE_LAVA_PYTHON, this one, or a ``.venv-lava`` of this folder or above.

    Raises:
        TargetUnavailable: none of them imports Lava; says what to do.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not imports_lava(named):
            raise TargetUnavailable(
                f"{VARIABLE} is '{named}', which is no Python that imports Lava {LAVA}: name one that does, or unset it"
            )
        return named
    for candidate in _candidates():
        if imports_lava(candidate):
            return candidate
    raise TargetUnavailable(
        "target 'loihi' needs Lava, which runs under Python 3.10 in an environment of its own: make it with "
        f"'make setup' in the repository, or name a Python that has lava-nc {LAVA} in {VARIABLE}"
    )


def _candidates() -> Iterator[str]:
    yield sys.executable
    here = Path.cwd()
    package = Path(__file__).resolve().parent
    for folder in dict.fromkeys([here, *here.parents, *package.parents]):
        python = folder / FOLDER / "bin" / "python"
        if python.is_file():
            yield str(python)


@cache
def imports_lava(python: str) -> bool:
    """Whether this interpreter imports the parts of Lava that the worker uses, of its release; tried once per process.

    What is importable by PYTHONPATH or from the working folder does not count: the worker has neither.
    """
    try:
        command = [python, "-c", _PROBE]
        tried = subprocess.run(command, capture_output=True, timeout=_PROBE_TIMEOUT_S, env=environment())
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0 and f"{tried.stdout.decode(errors='replace').strip()}.".startswith(f"{LAVA}.")


def environment() -> dict[str, str]:
    """The environment variables of Lava's Python: its packages are its own, and it computes on one thread."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "OMP_NUM_THREADS": "1"}
