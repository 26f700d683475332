"""Every neuron, per-neuron parameters, delays and merged layers through quantization: integers that behave alike."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cortexcore.errors import DataError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.batches import SLICE
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Input,
    Linear,
    Node,
    Output,
    SumPool2d,
    Threshold,
)
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.export.quantize.prepare import prepare

ONE, ZERO = np.ones(()), np.zeros(())


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def normal(*shape: int) -> np.ndarray:
    """The same for a shape in every test, whichever ran before."""
    return np.random.default_rng(shape).normal(size=shape)


def chain(*named: tuple[str, Node], dt_s: float = 1e-3) -> Graph:
    nodes = dict(named)
    names = list(nodes)
    return Graph(nodes, tuple(itertools.pairwise(names)), dt_s, "exponential")


def spikes(*shape: int, steps: int = 40, batch: int = 6, rate: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(5).random((steps, batch, *shape)) < rate).astype(np.int8)


def agreement(graph: Graph, data: np.ndarray, name: str) -> float:
    network = quantize(graph, None, {"x": data}, {"x": (0, 1)})
    floats, integers = reference.run(graph, {"x": data}), integer.run(network, {"x": data})
    assert 0.01 < floats.spikes[name].mean() < 0.95
    assert not any(integers.current_wraps.values()) and not any(integers.voltage_clips.values())
    return float(np.mean(floats.spikes[name] == integers.spikes[name]))


@pytest.mark.parametrize("reset", ["zero", "subtract", "none"])
def test_parameters_per_neuron(reset: str) -> None:
    """One tau, gain, leak and threshold per neuron, behind a dense layer: registers of one value per neuron."""
    n = 12
    rng = np.random.default_rng(11)
    neuron = LIF(
        (n,),
        rng.uniform(3e-3, 2e-2, n),
        rng.uniform(4, 8, n),
        rng.uniform(-0.1, 0.1, n),
        rng.uniform(0.5, 1.5, n),
        reset,  # type: ignore[arg-type]
    )
    graph = chain(("x", Input((20,))), ("fc", Linear(normal(n, 20))), ("n", neuron), ("y", Output((n,))))
    data = spikes(20)
    assert agreement(graph, data, "n") > 0.97
    network = quantize(graph, None, {"x": data}, {"x": (0, 1)})
    population, figures = network.population("n"), network.metadata["quantization"]["populations"]["n"]
    assert population.reset == reset and not population.uniform
    assert isinstance(population.dv, np.ndarray) and isinstance(population.vth, np.ndarray)
    beta = np.exp(-1e-3 / neuron.tau)
    np.testing.assert_array_equal(population.dv, np.round(4096 * (1 - beta)))
    np.testing.assert_allclose(population.vth * figures["unit"], neuron.v_threshold, rtol=1e-2)
    worst = np.argmax(np.abs((4096 - population.dv) / 4096 - beta))
    assert figures["decay_v"]["wanted"] == pytest.approx(beta[worst])
    assert figures["vth"] == population.vth.min()
    errors = population.vth * figures["unit"] / neuron.v_threshold - 1
    assert abs(figures["threshold_error"]) == pytest.approx(np.abs(errors).max())
    json.dumps(network.metadata, allow_nan=False)


def test_equal_parameters_per_neuron_are_one_register() -> None:
    full = np.full((3, 4), 1.0)
    neuron = LIF((3, 4), 5e-3 * full, 5 * full, 0 * full, full, "zero")
    conv = Conv1d(normal(3, 2, 3), np.zeros(3), 6)
    graph = chain(("x", Input((2, 6))), ("conv", conv), ("n", neuron), ("y", Output((3, 4))))
    population = quantize(graph, None, None, {"x": (0, 1)}).population("n")
    assert all(isinstance(value, int) for value in (population.du, population.dv, population.vth))
    assert population.bias.shape == ()


def test_gains_per_channel_stay_in_the_kernel() -> None:
    r = np.repeat([[4.0], [6.0], [8.0]], 4, axis=1)
    conv = Conv1d(normal(3, 2, 3), np.zeros(3), 6)
    graphs = []
    for gain in (r, r + np.arange(4)):
        neuron = LIF((3, 4), num(5e-3), gain, ZERO, ONE, "zero")
        graphs.append(chain(("x", Input((2, 6))), ("conv", conv), ("n", neuron), ("y", Output((3, 4)))))
    kinds = [type(quantize(g, None, None, {"x": (0, 1)}).population("n").synapses[0].operation) for g in graphs]
    assert [kind.__name__ for kind in kinds] == ["Conv1d", "Dense"]
    assert all(agreement(graph, spikes(2, 6, rate=0.5), "n") > 0.98 for graph in graphs)


def test_integrate_and_fire_and_the_readouts() -> None:
    data = spikes(8)
    for readout in (
        LI((3,), num(1e-2), ONE, num(0.1)),
        CubaLI((3,), num(4e-3), num(1e-2), ONE, ZERO, num(2.0)),
        I((3,), num(100.0)),
    ):
        graph = chain(
            ("x", Input((8,))),
            ("fc", Affine(normal(6, 8), normal(6) * 0.1)),
            ("n", IF((6,), num(1000.0), num(2.0), "subtract")),
            ("out", Linear(normal(3, 6))),
            ("r", readout),
            ("y", Output((3,))),
        )
        network = quantize(graph, None, {"x": data}, {"x": (0, 1)})
        assert network.population("n").dv == 0 and network.population("r").vth is None
        floats, integers = reference.run(graph, {"x": data}), integer.run(network, {"x": data})
        assert np.mean(floats.spikes["n"] == integers.spikes["n"]) > 0.97
        unit = network.metadata["quantization"]["populations"]["r"]["unit"] / 64
        peak = np.abs(floats.outputs["y"]).max()
        assert np.abs(integers.outputs["y"] * unit - floats.outputs["y"]).mean() < 0.05 * peak


def test_thresholds_without_memory() -> None:
    """Negative thresholds too: they become biases, exactly where the weights lie on the grid."""
    weight = np.random.default_rng(11).integers(-100, 100, (5, 6)) * 2.0
    weight[0, 0] = -256.0
    threshold = np.array([-30.0, -2.0, 0.0, 8.0, 64.0])
    graph = chain(("x", Input((6,))), ("fc", Linear(weight)), ("n", Threshold((5,), threshold)), ("y", Output((5,))))
    data = spikes(6)
    network = quantize(graph, None, None, {"x": (0, 1)})
    assert network.population("n").dv == 4096 and network.population("n").du == 4095
    wanted, got = reference.run(graph, {"x": data}).spikes["n"], integer.run(network, {"x": data}).spikes["n"]
    np.testing.assert_array_equal(wanted, got)
    assert wanted.any(axis=(0, 1)).all()


def test_cuba_lif() -> None:
    rng = np.random.default_rng(5)
    cuba = CubaLIF((8,), num(4e-3), num(1e-2), num(3.0), num(0.05), num(0.4), num(2.0), "zero")
    nodes: dict[str, Node] = {
        "x": Input((12,)),
        "fc": Linear(rng.normal(size=(8, 12))),
        "n": cuba,
        "y": Output((8,)),
    }
    graph = Graph(nodes, (("x", "fc"), ("fc", "n"), ("n", "y")), 1e-3, "exponential")
    data = {"x": rng.integers(0, 2, (120, 6, 12))}
    network = quantize(graph, None, data, {"x": (0, 1)})
    population = network.population("n")
    assert population.du == round(4096 * (1 - np.exp(-0.25))) - 1 and population.dv == round(4096 * (1 - np.exp(-0.1)))
    floats, integers = reference.run(graph, data), integer.run(network, data)
    assert np.mean(floats.spikes["n"] == integers.spikes["n"]) > 0.99 and integers.spikes["n"].any()


def test_a_bias_into_a_synaptic_current() -> None:
    """The bias is filtered as any input is: a neuron that fires every step carries it."""
    neuron = CubaLIF((5,), num(6e-3), num(1e-2), num(3.0), num(0.05), num(0.4), num(2.0), "zero")
    layer = Affine(normal(5, 7), normal(5))
    graph = chain(("x", Input((7,))), ("fc", layer), ("n", neuron), ("y", Output((5,))))
    data = spikes(7, steps=80)
    network = quantize(graph, QuantizationConfig(bits=8), {"x": data}, {"x": (0, 1)})
    trace = integer.run(network, {"x": data})
    assert [p.name for p in network.populations] == ["n_on", "n"] and trace.spikes["n_on"].all()
    wanted = reference.run(graph, {"x": data})
    assert np.mean(wanted.spikes["n"] == trace.spikes["n"]) > 0.98 and wanted.spikes["n"].any()
    unit = network.metadata["quantization"]["populations"]["n"]["unit"] / 64
    gain = float((1 - np.exp(-0.1)) * 3)
    np.testing.assert_allclose(
        trace.u["n"] * unit, wanted.u["n"] * gain, atol=0.02 * np.abs(wanted.u["n"] * gain).max()
    )
    assert "helper" in network.metadata["quantization"]["populations"]["n_on"]
    coarse = quantize(graph, QuantizationConfig(bits=2), {"x": data}, {"x": (0, 1)})
    layers = coarse.metadata["quantization"]["populations"]["n"]["layers"]
    assert {name: layer["bits"] for name, layer in layers.items()} == {"fc": 2, "n_on_to_n": 8}


def delayed_graph(delay: np.ndarray) -> Graph:
    return chain(
        ("x", Input((4,))),
        ("a", Linear(normal(6, 4))),
        ("n", LIF((6,), num(5e-3), num(5.0), ZERO, ONE, "zero")),
        ("d", Delay(delay)),
        ("b", Linear(np.abs(normal(3, 6)))),
        ("m", LIF((3,), num(5e-3), num(5.0), ZERO, ONE, "zero")),
        ("y", Output((3,))),
    )


def test_delays_are_relays() -> None:
    """Relays spike as their source did, k − 1 steps later, and are told apart from the graph's own populations."""
    graph, data = delayed_graph(num(3e-3)), spikes(4)
    network = quantize(graph, None, {"x": data}, {"x": (0, 1)})
    assert [p.name for p in network.populations] == ["n", "n_late1", "n_late2", "n_late3", "m"]
    trace = integer.run(network, {"x": data})
    assert trace.spikes["n"].any()
    for late in range(3):
        sent = trace.spikes["n"][: len(data) - late]
        np.testing.assert_array_equal(trace.spikes[f"n_late{late + 1}"][late:], sent)
    (link,) = network.population("m").synapses
    assert (link.name, link.source, link.recurrent) == ("b", "n_late3", True)
    said = network.metadata["quantization"]["populations"]
    assert [name for name in said if "helper" in said[name]] == ["n_late1", "n_late2", "n_late3"]
    wanted = reference.run(graph, {"x": data}).spikes["m"]
    assert wanted.any() and np.mean(wanted == trace.spikes["m"]) > 0.97


