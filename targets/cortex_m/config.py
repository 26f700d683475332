"""Options of the cortex-m target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.options import CodegenOptions, Kernel
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.energy.boards import Board, Cell, Cited, board, cells

USUAL_CELL = "CR2032"


@dataclass(frozen=True)
class CortexMConfig:
    """How the C is generated, and what a profile is told for; what the network computes is the same whatever it is.

    Attributes:
        kernel: "event", "dense", or "auto": what is expected to take fewer instructions, connection by connection.
        rate: share of a spiking source's neurons that are expected to fire in a step, for "auto".
        rates: source → its own expected share.
        pack: keep weights that fit into 4 bits two a byte: half the flash, more instructions for each.
        board: whose energy, and whose clock, a profile tells first, e.g. "nRF52840"; the others follow.
        clock_hz: of that board, where it is another than the one its energy was published at.
        cell_mah, cell_v: capacity and nominal voltage of the cell that a profile empties; neither for a CR2032.
    """

    kernel: Kernel = "auto"
    rate: float = 0.1
    rates: Mapping[str, float] = field(default_factory=dict)
    pack: bool = False
    board: str = "nRF52840"
    clock_hz: float | None = None
    cell_mah: float | None = None
    cell_v: float | None = None

    def __post_init__(self) -> None:
        _ = self.options, board(self.board)
        for name, unit in {"clock_hz": "hertz", "cell_mah": "mAh", "cell_v": "volts"}.items():
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise GraphError(f"{name} is {value}, it must be a positive number of {unit}")
        if (self.cell_mah is None) != (self.cell_v is None):
            raise GraphError(
                "a cell takes both cell_mah and cell_v (--cell-mah and --cell-v); without either it is a CR2032"
            )

    @property
    def options(self) -> CodegenOptions:
        """What the generator is told; raises GraphError for an unknown kernel or a share outside 0…1."""
        return CodegenOptions(self.kernel, "cortex_m4", self.rate, self.rates, self.pack)

    @property
    def clocked_board(self) -> Board:
        """The board, at the clock that was asked for."""
        chosen = board(self.board)
        return chosen if self.clock_hz is None else replace(chosen, clock_hz=self.clock_hz)

    @property
    def cell(self) -> Cell:
        """The cell that was asked for."""
        if self.cell_mah is None or self.cell_v is None:
            return cells()[USUAL_CELL]
        capacity = Cited(Band.exactly(self.cell_mah / 1000), "given", "the profile's options", "used up wholly")
        return Cell(f"a cell of {self.cell_mah:g} mAh and {self.cell_v:g} V", capacity, self.cell_v, None)
