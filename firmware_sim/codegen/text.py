"""Pieces of C text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

WIDTH = 120
"""Longest line of a table."""


def table(ctype: str, name: str, values: NDArray[Any]) -> str:
    """A constant array, which the linker puts into flash."""
    return f"static const {ctype} {name}[{values.size}] CCX_ALIGNED = {{\n{_wrapped(values.reshape(-1).tolist())}\n}};"


def struct(kind: str, name: str, fields: Iterable[tuple[str, str]]) -> str:
    """A constant struct, its fields by name."""
    body = "\n".join(f"    .{field} = {value}," for field, value in fields)
    return f"static const {kind} {name} = {{\n{body}\n}};"


def indented(lines: Iterable[str], depth: int = 1) -> str:
    """Lines of a block."""
    return "\n".join("    " * depth + line if line else line for line in lines)


def _wrapped(values: Iterable[int]) -> str:
    lines, line = [], ""
    for value in values:
        item = f"{value}, "
        if len(line) + len(item) > WIDTH - 4:
            lines.append(line.rstrip())
            line = ""
        line += item
    return indented([*lines, line.rstrip()])
