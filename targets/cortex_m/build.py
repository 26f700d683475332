"""Firmware of a network alone: it steps when it is told to, for tests and counts on the core itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from cortexcore.firmware_sim.codegen.generate import KERNELS, SOURCES
from cortexcore.firmware_sim.toolchain import build_elf
from cortexcore.targets.cortex_m.limits import LINKER_SCRIPT

BOARD = SOURCES / "board"
STARTUP = (BOARD / "startup.c", BOARD / "memory.c")
"""What any program for the board needs; csrc/board/ has its peripherals too."""


def build_harness(files: Mapping[str, str], traced: bool) -> bytes:
    """The ELF of ``model.c`` and csrc/network/ccx_harness.c.

    Args:
        files: ``model.h`` and ``model.c``.
        traced: with every neuron's spikes, u and v.

    Raises:
        TargetUnavailable: there is no compiler.
        GraphError: code and tables do not fit into the board's memory.
    """
    with tempfile.TemporaryDirectory(prefix="cortexcore-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        sources = [folder / "model.c", KERNELS / "ccx_harness.c", *STARTUP]
        include = [KERNELS, BOARD, folder]
        defines = {"CCX_TRACE": ""} if traced else {}
        return build_elf(sources, include, LINKER_SCRIPT, folder / "network.elf", defines=defines).read_bytes()
