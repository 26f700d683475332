"""What a device that works for every sample and every beat takes of a board's energy: per beat, per day, of a cell.

    duty   = cycles/s / clock
    beat   = cycles/s · J/cycle / (beats/s)
    day    = (cycles/s · J/cycle + (1 − duty) · sleep current · supply voltage) · 86 400 s
    life   = capacity · voltage / day

The processor alone: no electrodes' amplifier, no converter, no radio, no self-discharge of the cell, and nothing for
waking up and falling asleep. Where no sleep current is known, a day holds the work alone, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.errors import GraphError
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.energy.boards import Board, Cell, Cited
from cortexcore.targets.profile import Figure

DAY_S = 86_400.0
HOUR_S = 3600.0
ALONE = "the processor alone: no amplifier, converter or radio, and no cost of waking up"


@dataclass(frozen=True)
class Load:
    """What the device does, in cycles.

    Attributes:
        front_end: per second, for the samples.
        decisions: per beat: its window and features, the network, the label.
        beats_hz: heart rate, beats per second, above 0.
        said: for which signal, at which heart rate.
        source: where the cycles come from.
        own: they are the board's own; else a Cortex-M4's.
    """

    front_end: Band
    decisions: Band
    beats_hz: float
    said: str
    source: str
    own: bool = False

    def __post_init__(self) -> None:
        if not self.beats_hz > 0:
            raise GraphError(f"a heart rate of {self.beats_hz} beats per second gives no energy per beat")

    @property
    def per_second(self) -> Band:
        """Cycles per second."""
        return self.front_end + self.decisions * self.beats_hz


def duty_cycle(load: Load, board: Board) -> Figure:
    """The share of the time that the core is awake; above 1 where it does not keep up."""
    source, conditions = _source(load, board, []), _conditions(load, board, load.said)
    return _duty(load, board).figure("of the time", "modelled", source, conditions)


def keeps_up(load: Load, board: Board) -> bool:
    """Whether the board does all that there is to do in a second within a second."""
    return _duty(load, board).high <= 1


def beat_terms(load: Load, board: Board) -> dict[str, Figure]:
    """Joules per beat: "front end", "decision", "dynamic", "static" and "total".

    The last two are missing where no sleep current is known.

    Raises:
        GraphError: the board does not keep up.
    """
    _require(load, board)
    cycles, joules = _cycles(load, board), board.cycle_j.band
    front_end = load.front_end / load.beats_hz * cycles * joules
    decision = load.decisions * cycles * joules
    source = _source(load, board, [board.cycle_j.citation])
    conditions = _conditions(load, board, f"per beat; {load.said}; {board.cycle_j.conditions}; {ALONE}")
    terms = {"front end": front_end, "decision": decision, "dynamic": front_end + decision}
    figures = {name: band.figure("J", "modelled", source, conditions) for name, band in terms.items()}
    if board.sleep_a is not None:
        asleep = _asleep(load, board, board.sleep_a) / load.beats_hz
        slept = f"{board.sleep_a.conditions}, at {board.supply_v:g} V, between the samples"
        figures["static"] = asleep.figure("J", "modelled", board.sleep_a.citation, slept)
        both = _source(load, board, [board.cycle_j.citation, board.sleep_a.citation])
        figures["total"] = (terms["dynamic"] + asleep).figure("J", "modelled", both, conditions)
    return figures


def day(load: Load, board: Board) -> Figure:
    """Joules per day, sleep included where its current is known; GraphError where the board does not keep up."""
    return _day(load, board).figure("J", "modelled", *_daily(load, board))


def battery_life(load: Load, board: Board, cell: Cell) -> Figure:
    """Days that a cell lasts; GraphError where the board does not keep up."""
    held = cell.capacity_ah.band * (HOUR_S * cell.voltage_v)
    source, conditions = _daily(load, board)
    said = f"{cell.name}: {cell.capacity_ah.conditions}, no self-discharge; {conditions}"
    if cell.pulse_a is not None and board.awake_a.high > cell.pulse_a:
        said += (
            f"; awake it takes up to {board.awake_a.high * 1e3:.0f} mA, the cell gives {cell.pulse_a * 1e3:g}: "
            "it needs a capacitor"
        )
    return (held / _day(load, board)).figure("days", "modelled", f"{source}; {cell.capacity_ah.citation}", said)


def inference_energy(cycles: Band, board: Board, source: str, said: str) -> Figure:
    """Joules of an inference that takes so many cycles of a Cortex-M4."""
    load = Load(Band.exactly(0.0), cycles, 1.0, said, source)
    conditions = _conditions(load, board, f"per inference; {said}; {board.cycle_j.conditions}; {ALONE}")
    joules = cycles * _cycles(load, board) * board.cycle_j.band
    return joules.figure("J", "modelled", _source(load, board, [board.cycle_j.citation]), conditions)


def _day(load: Load, board: Board) -> Band:
    _require(load, board)
    awake = load.per_second * _cycles(load, board) * board.cycle_j.band
    return (awake if board.sleep_a is None else awake + _asleep(load, board, board.sleep_a)) * DAY_S


def _daily(load: Load, board: Board) -> tuple[str, str]:
    """Source and conditions of what a day takes."""
    if board.sleep_a is None:
        said = f"{load.said}; {ALONE}; nothing for sleep, whose current is not known"
        return _source(load, board, [board.cycle_j.citation]), _conditions(load, board, said)
    said = f"{load.said}; {ALONE}; asleep between the samples: {board.sleep_a.conditions}"
    return _source(load, board, [board.cycle_j.citation, board.sleep_a.citation]), _conditions(load, board, said)


def _asleep(load: Load, board: Board, sleep_a: Cited) -> Band:
    """Watts of sleep while there is nothing to do."""
    return sleep_a.band * (board.supply_v * (1 - _duty(load, board).value))


def _duty(load: Load, board: Board) -> Band:
    return load.per_second * _cycles(load, board) / board.clock_hz


def _require(load: Load, board: Board) -> None:
    if not keeps_up(load, board):
        raise GraphError(
            f"{board.name} at {board.clock_hz / 1e6:g} MHz would need up to {_duty(load, board).high:.2f} s for a "
            "second of signal: choose a faster board or a smaller model"
        )


def _faster(load: Load, board: Board) -> Cited | None:
    return None if load.own else board.cycles


def _cycles(load: Load, board: Board) -> Band:
    faster = _faster(load, board)
    return Band.exactly(1.0) if faster is None else faster.band


def _source(load: Load, board: Board, more: list[str]) -> str:
    faster = _faster(load, board)
    return "; ".join([f"cycles: {load.source}", *more, *([] if faster is None else [faster.citation])])


def _conditions(load: Load, board: Board, said: str) -> str:
    faster = _faster(load, board)
    after = "" if faster is None else f"; {faster.conditions}"
    return f"{board.core} at {board.clock_hz / 1e6:g} MHz; {said}{after}"
