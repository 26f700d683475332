"""Boards that the firmware could run on, and cells: their published currents, from the data file with the citations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cortexcore.errors import GraphError
from cortexcore.targets.energy.bands import Band


@dataclass(frozen=True)
class Cited:
    """A published value and its band; ``grade`` says how its source was read."""

    band: Band
    grade: str
    source: str
    conditions: str

    @property
    def citation(self) -> str:
        """The source with its grade: "MLPerf Tiny 1.1 [D]"."""
        return f"{self.source} [{self.grade}]"


@dataclass(frozen=True)
class Board:
    """A microcontroller.

    Attributes:
        name, core: e.g. "STM32U575", "Cortex-M33".
        clock_hz: at which its energy was published.
        supply_v: at which it sleeps.
        cycle_j: joules per cycle awake, of the whole chip.
        sleep_a: amperes asleep, RAM kept and a timer running; None where no source is known.
        cycles: how many cycles it takes for one of a Cortex-M4; None for a Cortex-M4.
    """

    name: str
    core: str
    clock_hz: float
    supply_v: float
    cycle_j: Cited
    sleep_a: Cited | None
    cycles: Cited | None

    @property
    def awake_a(self) -> Band:
        """Amperes while the core works."""
        return self.cycle_j.band * (self.clock_hz / self.supply_v)


@dataclass(frozen=True)
class Cell:
    """A battery.

    Attributes:
        name: e.g. "CR2032".
        capacity_ah: ampere-hours.
        voltage_v: nominal.
        pulse_a: amperes that it gives for a moment; None where unknown.
    """

    name: str
    capacity_ah: Cited
    voltage_v: float
    pulse_a: float | None


@cache
def boards() -> dict[str, Board]:
    """All boards of ``boards.json`` by name."""
    return {name: _board(name, row) for name, row in _data()["boards"].items()}


def board(name: str) -> Board:
    """The board of that name.

    Raises:
        GraphError: there is none; the message names those there are.
    """
    if name not in boards():
        raise GraphError(f"there is no board '{name}' in the data file; there are {', '.join(boards())}")
    return boards()[name]


@cache
def cells() -> dict[str, Cell]:
    """All cells of ``boards.json`` by name."""
    return {
        name: Cell(name, _cited(row["capacity_ah"]), row["voltage_v"], row["pulse_a"])
        for name, row in _data()["cells"].items()
    }


def grades() -> dict[str, str]:
    """What the grades mean."""
    return dict(_data()["grades"])


@cache
def _data() -> dict[str, Any]:
    text = files("cortexcore.targets.energy").joinpath("boards.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _board(name: str, row: dict[str, Any]) -> Board:
    faster = row["cycles"]
    cycles = None
    if faster is not None:
        share = Band(1.0, faster["least"], 1.0)
        cycles = Cited(share, faster["grade"], faster["source"], faster["conditions"])
    sleep = None if row["sleep_a"] is None else _cited(row["sleep_a"])
    return Board(name, row["core"], row["clock_hz"], row["supply_v"], _cited(row["cycle_j"]), sleep, cycles)


def _cited(row: dict[str, Any]) -> Cited:
    return Cited(Band(row["value"], row["low"], row["high"]), row["grade"], row["source"], row["conditions"])
