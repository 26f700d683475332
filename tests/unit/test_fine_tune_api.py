"""cc.fine_tune as a user calls it, and the scales that are chosen where none is asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.errors import CortexCoreError, DataError, GraphError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Affine, Input, Output

STEPS, COUNT = 8, 300


def num(value: float) -> np.ndarray:
    return np.array(value)


def untrained(rng: np.random.Generator, spikes: bool = False) -> Graph:
    """12 inputs, 24 hidden neurons, 3 classes, told by membranes or by spikes."""
    out = LIF((3,), num(1e-2), num(4.0), num(0.0), num(0.3), "zero") if spikes else LI((3,), num(1e-2), num(10), num(0))
    nodes = {
        "x": Input((12,)),
        "w": Affine(rng.normal(size=(24, 12)) / 60, np.zeros(24)),
        "n": LIF((24,), num(5e-3), num(5.0), num(0.0), num(0.5), "zero"),
        "o": Affine(rng.normal(size=(3, 24)) / 3, np.zeros(3)),
        "r": out,
        "y": Output((3,)),
    }
    names = list(nodes)
    return Graph(nodes, tuple(itertools.pairwise(names)), 1e-3, "euler")


def clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of points, each point sent at every step."""
    labels = rng.integers(0, 3, COUNT)
    points = rng.normal(size=(3, 12))[labels] * 30 + rng.normal(size=(COUNT, 12)) * 12
    return np.repeat(np.rint(points)[None], STEPS, 0).astype(np.int64), labels


@pytest.mark.parametrize("spikes", [False, True])
def test_it_learns_and_its_report_compares_with_the_float_graph(spikes: bool) -> None:
    rng = np.random.default_rng(0)
    graph, (x, y) = untrained(rng, spikes), clusters(rng)
    network = cc.fine_tune(graph, x, y, bits=4, epochs=30, learning_rate=3e-2)
    assert network.report is not None and network.report.accuracy is not None
    before, after = network.report.accuracy.accuracy_float, network.report.accuracy.accuracy_integer
    assert after > before + 0.2 and after > 0.7
    out = cc.compile(network, "integer").run({"x": x}).outputs["y"]
    scores = out.sum(axis=0) if spikes else out[-1]
    assert np.mean(scores.argmax(axis=1) == y) == pytest.approx(after)
    assert network.metadata["quantization"]["qat"]["epochs"] == 30
    assert all(layer.bits == 4 for p in network.report.populations for layer in p.layers)


def test_floats_are_rounded_to_the_input_step() -> None:
    rng = np.random.default_rng(1)
    graph, (x, y) = untrained(rng), clusters(rng)
    network = cc.fine_tune(graph, x / 1.0 + 0.25, y, epochs=1, input_steps=0.5)
    assert network.metadata["quantization"]["inputs"]["x"]["step"] == 0.5


def test_mistakes_are_one_sentence() -> None:
    rng = np.random.default_rng(2)
    graph, (x, y) = untrained(rng), clusters(rng)
    with pytest.raises(GraphError, match="only a float graph can be quantized, not a IntegerNetwork"):
        cc.fine_tune(cc.quantize(graph, calibration=x), x, y)  # type: ignore[arg-type]
    with pytest.raises(QuantizationError, match="input_steps"):
        cc.fine_tune(graph, x + 0.5, y)
    with pytest.raises(DataError, match="one class index each"):
        cc.fine_tune(graph, x, y[:5])
    with pytest.raises(DataError, match="3 classes"):
        cc.fine_tune(graph, x, y + 3)
    with pytest.raises(CortexCoreError, match="'last' or 'mean'"):
        cc.fine_tune(graph, x, y, decision="count")


def test_calibration_decides_the_scale_where_none_is_asked_for() -> None:
    rng = np.random.default_rng(3)
    graph, (x, _) = untrained(rng), clusters(rng)

    def scale(**options: object) -> str:
        network = cc.quantize(graph, 8, **options)  # type: ignore[arg-type]
        return str(network.metadata["quantization"]["config"]["scale"])

    assert scale(calibration=x) == "activity"
    assert scale(input_ranges={"x": (-127, 127)}) == "max"
    assert scale(calibration=x, scale="mse") == "mse"
