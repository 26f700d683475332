"""The comparison with an int8 ANN: its parts add up, what it solves for holds, and the card says what the file says."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.firmware_sim.codegen.ann_file import load_ann
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.against_ann import against_ann, held_inputs
from cortexcore.targets.cortex_m.against_ann_core import build_ann, count_passes
from cortexcore.targets.cortex_m.against_ann_meeting import NetworkParts, meeting_figures, verdict
from cortexcore.targets.energy.boards import boards
from cortexcore.train import against_ann as command
from cortexcore.train.deploy import synthetic_beats

for package in ("ziglang", "unicorn", "capstone", "elftools"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

FOLDER = Path(str(resources.files("cortexcore"))) / "models" / "ecg_beat"
PARTS = NetworkParts(spiking=600.0, held=100.0, neurons=300.0, synops=200.0, updates=60.0, rate=0.2, steps=6)


@pytest.fixture(scope="module")
def shipped():
    """The shipped network, its ANN, and four made-up beats."""
    bundle = load_bundle(FOLDER / "bundle")
    windows, rhythms = synthetic_beats(bundle.front_end)
    ann, _ = load_ann(FOLDER / "cnn.npz")
    return bundle.network, ann, encode(windows[:4], rhythms[:4], bundle.steps)


@pytest.fixture(scope="module")
def result(shipped):
    network, ann, inputs = shipped
    return against_ann(compile(network, "cortex-m").artifact, ann, inputs)


def test_both_rates_are_solved_for():
    assert PARTS.rest == 400 and PARTS.at(0.2) == 1000 and PARTS.at(0.0) == 400
    assert PARTS.meeting_rate(700) == pytest.approx(0.1)
    assert PARTS.at(PARTS.meeting_rate(700)) == pytest.approx(700)
    assert PARTS.meeting_rate(399) is None
    assert PARTS.meeting_steps(1000) == pytest.approx(6) and PARTS.meeting_steps(550) == pytest.approx(3)
    assert PARTS.meeting_steps(50) == 0


def test_the_verdict_says_who_and_where():
    assert "1.43 times" in verdict(PARTS, 700) and "they are equal at 10.0%" in verdict(PARTS, 700)
    assert "no spike rate breaks even" in verdict(PARTS, 399)
    assert "0.50 times" in verdict(PARTS, 2000) and "equal at 53.3%" in verdict(PARTS, 2000)
    assert "break-even spike rate" in meeting_figures(PARTS, 700, "said")
    assert "break-even spike rate" not in meeting_figures(PARTS, 399, "said")


def test_the_parts_add_up(result):
    snn, ann, meeting = result.snn, result.ann, result.meeting
    total = snn["instructions"].value
    assert sum(meeting[part].value for part in ("inputs", "neurons", "spikes")) == pytest.approx(total, rel=1e-12)
    assert meeting["without a spike"].value + meeting["spikes"].value == pytest.approx(total, rel=1e-12)
    assert meeting["per synaptic event"].value * snn["synaptic events"].value == pytest.approx(meeting["spikes"].value)
    assert snn["neuron updates"].value == 6 * 516
    assert snn["spikes"].value == pytest.approx(snn["spike rate"].value * 6 * 512)
    assert {"instructions", "cycles", "flash", "RAM", "state", "stack"} <= set(result.ratios) <= set(snn) & set(ann)
    for side in (snn, ann):
        layers = sum(figure.value for name, figure in side.items() if name.startswith("instructions, "))
        calls = side["instructions"].value - layers
        assert 0 < calls < 250, "what is in no layer are a few calls"
    for name, ratio in result.ratios.items():
        assert ratio.value == pytest.approx(snn[name].value / ann[name].value)
    for name, board in boards().items():
        for side in (snn, ann):
            joules, cycles = side[f"energy, {name}"], side["cycles"]
            most = cycles.high * board.cycle_j.band.high
            assert 0 < joules.low <= joules.value <= joules.high <= most * (1 + 1e-12)


def test_ours_is_the_count_of_the_target_itself(shipped, result):
    network, _, inputs = shipped
    profile = compile(network, "cortex-m").profile(inputs)
    assert profile.operations["instructions"].value == result.snn["instructions"].value


def test_counting_again_gives_the_same(shipped, result):
    network, ann, inputs = shipped
    assert against_ann(compile(network, "cortex-m").artifact, ann, inputs).to_json() == result.to_json()


def test_inputs_that_change_have_no_counterpart():
    moving = {"x": np.arange(6).reshape(3, 2, 1), "held": np.ones((3, 2, 1))}
    with pytest.raises(DataError, match="but x changes"):
        held_inputs(moving)
    np.testing.assert_array_equal(held_inputs({"held": moving["held"]})["held"], np.ones((2, 1)))


def test_mistakes_are_a_sentence(tmp_path, capsys):
    bundle, ann = str(FOLDER / "bundle"), str(FOLDER / "cnn.npz")
    assert command.main([bundle, str(tmp_path / "no.npz")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "cv.json").write_text("{}")
    assert command.main([bundle, ann, "--accuracy", f"mine={tmp_path / 'cv.json'}"]) == 1
    assert "no cross-validation of 8 bits" in capsys.readouterr().err
    assert command.main([bundle, ann, "--json", str(tmp_path / "no" / "x.json")]) == 1
    with pytest.raises(SystemExit):
        command.main([bundle, ann, "--accuracy", "file.json"])
    assert "NAME=FILE" in capsys.readouterr().err


def told():
    return json.loads((FOLDER / "against_cnn.json").read_text())


def test_the_shipped_anns_figures_are_those_of_its_code_now(shipped):
    _, ann, inputs = shipped
    counted = count_passes(ann, build_ann(ann), held_inputs(inputs)).runs[0].regions["ccx_network_step"].total
    assert told()["board"]["ann"]["instructions"]["value"] == counted.instructions
    assert told()["ann"]["macs"] == ann.macs == 30 * 8 * 18 + 13 * 16 * 40 + 64 * 220 + 4 * 64


def test_who_wins_in_the_shipped_figures_wins_now(result):
    ratio = told()["board"]["ratios"]["instructions"]["value"]
    assert (ratio > 1) == (result.ratios["instructions"].value > 1)


def row(title):
    """Cells of the card's table row that begins with ``title``."""
    (line,) = [x for x in (FOLDER / "MODEL_CARD.md").read_text().splitlines() if x.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


@pytest.mark.parametrize(
    ("title", "name", "scale", "form"),
    [
        ("instructions", "instructions", 1, "{:,.0f}"),
        ("cycles, modelled", "cycles", 1, "{:,.0f}"),
        ("energy on an nRF52840, µJ", "energy, nRF52840", 1e6, "{:.1f}"),
        ("energy on an STM32L4R5, µJ", "energy, STM32L4R5", 1e6, "{:.1f}"),
        ("energy on an STM32U575, µJ", "energy, STM32U575", 1e6, "{:.1f}"),
        ("energy on an Apollo3, µJ", "energy, Apollo3", 1e6, "{:.1f}"),
        ("flash, bytes", "flash", 1, "{:,.0f}"),
        ("RAM without stack, bytes", "RAM", 1, "{:,.0f}"),
    ],
)
def test_the_cards_table_is_that_of_the_file(title, name, scale, form):
    board = told()["board"]
    wanted = [form.format(board[side][name]["value"] * scale) for side in ("snn", "ann")]
    assert row(title) == [*wanted, f"{board['ratios'][name]['value']:.2f}"]


@pytest.mark.parametrize("group", ["SNN", "CNN", "CNN of twice the filters", "CNN of half the width"])
def test_the_cards_accuracies_are_those_of_the_file(group):
    runs = [run for name, run in told()["cross_validation"].items() if name.startswith(f"{group}, seed")]
    assert [run["seed"] for run in runs] == [1, 101, 201] and all(run["int8"]["beats"] == 51021 for run in runs)
    cells = [", ".join(f"{100 * run['int8'][key]:.1f}" for run in runs) for key in ("accuracy", "macro_f1")]
    assert row(group)[:2] == cells