def test_helper_populations_run_on_every_target() -> None:
    """Relays of neurons and of inputs, and the neuron that carries a bias, bit for bit on ONNX and on Lava's Loihi."""
    from cortexcore.targets.compare import compare

    cuba = CubaLIF((6,), num(6e-3), num(1e-2), num(3.0), num(0.05), num(0.4), num(2.0), "zero")
    layer = Affine(np.abs(normal(6, 4)), np.full(6, 0.3))
    biased = chain(("x", Input((4,))), ("fc", layer), ("n", cuba), ("y", Output((6,))))
    late = {**delayed_graph(num(1e-3)).nodes, "late": Delay(num(2e-3))}
    names = ("x", "late", "a", "n", "d", "b", "m", "y")
    both = Graph(late, tuple(itertools.pairwise(names)), 1e-3, "exponential")
    for graph, helpers in ((biased, 1), (both, 3), (delayed_graph(num(2e-3)), 2)):
        data = spikes(4, batch=3)
        network = quantize(graph, None, {"x": data}, {"x": (0, 1)})
        assert len(network.populations) == len([n for n in graph.nodes if n in ("n", "m")]) + helpers
        comparison = compare(network, ["integer", "onnx", "loihi"], data)
        assert comparison.equal and comparison.differing_spikes == 0, comparison.to_text()


