"""How much memory the board has, as its linker script says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.generate import SOURCES

LINKER_SCRIPT = SOURCES / "board" / "board.ld"
UNITS = {"": 1, "K": 2**10, "M": 2**20}


@dataclass(frozen=True)
class Limits:
    """Bytes of flash and RAM, and of the RAM that is set aside for the stack."""

    flash: int
    ram: int
    stack: int


def limits() -> Limits:
    """The board's memory."""
    text = LINKER_SCRIPT.read_text(encoding="utf-8")
    patterns = {
        "flash": r"FLASH\b.*LENGTH\s*=\s*(\d+)([KM]?)",
        "ram": r"RAM\b.*LENGTH\s*=\s*(\d+)([KM]?)",
        "stack": r"ccx_stack_size\s*=\s*(\d+)([KM]?)",
    }
    found = {name: re.search(pattern, text) for name, pattern in patterns.items()}
    missing = [name for name, match in found.items() if match is None]
    if missing:
        raise GraphError(f"{LINKER_SCRIPT.name} does not say how large {' and '.join(missing)} may be")
    return Limits(**{name: int(match[1]) * UNITS[match[2]] for name, match in found.items() if match})
