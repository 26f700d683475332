"""Numbers at the edges of floats and of what a file can claim: quantized, or refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import GraphError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nir_io import load_graph_file, write_integer_nir
from cortexcore.export.nodes import LI, LIF, Input, Linear, Output
from cortexcore.export.quantize import quantize

ONE, ZERO = np.ones(()), np.zeros(())
RANGE = {"x": (-5, 5)}


def graph(weight: float, threshold: float = 1.0) -> Graph:
    """One LIF behind two weights, ``weight`` and half of it less a little."""
    neuron = LIF((1,), 5e-3 * ONE, 5 * ONE, ZERO, threshold * ONE, "zero")
    nodes = {"x": Input((2,)), "w": Linear(np.array([[weight, 0.49 * weight]])), "n": neuron, "y": Output((1,))}
    return Graph(nodes, (("x", "w"), ("w", "n"), ("n", "y")), 1e-3, "euler")


@pytest.mark.parametrize(("weight", "threshold"), [(1e-320, 1.0), (1e-30, 1.0), (1.0, 1e308)])
def test_weights_lost_beside_a_threshold_are_told_apart(weight: float, threshold: float) -> None:
    with pytest.raises(QuantizationError, match="'n' has weights so small beside its threshold"):
        quantize(graph(weight, threshold), None, None, RANGE)


@pytest.mark.filterwarnings("error")
def test_weights_that_overflow_with_their_gain_are_refused() -> None:
    nodes = {**graph(1e308).nodes, "n": LIF((1,), 5e-3 * ONE, 500 * ONE, ZERO, ONE, "zero")}
    with pytest.raises(QuantizationError, match="'w' times the gain of its neurons is too large"):
        quantize(replace(graph(1.0), nodes=nodes), None, None, RANGE)


@pytest.mark.filterwarnings("error")
def test_figures_do_not_depend_on_the_unit() -> None:
    """Weights and threshold in any common unit quantize alike, and their squares need not fit a float."""
    found = [quantize(graph(unit, 1.5 * unit), None, None, RANGE) for unit in (1.0, 2.0**600, 2.0**-600)]
    layers = [n.metadata["quantization"]["populations"]["n"]["layers"]["w"] for n in found]
    assert layers[0]["sqnr_db"] > 40 and layers[0] == layers[1] == layers[2]
    assert len({tuple(n.populations[0].synapses[0].operation.weight.flat) for n in found}) == 1


@pytest.mark.parametrize("value", [[-5], 7, ["a", "b"], [0, float("inf")], [0, [1]], [0.5, 2], [5, -5], [0, 2**24]])
def test_a_range_in_metadata_is_checked(value: object) -> None:
    with pytest.raises(QuantizationError, match="two ascending 24-bit integers"):
        quantize(replace(graph(1.0), metadata={"input_ranges": {"x": value}}))


def test_ranges_in_metadata_are_named_by_input() -> None:
    with pytest.raises(QuantizationError, match="input_ranges 3"):
        quantize(replace(graph(1.0), metadata={"input_ranges": 3}))


def test_a_missing_range_names_the_command_line_too() -> None:
    with pytest.raises(QuantizationError, match=r"--calibration X\.npz, or input_ranges="):
        quantize(graph(1.0))


def test_infinite_calibration_is_refused() -> None:
    with pytest.raises(QuantizationError, match="not integers"):
        quantize(graph(1.0), None, {"x": np.full((2, 1, 2), np.inf)})


def network() -> IntegerNetwork:
    synapses = Synapses("w", "x", Dense(np.full((1, 2), 2, np.int32)))
    population = Population("n", (1,), (synapses,), 4095, 300, 500, np.zeros((), np.int32))
    return IntegerNetwork((InputPort("x", (2,), -9, 9),), (population,), (OutputPort("y", "n"),), 1e-3)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("inputs", 0, "high"), float("nan"), "the high nan"),
        (("inputs", 0, "high"), 2**40, "within ±"),
        (("inputs", 0, "shape"), [2.5], "the shape 2.5"),
        (("populations", 0, "vth"), {}, "the vth {}"),
        (("populations", 0, "dv"), 3.5, "the dv 3.5"),
        (("populations", 0, "du"), True, "the du True"),
        (("populations", 0, "synapses", 0, "operation", "weight_exp"), "1", "the weight_exp '1'"),
        (("metadata",), 5, "lacks part"),
        (("dt_s",), float("nan"), "dt_s is nan"),
    ],
)
def test_numbers_of_an_integer_file_are_whole(
    tmp_path: Path, path: tuple[str | int, ...], value: object, says: str
) -> None:
    import h5py

    write_integer_nir(network(), tmp_path / "i.nir")
    with h5py.File(tmp_path / "i.nir", "r+") as file:
        said = json.loads(file["node/metadata/cortexcore"][()])
        place = said
        for key in path[:-1]:
            place = place[key]
        assert path[-1] in place or isinstance(path[-1], int)
        place[path[-1]] = value
        del file["node/metadata/cortexcore"]
        file["node/metadata/cortexcore"] = json.dumps(said)
    with pytest.raises(GraphError, match=says):
        load_graph_file(tmp_path / "i.nir")


@pytest.mark.parametrize("place", ["node/type", "node/nodes/n/type", "node/nodes/n/v_leak"])
def test_datasets_of_another_shape_are_refused(tmp_path: Path, place: str) -> None:
    import h5py

    write_integer_nir(network(), tmp_path / "i.nir")
    with h5py.File(tmp_path / "i.nir", "r+") as file:
        del file[place]
        file[place] = np.zeros((0, 2)) if place.endswith("v_leak") else np.array([1.0, 2.0])
    with pytest.raises(GraphError, match=r"i\.nir (holds no|holds nodes without|lacks part)"):
        load_graph_file(tmp_path / "i.nir")


def test_a_graph_without_neurons_has_a_profile() -> None:
    from cortexcore.targets.compiled import compile

    nodes = {"x": Input((2,)), "w": Linear(np.eye(2)), "y": Output((2,))}
    bare = compile(Graph(nodes, (("x", "w"), ("w", "y")), 1e-3, "euler"), "reference")
    assert bare.profile(np.ones((3, 2, 2))).operations["dense MACs"].value == 4 * 3
    readout = replace(graph(1.0), nodes={**graph(1.0).nodes, "n": LI((1,), 5e-3 * ONE, 5 * ONE, ZERO)})
    assert compile(readout, "reference").profile(np.ones((3, 2, 2))).operations["neuron updates"].value == 3