def test_spikes_of_an_input_can_be_delayed_and_graded_values_cannot() -> None:
    graph = chain(
        ("x", Input((4,))),
        ("d", Delay(num(2e-3))),
        ("a", Linear(normal(6, 4))),
        ("n", LIF((6,), num(5e-3), num(5.0), ZERO, ONE, "zero")),
        ("y", Output((6,))),
    )
    data = spikes(4)
    assert agreement(graph, data, "n") > 0.97
    for low, high in ((-3, 3), (0, 2), (-1, 1)):
        with pytest.raises(
            QuantizationError, match=f"'a' delays the input 'x', which takes values from {low} to {high}"
        ):
            quantize(graph, None, None, {"x": (low, high)})


def test_pools_and_flattens_between_neurons() -> None:
    """Neuron → pool → convolution → neuron → pool → flatten → dense, as in the NIR paper's network."""
    graph = chain(
        ("x", Input((2, 12, 12))),
        ("c1", Conv2d(normal(4, 2, 3, 3), np.zeros(4), (12, 12), (1, 1), (1, 1))),
        ("a", IF((4, 12, 12), num(1000.0), num(2.0), "subtract")),
        ("p1", SumPool2d((2, 2), (2, 2))),
        ("c2", Conv2d(normal(3, 4, 3, 3) * 0.3, np.zeros(3), (6, 6), (1, 1), (1, 1))),
        ("b", IF((3, 6, 6), num(1000.0), num(2.0), "subtract")),
        ("p2", SumPool2d((2, 2), (2, 2))),
        ("f", Flatten((3, 3, 3))),
        ("fc", Affine(normal(5, 27), np.zeros(5))),
        ("o", IF((5,), num(1000.0), num(2.0), "subtract")),
        ("y", Output((5,))),
    )
    data = spikes(2, 12, 12, steps=20, batch=3)
    network = quantize(graph, None, {"x": data})
    shapes = {p.name: p.synapses[0].operation.weight.shape for p in network.populations}
    assert shapes == {"a": (4, 2, 3, 3), "b": (3, 4, 6, 6), "o": (5, 108)}
    assert [p.synapses[0].name for p in network.populations] == ["c1", "c2", "fc"]
    floats, integers = reference.run(graph, {"x": data}), integer.run(network, {"x": data})
    assert all(np.mean(s == integers.spikes[n]) > 0.93 and s.any() for n, s in floats.spikes.items())


