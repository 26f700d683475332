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


def cite_graded(*names: str) -> str:
    """The sources of these rows, each once, with the grade in brackets: "SANA-FE, loihi.yaml [R]"."""
    return "; ".join(dict.fromkeys(f"{constants()[name].source} [{constants()[name].grade}]" for name in names))


def listed(*names: str) -> str:
    """These rows with their values: "davies.synop_j = 2.36e-11 J, …"."""
    return ", ".join(f"{name} = {constants()[name].value:.4g} {constants()[name].unit}" for name in names)
