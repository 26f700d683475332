"""Quantization: grids, scales, bounds, and integer networks that decide as their float graphs do."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import DataError, GraphError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.bounds import bounds
from cortexcore.export.graph import Graph
from cortexcore.export.network import Conv1d as IntConv1d
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, Flatten, Input, Linear, Node, Output
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.export.quantize.grids import (
    bias_on_grid,
    decay_current,
    decay_voltage,
    step_of,
    top_ratio,
    weights_on_grid,
)

RANGES = {"window": (-127, 127), "rhythm": (-127, 127)}


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def lif(*shape: int, beta: float = 0.8, reset: str = "zero", delay: bool = False, threshold: float = 1.0) -> LIF:
    gain = num(1 / (1 - beta))
    return LIF(shape, gain * 1e-3, gain, num(0), num(threshold), reset, delay)  # type: ignore[arg-type]


def li(*shape: int, beta: float = 0.9) -> LI:
    return LI(shape, num(1e-3 / (1 - beta)), num(1 / (1 - beta)), num(0))


def beat_graph(seed: int = 0, reset: str = "zero", delay: bool = False) -> Graph:
    """Window and rhythm in, conv → LIF → dense + dense → LIF → dense → LI out."""
    rng = np.random.default_rng(seed)
    nodes: dict[str, Node] = {
        "window": Input((2, 40)),
        "rhythm": Input((4,)),
        "conv": Conv1d(rng.normal(size=(6, 2, 5)) * 0.006, rng.normal(size=6) * 0.1, 40, 2, 2),
        "a": lif(6, 20, reset=reset, delay=delay),
        "flat": Flatten((6, 20)),
        "dense": Affine(rng.normal(size=(16, 120)) * 0.15, rng.normal(size=16) * 0.05),
        "mix": Linear(rng.normal(size=(16, 4)) * 0.004),
        "b": lif(16, reset=reset, delay=delay),
        "out": Affine(rng.normal(size=(4, 16)), rng.normal(size=4) * 0.1),
        "r": li(4),
        "y": Output((4,)),
    }
    edges = (("window", "conv"), ("conv", "a"), ("a", "flat"), ("flat", "dense"), ("dense", "b"), ("rhythm", "mix"))
    edges += (("mix", "b"), ("b", "out"), ("out", "r"), ("r", "y"))
    return Graph(nodes, edges, 1e-3, "euler", {"classes": ["N", "S", "V", "F"]})


def beats(count: int = 48, steps: int = 16, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    window, rhythm = rng.integers(-127, 128, (count, 2, 40)), rng.integers(-127, 128, (count, 4))
    return {
        "window": np.broadcast_to(window, (steps, *window.shape)).astype(np.int8),
        "rhythm": np.broadcast_to(rhythm, (steps, *rhythm.shape)).astype(np.int8),
    }


@pytest.mark.parametrize("bits", range(2, 9))
def test_weights_lie_on_loihis_grid(bits: int) -> None:
    grid = weights_on_grid(np.linspace(-400, 400, 2001), bits)
    step = 2 ** (9 - bits)
    assert step_of(bits) == step and len(np.unique(grid)) == 2**bits
    assert grid.min() == -256 and grid.max() == 256 - step and not np.any(grid % step)
    inside = np.linspace(-256, 256 - step, 997)
    assert np.abs(weights_on_grid(inside, bits) - inside).max() <= step / 2


def test_the_top_ratio_just_fits() -> None:
    weights = np.array([-3.0, 0.0, 1.0, 2.0])
    assert np.abs(weights / top_ratio(weights, 8)).max() == 256
    assert (weights[3:] * 5 / top_ratio(weights * np.array([1, 1, 1, 5]), 8)).max() == 254
    assert top_ratio(np.zeros(3), 8) == 0
    assert top_ratio(np.array([1.0] * 99 + [100.0]), 8, 90) == 1 / 254


def test_decays_and_biases() -> None:
    assert [decay_voltage(num(b)) for b in (0.0, 1e-5, 0.5, 0.9, 1.0)] == [4096, 4095, 2048, 410, 0]
    assert [decay_current(num(a)) for a in (0.0, 0.5, 1.0)] == [4095, 2047, 0]
    each, shared = decay_voltage(np.array([0.5, 1.0])), decay_voltage(np.array([0.5, 0.5]))
    assert isinstance(each, np.ndarray) and each.dtype == np.int32 and each.tolist() == [2048, 0] and shared == 2048
    mantissa, exponent = bias_on_grid(np.array([4095.0 * 4, -10.0])) or (None, None)
    assert mantissa is not None and mantissa.tolist() == [4095, -2] and exponent == 2
    assert bias_on_grid(np.array([4096.0 * 128])) is None
    shared = bias_on_grid(np.full((3, 2), 5.0))
    assert shared is not None and shared[0].shape == () and int(shared[0]) == 5


@pytest.mark.parametrize("scale", ["max", "percentile", "mse", "activity"])
def test_decisions_survive_eight_bits(scale: str) -> None:
    graph, data = beat_graph(), beats()
    network = quantize(graph, QuantizationConfig(scale=scale), data, RANGES)  # type: ignore[arg-type]
    floats, integers = reference.run(graph, data), integer.run(network, data)
    decided = floats.outputs["y"][-1].argmax(-1) == integers.outputs["y"][-1].argmax(-1)
    assert len(set(floats.outputs["y"][-1].argmax(-1))) > 1 and decided.mean() >= 0.9
    for name in ("a", "b"):
        assert (
            np.mean(floats.spikes[name] == integers.spikes[name]) > 0.95 and 0.02 < integers.spikes[name].mean() < 0.9
        )
    unit = network.metadata["quantization"]["populations"]["r"]["unit"]
    error = np.abs(integers.outputs["y"] * unit / 64 - floats.outputs["y"])
    assert np.median(error) < 0.05 * np.abs(floats.outputs["y"]).max()
    assert not any(integers.current_wraps.values()) and not any(integers.voltage_clips.values())
    assert all(found.holds for found in bounds(network).values())
    json.dumps(network.metadata, allow_nan=False)


@pytest.mark.parametrize(("reset", "delay"), [("subtract", False), ("subtract", True)])
def test_subtract_is_kept(reset: str, delay: bool) -> None:
    graph, data = beat_graph(reset=reset, delay=delay), beats()
    network = quantize(graph, None, data, RANGES)
    assert network.population("a").reset == "subtract" and network.population("a").reset_delay == delay
    floats, integers = reference.run(graph, data), integer.run(network, data)
    assert np.mean(floats.spikes["b"] == integers.spikes["b"]) > 0.95


def test_more_bits_lose_less() -> None:
    graph, data = beat_graph(), beats()
    floats = reference.run(graph, data).spikes
    shares, sqnr = [], []
    for bits in (2, 4, 6, 8):
        network = quantize(graph, QuantizationConfig(bits=bits), None, RANGES)
        shares.append(float(np.mean(floats["b"] == integer.run(network, data).spikes["b"])))
        sqnr.append(network.metadata["quantization"]["populations"]["b"]["layers"]["dense"]["sqnr_db"])
        assert not np.any(network.population("b").synapses[0].operation.weight % 2 ** (9 - bits))
    assert sqnr == sorted(sqnr) and sqnr[-1] > sqnr[0] + 25 and shares[-1] == max(shares) and shares[-1] > shares[0]


def test_mse_loses_least_and_percentile_clips() -> None:
    graph = beat_graph()
    heavy = graph.nodes["dense"]
    assert isinstance(heavy, Affine)
    heavy.weight[0, 0] = 3.0

    def figures(scale: str) -> dict[str, float]:
        config = QuantizationConfig(bits=4, scale=scale, percentile=99.0)  # type: ignore[arg-type]
        return quantize(graph, config, None, RANGES).metadata["quantization"]["populations"]["b"]["layers"]["dense"]

    assert figures("mse")["sqnr_db"] > figures("max")["sqnr_db"]
    assert figures("max")["clipped"] == 0 < figures("percentile")["clipped"]


def test_layers_can_have_their_own_bits() -> None:
    network = quantize(beat_graph(), QuantizationConfig(bits=8, overrides={"mix": 3}), None, RANGES)
    layers = network.metadata["quantization"]["populations"]["b"]["layers"]
    assert (layers["dense"]["bits"], layers["mix"]["bits"]) == (8, 3)
    exponents = {s.name: s.operation.weight_exp for s in network.population("b").synapses}
    assert exponents["mix"] < exponents["dense"]


def test_what_the_network_says_of_itself() -> None:
    graph = beat_graph()
    network = quantize(graph, None, None, RANGES)
    assert network.metadata["classes"] == ["N", "S", "V", "F"]
    said = network.metadata["quantization"]
    assert said["inputs"]["window"] == {"low": -127, "high": 127, "from": "argument"}
    a, figures = network.population("a"), said["populations"]["a"]
    assert a.vth is not None and a.vth * figures["unit"] == pytest.approx(1.0, rel=1e-3)
    assert figures["bound"]["kind"] == "static" and figures["bound"]["value"] <= figures["bound"]["limit"] == 2**23 - 1
    assert figures["decay_v"]["wanted"] == pytest.approx(0.8) and abs(figures["decay_v"]["got"] - 0.8) < 1 / 4096
    wanted = graph.nodes["conv"]
    operation = a.synapses[0].operation
    assert isinstance(wanted, Conv1d) and isinstance(operation, IntConv1d)
    got = operation.weight * 2.0**operation.weight_exp * figures["unit"]
    np.testing.assert_allclose(got, wanted.weight, atol=np.abs(wanted.weight).max() / 250)
    bias = a.bias * 2.0**a.bias_exp / 64 * figures["unit"]
    np.testing.assert_allclose(bias, np.repeat(wanted.bias[:, None], 20, 1), atol=figures["bias_error"] + 1e-12)
    assert figures["bias_error"] < 1e-3


def recurrent_graph(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    nodes: dict[str, Node] = {
        "x": Input((5,)),
        "in": Linear(rng.normal(size=(7, 5))),
        "n": lif(7, beta=0.7),
        "rec": Linear(rng.normal(size=(7, 7)) * 0.3),
        "y": Output((7,)),
    }
    edges = (("x", "in"), ("in", "n"), ("n", "rec"), ("rec", "n"), ("n", "y"))
    return Graph(nodes, edges, 1e-3, "euler")


def test_recurrence_is_kept() -> None:
    graph, rng = recurrent_graph(0), np.random.default_rng(1)
    data = {"x": rng.integers(0, 2, (60, 5, 5))}
    network = quantize(graph, None, data)
    assert [s.recurrent for s in network.population("n").synapses] == [False, True]
    assert network.metadata["quantization"]["inputs"]["x"] == {"low": 0, "high": 1, "from": "calibration"}
    floats, integers = reference.run(graph, data), integer.run(network, data)
    assert np.mean(floats.spikes["n"] == integers.spikes["n"]) > 0.95 and integers.spikes["n"].any()


@pytest.mark.parametrize("beta", [0.95, 0.9995])
def test_calibration_where_no_proof_is_fine_enough(beta: float) -> None:
    """A slow leak leaves the threshold few steps under the geometric bound, or too few: calibration takes over."""
    rng = np.random.default_rng(2)
    nodes: dict[str, Node] = {
        "x": Input((300,)),
        "fc": Linear(rng.normal(size=(4, 300))),
        "n": lif(4, beta=beta),
        "y": Output((4,)),
    }
    graph = Graph(nodes, (("x", "fc"), ("fc", "n"), ("n", "y")), 1e-3, "euler")
    data = {"x": (rng.random((40, 5, 300)) < 0.02).astype(int)}
    if beta == 0.95:
        blind = quantize(graph, None, None, {"x": (0, 1)}).metadata["quantization"]["populations"]["n"]
        assert blind["bound"]["kind"] == "static" and 32 <= blind["vth"] < 256
    else:
        with pytest.raises(QuantizationError, match="give calibration data"):
            quantize(graph, None, None, {"x": (0, 1)})
    network = quantize(graph, None, data, {"x": (0, 1)})
    seen = network.metadata["quantization"]["populations"]["n"]
    assert seen["bound"]["kind"] == "calibrated" and seen["vth"] >= 256 and seen["bound"]["margin"] == 2.0
    trace = integer.run(network, data)
    assert not trace.current_wraps["n"] and not trace.voltage_clips["n"]
    peak = max(np.abs(trace.u["n"]).max(), np.abs(trace.v["n"]).max())
    assert peak <= 1.02 * seen["bound"]["value"] and seen["bound"]["value"] * 2 <= seen["bound"]["limit"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8]), st.sampled_from(["max", "percentile", "mse"]))
def test_what_is_proven_holds(seed: int, bits: int, scale: str) -> None:
    """Random graphs, quantized without data, neither wrap nor clip on any input in range."""
    rng = np.random.default_rng(seed)
    graph = beat_graph(seed, str(rng.choice(["zero", "subtract"])), bool(rng.random() < 0.5))
    network = quantize(graph, QuantizationConfig(bits, scale=scale), None, RANGES)  # type: ignore[arg-type]
    data = beats(4, 20, seed)
    data["window"] = np.where(rng.random(data["window"].shape) < 0.5, -127, 127)
    trace = integer.run(network, data)
    assert not any(trace.current_wraps.values()) and not any(trace.voltage_clips.values())


def test_a_layer_of_zeros_stays_silent() -> None:
    nodes: dict[str, Node] = {
        "x": Input((2,)),
        "fc": Linear(np.zeros((3, 2))),
        "n": lif(3),
        "out": Linear(np.zeros((1, 3))),
        "r": li(1),
        "y": Output((1,)),
    }
    graph = Graph(nodes, tuple(zip(list(nodes), list(nodes)[1:], strict=False)), 1e-3, "euler")
    trace = integer.run(quantize(graph, None, None, {"x": (0, 1)}), {"x": np.ones((5, 1, 2), int)})
    assert not trace.spikes["n"].any() and not trace.outputs["y"].any()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bits": 9}, "bits is 9"),
        ({"bits": 1}, "from 2 to 8"),
        ({"bits": 4.0}, "whole number"),
        ({"overrides": {"a": 16}}, "bits of 'a' is 16"),
        ({"scale": "best"}, "'best'"),
        ({"percentile": 10}, "percentile is 10"),
        ({"margin": 0.5}, "margin is 0.5"),
        ({"margin": float("inf")}, "margin is inf"),
        ({"threshold_levels": 0}, "threshold_levels is 0"),
    ],
)
def test_configurations_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(QuantizationError, match=says):
        QuantizationConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"config": QuantizationConfig(overrides={"nope": 4}), "input_ranges": RANGES}, "no layer nope"),
        ({}, "input 'window' has no range.*input 'rhythm' has no range"),
        ({"input_ranges": {**RANGES, "z": (0, 1)}}, "no input z"),
        ({"input_ranges": {**RANGES, "rhythm": (3, 1)}}, "two ascending"),
        ({"input_ranges": {**RANGES, "rhythm": (0, 0.5)}}, "24-bit integers"),
        ({"input_ranges": {**RANGES, "rhythm": (0, 2**24)}}, "24-bit integers"),
        ({"input_ranges": {**RANGES, "rhythm": (0, 1)}, "calibration": beats(2, 2)}, "outside"),
        ({"calibration": {n: a * 0.5 for n, a in beats(2, 2).items()}}, "not integers"),
    ],
)
def test_unfit_arguments_are_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(QuantizationError, match=says):
        quantize(beat_graph(), **arguments)  # type: ignore[arg-type]


def test_misshapen_calibration_is_a_data_error() -> None:
    with pytest.raises(DataError, match="shape"):
        quantize(beat_graph(), None, {"window": np.zeros((2, 2, 40), int), "rhythm": np.zeros((2, 2, 4), int)}, RANGES)


def test_ranges_come_from_metadata() -> None:
    graph = replace(beat_graph(), metadata={"input_ranges": {name: list(r) for name, r in RANGES.items()}})
    network = quantize(graph)
    assert [(p.low, p.high) for p in network.inputs] == [(-127, 127)] * 2
    assert network.metadata["quantization"]["inputs"]["rhythm"]["from"] == "metadata"


def test_no_scale_fits() -> None:
    """No leak and no calibration: an LI adds up for ever."""
    nodes: dict[str, Node] = {
        "x": Input((1,)),
        "fc": Linear(np.ones((1, 1))),
        "r": li(1, beta=0.99999),
        "y": Output((1,)),
    }
    graph = Graph(nodes, (("x", "fc"), ("fc", "r"), ("r", "y")), 1e-3, "euler")
    with pytest.raises(QuantizationError, match="'r' fits no integer scale"):
        quantize(graph, None, None, {"x": (0, 1)})
    network = quantize(graph, None, {"x": np.ones((20, 1, 1), int)})
    assert integer.run(network, {"x": np.ones((20, 1, 1), int)}).outputs["y"][-1] > 0


def sound() -> dict[str, object]:
    synapses = (Synapses("w", "x", Dense(np.ones((2, 3), np.int32))),)
    return {
        "name": "n",
        "shape": (2,),
        "synapses": synapses,
        "du": 4095,
        "dv": 9,
        "vth": 5,
        "bias": np.array(0, np.int32),
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"du": 4096}, "du of 'n' is 4096"),
        ({"dv": -1}, "dv of 'n'"),
        ({"vth": 2**17}, "vth of 'n'"),
        ({"bias_exp": 8}, "bias_exp"),
        ({"bias": np.array(5000, np.int32)}, "bias of 'n' is 5000"),
        ({"bias": np.zeros(3, np.int32)}, "scalar or"),
        ({"shape": ()}, "at least one axis"),
        ({"reset": "half"}, "'half', use one of"),
        ({"synapses": (Synapses("w", "x", Dense(np.ones((2, 4), np.int32))),)}, "have weights"),
        ({"synapses": (Synapses("w", "x", Dense(np.full((2, 3), 300, np.int32))),)}, "outside"),
        ({"synapses": (Synapses("w", "x", Dense(np.ones((2, 3), np.int32), 9)),)}, "weight_exp 9"),
        ({"synapses": (Synapses("w", "x", IntConv1d(np.ones((1, 1, 1), np.int32))),)}, "kernel"),
        ({"synapses": (Synapses("w", "x", IntConv1d(np.ones((1, 1, 1), np.int32), stride=0)),)}, "positive stride"),
        ({"synapses": (Synapses("w", "gone", Dense(np.ones((2, 3), np.int32))),)}, "does not exist"),
        ({"synapses": (Synapses("w", "n", Dense(np.ones((2, 2), np.int32))),)}, "before it is computed"),
        ({"synapses": sound()["synapses"] * 2}, "'w' stands twice"),  # type: ignore[operator]
    ],
)
def test_malformed_integer_networks_are_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(GraphError, match=says):
        IntegerNetwork(
            (InputPort("x", (3,), 0, 1),),
            (Population(**{**sound(), **change}),),
            (OutputPort("y", "n"),),
            1e-3,  # type: ignore[arg-type]
        )


def test_ports_are_checked() -> None:
    population = Population(**sound())  # type: ignore[arg-type]
    for ports, outputs, says in (
        ((InputPort("x", (3,), 2, 1),), (OutputPort("y", "n"),), "no range"),
        ((InputPort("x", (), 0, 1),), (OutputPort("y", "n"),), "no empty one"),
        ((InputPort("x", (3,), 0, 1),), (OutputPort("y", "x"),), "no population"),
        ((InputPort("x", (3,), 0, 1),), (OutputPort("y", "n"),) * 2, "output 'y' stands twice"),
        ((InputPort("x", (3,), 0, 1), InputPort("n", (3,), 0, 1)), (OutputPort("y", "n"),), "name 'n' stands twice"),
    ):
        with pytest.raises(GraphError, match=says):
            IntegerNetwork(ports, (population,), outputs, 1e-3)