def test_thresholds_too_small_for_the_grid_are_refused() -> None:
    threshold = np.array([1.0, 1e-9])
    for node in (Threshold((2,), threshold), LIF((2,), num(5e-3), ONE, ZERO, threshold, "zero")):
        graph = chain(("x", Input((2,))), ("fc", Linear(np.eye(2))), ("n", node), ("y", Output((2,))))
        with pytest.raises(QuantizationError, match="'n' has a threshold of 1e-09, too small beside"):
            quantize(graph, None, {"x": spikes(2)}, {"x": (0, 1)})


@pytest.mark.parametrize("data", [np.zeros((5, 4)), np.zeros((5, 4, 4, 4)), np.zeros((0, 2, 4)), np.zeros(4)])
def test_calibration_without_steps_or_batch_is_refused(data: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"it must be \[T, B, \*\(4,\)\]"):
        quantize(delayed_graph(ZERO), None, {"x": data}, {"x": (0, 1)})


def test_a_proof_is_fine_enough_where_the_smallest_threshold_says_so_or_a_readouts_weights() -> None:
    """Thresholds of 10 would have steps enough under the static bound, one of 1 has not; 8 times 128 do for weights."""
    rng = np.random.default_rng(2)
    fc, data = Linear(rng.normal(size=(4, 100))), {"x": (rng.random((40, 5, 100)) < 0.02).astype(int)}
    neurons = {
        "calibrated": LIF((4,), num(1e-2), num(10.0), ZERO, np.array([10.0, 10.0, 10.0, 1.0]), "zero"),
        "static": LIF((4,), num(1e-2), num(10.0), ZERO, np.full(4, 10.0), "zero"),
    }
    for kind, neuron in neurons.items():
        graph = chain(("x", Input((100,))), ("fc", fc), ("n", neuron), ("y", Output((4,))))
        said = quantize(graph, None, data, {"x": (0, 1)}).metadata["quantization"]["populations"]["n"]
        assert said["bound"]["kind"] == kind and said["vth"] >= 256
    readout = LI((4,), num(3e-2), num(30.0), ZERO)
    graph = chain(("x", Input((100,))), ("fc", Linear(fc.weight)), ("n", readout), ("y", Output((4,))))
    said = quantize(graph, None, data, {"x": (0, 1)}).metadata["quantization"]["populations"]["n"]
    assert said["bound"]["kind"] == "static" and 32 <= np.abs(fc.weight).max() / said["unit"] < 256


def test_calibration_sees_currents_and_all_inferences() -> None:
    """What 12 adds is more than any v, which it lifts from below 0; only the first of 3·64 inferences gets it."""
    neuron = LIF((1,), num(1e-2), num(10.0), ZERO, ONE, "zero")
    graph = chain(("x", Input((1,))), ("fc", Linear(np.ones((1, 1)))), ("n", neuron), ("y", Output((1,))))
    data = np.ones((3, 3 * SLICE, 1), int)
    data[:, 0, 0] = -6, -6, 12
    seen = prepare(graph, {"x": data}).seen["n"]
    assert seen.peak == pytest.approx(12 * 10 * (1 - np.exp(-0.1)))
    assert seen.moments["x"] == pytest.approx(np.square(data).mean(axis=(0, 1)))
