"""What a device's samples and beats cost, counted here or told by the device: the parts of a profile that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cortexcore.runtime.frontend import RATE_HZ
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.cost_figures import MODEL, latency_figures
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.energy.battery import (
    Load,
    battery_life,
    beat_terms,
    day,
    duty_cycle,
    inference_energy,
    keeps_up,
)
from cortexcore.targets.energy.boards import Board, boards
from cortexcore.targets.profile import Figure, FigureKind


@dataclass(frozen=True)
class Work:
    """Cycles of a device.

    Attributes:
        sample: of the front end for a sample, mean.
        worst_sample: the dearest.
        decisions: of each beat, from complete to decided; at least one.
        beats_hz: heart rate of the signal in beats per second.
        kind, source: where the cycles come from: "modelled" for a Cortex-M4, or "measured" by the board itself.
        said: which signal, which compiler.
    """

    sample: Band
    worst_sample: Band
    decisions: tuple[Band, ...]
    beats_hz: float
    kind: FigureKind
    source: str
    said: str

    @property
    def load(self) -> Load:
        """What is to do in a second."""
        mean = sum(self.decisions, Band.exactly(0.0)) / len(self.decisions)
        said = f"{self.said}, {RATE_HZ} Hz, {60 * self.beats_hz:.0f} beats a minute"
        return Load(self.sample * RATE_HZ, mean, self.beats_hz, said, self.source, own=self.kind == "measured")


@dataclass(frozen=True)
class Parts:
    """Parts of a :class:`cortexcore.targets.profile.Profile`."""

    latency: Mapping[str, Figure]
    operations: Mapping[str, Figure]
    energy: Mapping[str, Figure]
    notes: tuple[str, ...]


def parts(work: Work, config: CortexMConfig) -> Parts:
    """Latency per beat and sample, cycles per second, and energy: of the chosen board first, then of the others.

    Of cycles that a board has measured itself the chosen board must be that board, and there are no others.
    """
    load, chosen = work.load, config.clocked_board
    if load.own:
        chosen = replace(chosen, cycles=None)
    per_beat = latency_figures("per beat", work.decisions, chosen, work.said, work.kind, work.source)
    worst = latency_figures("per sample", [work.worst_sample], chosen, work.said, work.kind, work.source)
    mean = latency_figures("per sample", [work.sample], chosen, work.said, work.kind, work.source)
    share = duty_cycle(load, chosen)
    operations = {
        "cycles, front end per sample": work.sample.figure("cycles", work.kind, work.source, work.said),
        "cycles, beat to decision": load.decisions.figure("cycles", work.kind, work.source, work.said),
        "cycles per second": load.per_second.figure("cycles/s", work.kind, work.source, load.said),
        f"CPU share, {chosen.name} at {chosen.clock_hz / 1e6:g} MHz": share,
    }
    latency = {**per_beat, "per sample mean": mean["per sample p50"], "per sample worst": worst["per sample worst"]}
    others = [] if load.own else [board for name, board in boards().items() if name != chosen.name]
    slow = [board.name for board in (chosen, *others) if not keeps_up(load, board)]
    notes = (f"No energy of {', '.join(slow)}: the work of a second takes longer than that there.",) if slow else ()
    terms = beat_terms(load, chosen) if keeps_up(load, chosen) else {}
    energy = {**terms, **_daily(load, chosen, config)}
    for board in others:
        if keeps_up(load, board):
            energy |= _other(load, board, config)
    return Parts(latency, operations, energy, notes)


def network_parts(cycles: Band, said: str, config: CortexMConfig) -> Parts:
    """Of a network alone: joules per inference, of the chosen board first, then of the others."""
    chosen = config.clocked_board
    energy: dict[str, Figure] = {}
    for board in (chosen, *(board for name, board in boards().items() if name != chosen.name)):
        taken = inference_energy(cycles, board, MODEL, said)
        energy |= {"dynamic": taken} if board is chosen else {f"per inference, {board.name}": taken}
    return Parts({}, {}, energy, ())


def _other(load: Load, board: Board, config: CortexMConfig) -> dict[str, Figure]:
    terms = beat_terms(load, board)
    whole = terms.get("total", terms["dynamic"])
    return {
        f"per beat, {board.name}": whole,
        f"duty cycle, {board.name}": duty_cycle(load, board),
        **_daily(load, board, config),
    }


def _daily(load: Load, board: Board, config: CortexMConfig) -> dict[str, Figure]:
    if not keeps_up(load, board):
        return {}
    return {
        f"per day, {board.name}": day(load, board),
        f"battery life, {board.name}": battery_life(load, board, config.cell),
    }
