"""Costs counted on the emulated core as figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cortexcore.firmware_sim.board import Cost
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.energy.boards import Board
from cortexcore.targets.profile import Figure, FigureKind

COUNTED = "every basic block on the emulated core (unicorn)"
MODEL = "Arm Cortex-M4 Technical Reference Manual (DDI 0439), tables 3-1 and 7-1; zero wait states"
PERCENTILES = (50, 90, 99)
WORST = 100


def mean_cycles(costs: Sequence[Cost]) -> Band:
    """Modelled cycles of one, on average."""
    return Band.between(*(float(np.mean([cost.cycles[i] for cost in costs])) for i in (0, 1)))


def cost_figures(costs: Sequence[Cost], said: str, label: str = "") -> dict[str, Figure]:
    """Mean "instructions" and "cycles" of one of ``costs``, or "instructions, <label>"; least and most as the band."""
    instructions = [cost.instructions for cost in costs]
    counted = Band(float(np.mean(instructions)), float(min(instructions)), float(max(instructions)))
    after = f", {label}" if label else ""
    return {
        f"instructions{after}": counted.figure("instructions", "simulated", COUNTED, said),
        f"cycles{after}": mean_cycles(costs).figure("cycles", "modelled", MODEL, said),
    }


def latency_figures(
    label: str, cycles: Sequence[Band], board: Board, said: str, kind: FigureKind = "modelled", source: str = MODEL
) -> dict[str, Figure]:
    """Seconds at the board's clock: "<label> p50", "p90", "p99" and "worst"."""
    clock, conditions, faster = board.clock_hz, f"{board.core} at {board.clock_hz / 1e6:g} MHz, {said}", 1.0
    if board.cycles is not None:
        faster, source = board.cycles.band.low, f"{source}; {board.cycles.citation}"
        conditions = f"{conditions}; {board.cycles.conditions}"
    value, low, high = (np.array([getattr(c, part) for c in cycles]) / clock for part in ("value", "low", "high"))

    def at(q: int) -> Figure:
        middle, least, most = (float(np.percentile(x, q)) for x in (value, low * faster, high))
        return Band(middle, least, most).figure("s", kind, source, conditions)

    return {**{f"{label} p{q}": at(q) for q in PERCENTILES}, f"{label} worst": at(WORST)}
