"""The data file of boards and cells, and the arithmetic of energy, days and cells, against figures made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cortexcore.errors import GraphError
from cortexcore.targets.cortex_m.config import CortexMConfig
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
from cortexcore.targets.energy.boards import Board, Cell, Cited, board, boards, cells, grades

EXACT = Band.exactly
M4 = Board(
    "M4", "Cortex-M4", 100e6, 3.0,
    cycle_j=Cited(Band(100e-12, 50e-12, 200e-12), "P", "a page", "awake"),
    sleep_a=Cited(Band(2e-6, 1e-6, 4e-6), "M", "a datasheet", "asleep"),
    cycles=None,
)  # fmt: skip
FASTER = replace(M4, name="M7", cycles=Cited(Band(1.0, 0.5, 1.0), "P", "CoreMark", "half the cycles at best"))
CELL = Cell("cell", Cited(Band(0.2, 0.1, 0.3), "P", "a shop", "empty"), 3.0, pulse_a=0.01)
LOAD = Load(Band(1e6, 0.8e6, 1.2e6), Band(2e6, 1.8e6, 2.2e6), 2.0, "a signal", "a model")
"""5 million cycles a second, 4.4 to 5.6: duty 0.05."""


def test_bands_are_multiplied_end_by_end() -> None:
    a, b = Band(2, 1, 4), Band(10, 5, 20)
    assert (a + b, a * b, a / b) == (Band(12, 6, 24), Band(20, 5, 80), Band(0.2, 0.05, 0.8))
    assert (a * 3, a / 2, Band.between(1, 4)) == (Band(6, 3, 12), Band(1, 0.5, 2), Band(2.5, 1, 4))
    assert (EXACT(3).figure("J", "modelled", "x").low, a.figure("J", "modelled", "x").high) == (None, 4)


def test_duty_and_joules_of_a_beat() -> None:
    duty = duty_cycle(LOAD, M4)
    assert (duty.value, duty.low, duty.high) == pytest.approx((0.05, 0.044, 0.056))
    terms = beat_terms(LOAD, M4)
    assert list(terms) == ["front end", "decision", "dynamic", "static", "total"]
    assert terms["front end"].value == pytest.approx(1e6 / 2 * 100e-12)
    assert terms["decision"].value == pytest.approx(2e6 * 100e-12)
    assert terms["dynamic"].value == pytest.approx(250e-6)
    assert (terms["dynamic"].low, terms["dynamic"].high) == pytest.approx((2.2e6 * 50e-12, 2.8e6 * 200e-12))
    assert terms["static"].value == pytest.approx(2e-6 * 3 * 0.95 / 2)
    assert terms["total"].value == pytest.approx(250e-6 + 2.85e-6)
    for name in ("dynamic", "total"):
        assert all(word in terms[name].source for word in ("a model", "a page [P]"))
        assert "no amplifier, converter or radio" in terms[name].conditions
    assert "a datasheet [M]" in terms["total"].source and "a datasheet" not in terms["dynamic"].source


def test_a_day_and_the_life_of_a_cell() -> None:
    power = 5e6 * 100e-12 + 2e-6 * 3 * 0.95
    assert day(LOAD, M4).value == pytest.approx(power * 86400)
    life = battery_life(LOAD, M4, CELL)
    assert life.value == pytest.approx(0.2 * 3600 * 3 / (power * 86400))
    least, most = 4.4e6 * 50e-12 + 1e-6 * 3 * 0.95, 5.6e6 * 200e-12 + 4e-6 * 3 * 0.95
    assert (life.low, life.high) == pytest.approx((0.1 * 10800 / (most * 86400), 0.3 * 10800 / (least * 86400)))
    assert life.unit == "days" and "a shop [P]" in life.source and "no self-discharge" in life.conditions
    # 100 MHz · 100 pJ / 3 V are 3.3 mA, at most 6.7: less than the cell's pulse; at three times the clock more.
    assert "capacitor" not in life.conditions
    assert "takes up to 20 mA, the cell gives 10" in battery_life(LOAD, replace(M4, clock_hz=300e6), CELL).conditions


def test_a_faster_core_lowers_the_least_alone() -> None:
    duty = duty_cycle(LOAD, FASTER)
    assert (duty.value, duty.low, duty.high) == pytest.approx((0.05, 0.022, 0.056))
    assert "CoreMark [P]" in duty.source and "half the cycles" in duty.conditions
    own = duty_cycle(replace(LOAD, own=True), FASTER)
    assert own.low == pytest.approx(0.044) and "CoreMark" not in own.source


def test_without_a_sleep_current_a_day_holds_the_work_alone_and_says_so() -> None:
    awake = replace(M4, sleep_a=None)
    assert list(beat_terms(LOAD, awake)) == ["front end", "decision", "dynamic"]
    figure = day(LOAD, awake)
    assert figure.value == pytest.approx(5e6 * 100e-12 * 86400)
    assert "nothing for sleep, whose current is not known" in figure.conditions
    assert "not known" in battery_life(LOAD, awake, CELL).conditions


def test_a_board_that_does_not_keep_up_has_no_energy() -> None:
    slow = replace(M4, clock_hz=5.5e6)
    assert not keeps_up(LOAD, slow) and keeps_up(LOAD, M4)
    assert duty_cycle(LOAD, slow).high == pytest.approx(5.6 / 5.5)
    for tell in (lambda: beat_terms(LOAD, slow), lambda: day(LOAD, slow), lambda: battery_life(LOAD, slow, CELL)):
        with pytest.raises(GraphError, match=r"M4 at 5\.5 MHz would need up to 1\.02 s for a second of signal"):
            tell()
    with pytest.raises(GraphError, match="heart rate of 0"):
        replace(LOAD, beats_hz=0.0)


def test_an_inference_alone() -> None:
    figure = inference_energy(Band(1e6, 0.9e6, 1.1e6), M4, "a model", "a network")
    assert figure.value == pytest.approx(1e-4) and "a page [P]" in figure.source
    assert inference_energy(EXACT(1e12), M4, "a model", "longer than a second").value == pytest.approx(100)


@pytest.mark.parametrize("name", ["nRF52840", "Apollo3", "STM32L4R5", "STM32U575", "STM32H7A3"])
def test_every_row_of_the_data_file_is_cited(name: str) -> None:
    row = board(name)
    for cited in (row.cycle_j, row.sleep_a, row.cycles):
        if cited is not None:
            assert cited.source and cited.conditions and cited.grade in grades()
            assert 0 < cited.band.low <= cited.band.value <= cited.band.high
    assert (row.cycles is None) == (row.core == "Cortex-M4F")
    assert 1e-3 < row.awake_a.value < 0.1 or name == "Apollo3"
    assert row.clock_hz >= 48e6 and 1.8 <= row.supply_v <= 3.6


def test_published_figures_are_those_of_their_sources() -> None:
    assert board("nRF52840").cycle_j.band.value == pytest.approx(52e-6 / 1e6 * 3)
    assert board("Apollo3").cycle_j.band.value == pytest.approx(6e-6 / 1e6 * 3.3)
    assert (board("STM32L4R5").cycle_j.band.low, board("STM32L4R5").cycle_j.band.high) == (375e-12, 628e-12)
    assert board("STM32U575").cycle_j.band.low == pytest.approx(19.5e-6 / 1e6 * 3.3)
    assert board("STM32U575").cycles.band.low == pytest.approx(3.40 / 4.07, abs=5e-4)
    assert board("STM32H7A3").cycles.band.low == pytest.approx(3.40 / 5.01, abs=5e-4)
    assert len(boards()) == 5


def test_the_options_choose_board_clock_and_cell() -> None:
    config = CortexMConfig(board="STM32L4R5", clock_hz=80e6, cell_mah=500, cell_v=3.7)
    assert config.clocked_board == replace(board("STM32L4R5"), clock_hz=80e6)
    assert (config.cell.capacity_ah.band, config.cell.voltage_v) == (EXACT(0.5), 3.7)
    usual = CortexMConfig()
    assert usual.clocked_board.clock_hz == 64e6 and usual.cell == cells()["CR2032"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"board": "Uno"}, "there is no board 'Uno'"),
        ({"clock_hz": 0.0}, "clock_hz is 0.0"),
        ({"clock_hz": float("inf")}, "clock_hz is inf"),
        ({"cell_mah": -1.0, "cell_v": 3.0}, "cell_mah is -1.0"),
        ({"cell_mah": 100.0}, "a cell takes both cell_mah and cell_v"),
        ({"cell_v": 3.0}, "a cell takes both cell_mah and cell_v"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(GraphError, match=says):
        CortexMConfig(**options)


def test_latency_of_another_core_is_a_band_with_its_source() -> None:
    from cortexcore.targets.cortex_m.cost_figures import latency_figures

    cycles = [Band(1000, 900, 1100), Band(2000, 1800, 2200)]
    plain, faster = (latency_figures("per beat", cycles, each, "a signal") for each in (M4, FASTER))
    assert list(plain) == ["per beat p50", "per beat p90", "per beat p99", "per beat worst"]
    worst = plain["per beat worst"]
    assert (worst.value, worst.low, worst.high) == pytest.approx((20e-6, 18e-6, 22e-6))
    assert plain["per beat p50"].value == pytest.approx(15e-6) and "Cortex-M4 at 100 MHz" in worst.conditions
    assert faster["per beat worst"].low == pytest.approx(9e-6) and faster["per beat worst"].high == worst.high
    assert "CoreMark [P]" in faster["per beat worst"].source and "CoreMark" not in worst.source
