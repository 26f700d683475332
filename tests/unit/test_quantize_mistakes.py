"""What a caller of ``cc.quantize`` gets wrong is told in one sentence that fits the case."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.calibration import read_samples
from cortexcore.errors import DataError, GraphError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.nodes import LIF, Input, Linear, Output

X = np.random.default_rng(1).integers(0, 2, (30, 8, 6))


def small(threshold: float = 1.0) -> Graph:
    def num(value: float) -> np.ndarray:
        return np.array(value)

    nodes = {
        "x": Input((6,)),
        "fc": Linear(np.random.default_rng(0).normal(size=(3, 6))),
        "n": LIF((3,), num(5e-3), num(5.0), num(0.0), num(threshold), "zero"),
        "y": Output((3,)),
    }
    return Graph(nodes, (("x", "fc"), ("fc", "n"), ("n", "y")), 1e-3, "euler")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_bytes": "18"}, "budget is 18 bytes, it must be a positive number"),
        ({"layer_bits": {3: 4}}, "there is no layer 3 to give bits to; there are fc"),
        ({"calibration": X[:0]}, r"'x' of shape \(0, 8, 6\) is empty"),
        ({"calibration": X[:, :0]}, r"'x' of shape \(30, 0, 6\) is empty"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(QuantizationError, match=words):
        cc.quantize(small(), **{"calibration": X, **options})


def test_a_range_of_hundreds_of_digits_is_shortened() -> None:
    with pytest.raises(QuantizationError, match="24-bit integers") as refused:
        cc.quantize(small(), calibration=np.full((3, 2, 6), 1e300))
    assert len(str(refused.value)) < 200


def test_a_threshold_that_no_scale_resolves_does_not_ask_for_the_calibration_that_was_given() -> None:
    with pytest.raises(QuantizationError, match="even as calibration saw it"):
        cc.quantize(small(1e-4), calibration=X)
    with pytest.raises(QuantizationError, match="give calibration data"):
        cc.quantize(small(1e-4), input_ranges={"x": (0, 1)})


@pytest.mark.parametrize("bits", [8, np.int64(8), np.array([8]), {8}, iter([8])])
def test_a_sweep_takes_one_width_or_any_collection(bits: Any) -> None:
    sweep = cc.sweep(small(), bits, calibration=X)
    assert [p.bits for p in sweep.points] == [8]
    assert json.loads(json.dumps(sweep.to_json()))["points"][0]["bits"] == 8


@pytest.mark.parametrize("bits", [8.0, "8", None, True, [8.5], (), [[8]]])
def test_what_no_sweep_can_be_made_of_is_named(bits: Any) -> None:
    with pytest.raises(QuantizationError, match="the sweep has"):
        cc.sweep(small(), bits, calibration=X)


def test_numpys_integers_are_bits() -> None:
    net = cc.quantize(small(), np.int64(6), calibration=X, layer_bits={"fc": np.int8(4)})
    config = json.loads(json.dumps(net.metadata))["quantization"]["config"]
    assert (config["bits"], config["overrides"]) == (6, {"fc": 4})


@pytest.mark.parametrize("network", [None, cc.quantize(small(), calibration=X)])
def test_only_a_float_graph_is_quantized(network: Any) -> None:
    for call in (cc.quantize, cc.sweep):
        with pytest.raises(GraphError, match="only a float graph can be quantized"):
            call(network, calibration=X)


def test_labels_may_be_whole_floats() -> None:
    labels = np.random.default_rng(2).integers(0, 3, 8)
    whole, floats = (cc.quantize(small(), calibration=X, labels=given) for given in (labels, labels.astype(np.float32)))
    assert whole.report is not None and floats.report is not None
    assert whole.report.accuracy == floats.report.accuracy is not None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full(8, 0.5), "whole numbers of shape"),
        (np.full(8, np.nan), "whole numbers of shape"),
        (np.full(8, np.inf), "there are 3 classes"),
        ([[0], [1, 2]], "labels cannot be made a NumPy array"),
    ],
)
def test_other_labels_are_refused(labels: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        cc.quantize(small(), calibration=X, labels=labels)


def test_inputs_that_are_no_arrays_are_refused() -> None:
    for given in ({"x": None}, "x.npz", {"x": [[0], [1, 2]]}):
        with pytest.raises(DataError, match="input 'x'"):
            cc.quantize(small(), calibration=given)  # type: ignore[arg-type]


def test_classes_that_are_no_list_are_refused() -> None:
    with pytest.raises(DataError, match="the classes of the network are 7"):
        cc.quantize(replace(small(), metadata={"classes": 7}), calibration=X, labels=np.zeros(8, int))


def test_a_misspelt_key_of_labels_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "judge.npz", x=X, label=np.zeros(8, int))
    with pytest.raises(DataError, match=r"holds label, which is no input .* classes are called 'labels'"):
        read_samples(str(tmp_path / "judge.npz"), "--judge", small(), 100)


def test_weights_that_lie_on_the_grid_lose_nothing() -> None:
    """Not even the rounding of the floats that they came through."""
    nodes = dict(small().nodes) | {"fc": Linear(np.arange(-9, 9).reshape(3, 6) / 9 / 3)}
    graph = Graph(nodes, small().edges, 1e-3, "euler")
    first = cc.quantize(graph, 8, X, scale="max")
    again = cc.quantize(as_quantized(graph, first), 8, X, scale="max")
    assert first.report is not None and first.report.populations[0].layers[0].sqnr_db is not None
    assert again.report is not None and again.report.populations[0].layers[0].sqnr_db is None


def as_quantized(graph: Graph, network: IntegerNetwork) -> Graph:
    """The float graph that the integers stand for."""
    unit = network.metadata["quantization"]["populations"]["n"]["unit"]
    operation = network.populations[0].synapses[0].operation
    node = graph.nodes["n"]
    assert isinstance(node, LIF)
    gain = float((1e-3 / node.tau) * node.r)
    weight = operation.weight * 2.0**operation.weight_exp * unit / gain
    return Graph({**graph.nodes, "fc": Linear(weight)}, graph.edges, 1e-3, "euler")
