"""The compiler itself: where it is, which version, and one run of it.

The wheel ``ziglang`` holds clang, its linker and its run-time library for every target, so that a firmware needs
neither a cross-compiler nor a C library of the system, and a version of the wheel stands for a version of the code:
compilers differ up to 2.8 times in instructions on the same source.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cortexcore.errors import GraphError, TargetUnavailable, missing_package

_SHOWN = 3


def missing_compiler() -> TargetUnavailable | None:
    """Why nothing can be compiled here, or None."""
    if importlib.util.find_spec("ziglang") is None:
        return missing_package("ziglang", "firmware", "compiling firmware")
    return None


def compiler_version() -> str:
    """E.g. ``"ziglang 0.17.1"``: what to name beside a count of instructions or bytes.

    Raises:
        TargetUnavailable: the wheel is not installed.
    """
    _require_compiler()
    return f"ziglang {metadata.version('ziglang')}"


def run_compiler(arguments: Sequence[str], what: str) -> None:
    """One call of ``zig cc``.

    Args:
        arguments: what follows ``cc``.
        what: what is being built, for the message.

    Raises:
        TargetUnavailable: the wheel is not installed.
        GraphError: the compiler refused; the message holds its first errors.
    """
    _require_compiler()
    command = [sys.executable, "-m", "ziglang", "cc", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    if ran.returncode:
        lines = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error:" in line] or lines
        raise GraphError(f"{what} does not compile: " + "; ".join(errors[:_SHOWN] or ["the compiler gave no reason"]))


def _require_compiler() -> None:
    missing = missing_compiler()
    if missing is not None:
        raise missing


def _environment() -> dict[str, str]:
    """Ours, with one cache for all builds of this user, where it is not said otherwise.

    The cache makes a second build of the same source quick. It never decides what comes out: its key is what goes in.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = str(base / "cortexcore" / "zig")
    return {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, **os.environ}
