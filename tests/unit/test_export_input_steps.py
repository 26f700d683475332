"""Networks of float inputs: a step makes them integers, and nothing else changes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.cli import main
from cortexcore.errors import DataError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import read_integer_nir, write_nir
from cortexcore.export.nodes import LIF, Affine, Input, Linear, Output
from cortexcore.export.passes.input_steps import with_input_steps
from cortexcore.export.report import QuantizationReport

STEP = 1 / 127


def num(value: float) -> np.ndarray:
    return np.array(value)


def pixels_graph(metadata: dict | None = None) -> Graph:
    """Floats in [0, 1] into 12 LIF neurons, on to 3; the input "x" also reaches them past the first layer."""
    rng = np.random.default_rng(3)
    nodes = {
        "x": Input((6,)),
        "fc": Affine(rng.normal(size=(12, 6)), rng.normal(size=12) * 0.1),
        "n": LIF((12,), num(5e-3), num(5.0), num(0.0), num(1.0), "subtract"),
        "out": Linear(rng.normal(size=(3, 12))),
        "skip": Linear(rng.normal(size=(3, 6))),
        "m": LIF((3,), num(5e-3), num(5.0), num(0.0), num(1.0), "zero"),
        "y": Output((3,)),
    }
    edges = (("x", "fc"), ("fc", "n"), ("n", "out"), ("out", "m"), ("x", "skip"), ("skip", "m"), ("m", "y"))
    return Graph(nodes, edges, 1e-3, "euler", metadata or {})


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(4).random((40, 16, 6))


def test_the_graph_with_steps_sees_the_floats_that_the_integers_stand_for(pixels: np.ndarray) -> None:
    units = np.rint(pixels / STEP).astype(np.int32)
    plain = reference.run(pixels_graph(), {"x": units * STEP})
    stepped = reference.run(with_input_steps(pixels_graph(), {"x": STEP}), {"x": units})
    assert plain.spikes["n"].sum() > 0
    assert all(np.array_equal(plain.spikes[name], stepped.spikes[name]) for name in plain.spikes)


def test_float_inputs_quantize_with_a_step_and_the_report_says_what_rounding_cost(pixels: np.ndarray) -> None:
    net = cc.quantize(pixels_graph(), calibration=pixels, input_steps=STEP)
    said = net.metadata["quantization"]["inputs"]["x"]
    assert said == {"low": 0, "high": 127, "from": "calibration", "step": STEP}
    assert {s.name for p in net.populations for s in p.synapses} == {"fc", "out", "skip"}
    units = np.rint(pixels / said["step"]).astype(int)
    wanted = reference.run(pixels_graph(), {"x": pixels}).outputs["y"]
    got = integer.run(net, {"x": units}).outputs["y"]
    doubled = reference.run(pixels_graph(), {"x": 2 * pixels}).outputs["y"]
    assert np.mean(wanted == got) > 0.93 > 0.9 > np.mean(doubled == got)
    error = np.abs(units * STEP - pixels)
    noise_db = 10 * np.log10(np.square(pixels).sum() / np.square(error).sum())
    (sentence,) = (w for w in net.report.warnings if "rounded" in w)
    assert f"at most {error.max():.3g} off" in sentence and f"{noise_db:.1f} dB" in sentence
    assert QuantizationReport.from_json(json.loads(json.dumps(net.report.to_json()))).inputs["x"]["step"] == STEP
    assert "one unit is 0.00787402" in net.report.to_html()


def test_integers_count_units_already(pixels: np.ndarray) -> None:
    units = np.rint(pixels / STEP).astype(np.int8)
    a, b = (cc.quantize(pixels_graph(), calibration=x, input_steps={"x": STEP}) for x in (units, pixels))
    assert all(
        np.array_equal(s.operation.weight, t.operation.weight)
        for p, q in zip(a.populations, b.populations, strict=True)
        for s, t in zip(p.synapses, q.synapses, strict=True)
    )
    assert not any("rounded" in w for w in a.report.warnings)


def test_the_graphs_own_range_is_brought_to_units() -> None:
    net = cc.quantize(pixels_graph({"input_ranges": {"x": (-0.5, 1.0)}}), input_steps={"x": 1 / 128})
    assert (net.inputs[0].low, net.inputs[0].high) == (-64, 128)


def test_floats_without_a_step_are_told_of_it(pixels: np.ndarray) -> None:
    with pytest.raises(QuantizationError, match=r"input_steps=\{'x': 1 / 127\} or --input-step x="):
        cc.quantize(pixels_graph(), calibration=pixels)
    net = cc.quantize(pixels_graph(), calibration=pixels, input_steps=STEP)
    with pytest.raises(DataError, match=r"numpy.rint\(x / 0.0078740157480314\d+\)"):
        integer.run(net, {"x": pixels})


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"x": 0.0}, "step of 'x' is 0.0"),
        ({"x": float("nan")}, "step of 'x' is nan"),
        ({"x": True}, "step of 'x' is True"),
        ({"x": "1"}, "step of 'x' is '1'"),
        ({"z": 1.0}, "no input 'z'.*inputs are x"),
    ],
)
def test_steps_that_fit_nothing_are_refused(steps: dict, words: str) -> None:
    with pytest.raises(QuantizationError, match=words):
        with_input_steps(pixels_graph(), steps)


def test_a_second_step_is_refused() -> None:
    with pytest.raises(QuantizationError, match="'x' has a step already"):
        with_input_steps(with_input_steps(pixels_graph(), 0.5), 0.5)


@pytest.mark.parametrize(("step", "words"), [(1e-9, "24-bit"), (100.0, "vanishes")])
def test_steps_that_lose_the_inputs_are_refused(pixels: np.ndarray, step: float, words: str) -> None:
    with pytest.raises(DataError, match=words):
        cc.quantize(pixels_graph(), calibration=pixels, input_steps=step)


def test_nan_inputs_are_refused(pixels: np.ndarray) -> None:
    pixels[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="24-bit"):
        cc.quantize(pixels_graph(), calibration=pixels, input_steps=STEP)


def test_a_sweep_takes_steps(pixels: np.ndarray) -> None:
    assert len(cc.sweep(pixels_graph(), (8, 4), calibration=pixels, input_steps=STEP).points) == 2


def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: object
) -> tuple[object, str]:
    monkeypatch.setattr(sys, "argv", ["cortexcore", "quantize", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0, capfd.readouterr().err


def test_the_command_takes_steps(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, pixels: np.ndarray
) -> None:
    write_nir(pixels_graph(), tmp_path / "g.nir")
    np.savez(tmp_path / "x.npz", x=pixels)
    run = (tmp_path / "g.nir", "-o", tmp_path / "o.nir", "--calibration", tmp_path / "x.npz")
    code, err = command(monkeypatch, capfd, *run)
    assert code == 1 and "--input-step x=" in err
    code, err = command(monkeypatch, capfd, *run, "--input-step", "x=0.0079")
    assert code == 0, err
    assert read_integer_nir(tmp_path / "o.nir").metadata["quantization"]["inputs"]["x"]["step"] == 0.0079
    for wrong in ("0.0079", "x=", "x=one"):
        code, err = command(monkeypatch, capfd, *run, "--input-step", wrong)
        assert code == 1 and f"--input-step is '{wrong}'" in err and "Traceback" not in err
    code, err = command(monkeypatch, capfd, *run, "--input-step", "x=1", "--input-step", "x=2")
    assert code == 1 and "twice" in err
