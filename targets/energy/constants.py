"""Published energies and times, from the one data file that holds them with their citations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Constant:
    """A published value: in joules, seconds or watts; ``grade`` says how its source was read."""

    value: float
    unit: str
    grade: str
    source: str
    conditions: str


@cache
def constants() -> dict[str, Constant]:
    """All rows of ``constants.json`` by name, e.g. ``"davies.synop_j"``."""
    text = files("cortexcore.targets.energy").joinpath("constants.json").read_text(encoding="utf-8")
    return {name: Constant(**row) for name, row in json.loads(text)["rows"].items()}


def constant(name: str) -> float:
    """One row's value."""
    return constants()[name].value


def cite(*names: str) -> str:
    """The sources of these rows, each once."""
    return "; ".join(dict.fromkeys(constants()[name].source for name in names))
