"""Operations against hand-computed counts, and prices whose terms add up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.graph import Graph
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import IF, AvgPool2d, Delay, Flatten, Input, Linear, Output, Subgraph, SumPool2d
from cortexcore.export.nodes import Conv2d as Conv2d_float
from cortexcore.targets.compiled import compile
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.constants import constant, constants
from cortexcore.targets.energy.host import host_energy
from cortexcore.targets.energy.latency import Measurement, latency_figures, measure, read_rapl_j
from cortexcore.targets.energy.operations import count, fan_out, operation_figures
from cortexcore.targets.profile import Figure
from cortexcore.targets.reference.operations import dense_macs
from cortexcore.targets.registry import get_target

ZERO = np.zeros((), np.int32)


def close(value: float) -> object:
    """Equal but for rounding; pytest's own allowance of 1e-12 is as much as the joules compared here."""
    return pytest.approx(value, rel=1e-9, abs=0)


def two_layers() -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """Three inputs, two neurons with a recurrent loop, one readout; small enough to count by hand."""
    first = np.array([[20, 0, 2], [2, 2, 0]], np.int32)
    loop = np.array([[0, 2], [2, 2]], np.int32)
    a = Population(
        "a",
        (2,),
        (Synapses("w", "x", Dense(first)), Synapses("l", "a", Dense(loop), recurrent=True)),
        4095,
        0,
        15,
        ZERO,
    )
    r = Population("r", (1,), (Synapses("o", "a", Dense(np.array([[2, 0]], np.int32))),), 100, 0, None, ZERO)
    network = IntegerNetwork((InputPort("x", (3,), -9, 9),), (a, r), (OutputPort("y", "r"),), 1e-3)
    return network, {"x": np.array([[[1, 5, 0]], [[0, 0, 0]]])}


def counted():
    network, inputs = two_layers()
    trace = integer.run(network, inputs)
    return network, trace, count(network, inputs, trace)


def test_counts_by_hand():
    """Step 0: x = (1, 5, 0) meets 20, 2 | 0, 2 → 3 effective MACs, a = (20, 12), a[0] fires (20 > 15).
    Step 1: no input; a[0]'s spike meets 0, 2 of the loop → 1 AC, a[1] = 12 + 2 = 14 stays below."""
    _, trace, (a, r) = counted()
    assert trace.spikes["a"].reshape(2, 2).tolist() == [[1, 0], [0, 0]]
    assert a.macs.tolist() == [[3], [0]] and a.acs.tolist() == [[0], [1]]
    assert a.events.tolist() == [[2], [1]] and a.spikes.tolist() == [[1], [0]]
    assert a.active.tolist() == [[2], [1]]
    assert (a.connections, a.stored, a.states, a.convolution) == (6 + 4, 10, 2, False)
    assert r.acs.tolist() == [[1], [0]] and r.macs.sum() == 0 and r.spikes.sum() == 0
    assert (r.connections, r.states, r.neurons) == (2, 2, 1)


@pytest.mark.parametrize(("values", "macs", "acs"), [((1, -1, 0), 0, 3), ((1, -2, 0), 3, 0)])
def test_signed_spikes_accumulate_and_anything_else_multiplies(values, macs, acs):
    """As in NeuroBench, −1 is a spike; the two values that are not 0 meet 2 and 1 weights that are not 0."""
    network, _ = two_layers()
    inputs = {"x": np.array([[values]])}
    (a, _) = count(network, inputs, integer.run(network, inputs))
    assert (a.macs.sum(), a.acs.sum(), a.events.sum()) == (macs, acs, 2)


def test_figures_by_hand():
    _, _, layers = counted()
    figures = operation_figures(layers)
    values = {name: figure.value for name, figure in figures.items()}
    assert values == {
        "dense MACs": 24,
        "effective MACs": 3,
        "effective ACs": 2,
        "synaptic operations": 5,
        "neuron updates": 6,
        "spikes": 1,
        "membrane updates": 3 + 2,
        "bytes moved, least": 5 + 2 * 4 * (2 + 2) * 2,
        "activation sparsity": 3 / 4,
        "connection sparsity": 4 / 12,
    }
    assert figures["spikes"].kind == "measured" and "2 steps" in figures["spikes"].conditions


def test_a_graded_input_of_minus_one_zero_and_one_accumulates():
    network, inputs = two_layers()
    inputs = {"x": np.clip(inputs["x"], -1, 1)}
    a = count(network, inputs, integer.run(network, inputs))[0]
    assert a.macs.sum() == 0 and a.acs.tolist()[0] == [3]


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 3, 2, 1), (3, 1, 1, 2), (2, 0, 3, 2)]
)
def test_a_convolutions_fan_out_is_that_of_its_matrix(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-1, 2, (4, 4 // groups, 3)) * 2).astype(np.int32)
    op = Conv1d(weight, 0, stride, padding, dilation, groups)
    shape = (4, 17)
    dense, effective = fan_out(op, shape)
    one = np.eye(4 * 17, dtype=np.int64).reshape(-1, *shape)
    assert np.array_equal(
        dense, np.abs(integer.apply(replace(op, weight=np.ones_like(weight)), one, shape)).sum((1, 2))
    )
    assert np.array_equal(effective, np.count_nonzero(integer.apply(op, one, shape), axis=(1, 2)))


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [((1, 1), (0, 0), (1, 1), 1), ((2, 3), (3, 1), (2, 1), 2), ((1, 2), (0, 2), (1, 4), 4)],
)
def test_a_convolution_of_two_axes_fans_out_as_its_matrix(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-1, 2, (4, 4 // groups, 3, 2)) * 2).astype(np.int32)
    op, shape = Conv2d(weight, 0, stride, padding, dilation, groups), (4, 7, 6)
    dense, effective = fan_out(op, shape)
    one = np.eye(4 * 7 * 6, dtype=np.int64).reshape(-1, *shape)
    met = integer.apply(replace(op, weight=np.ones_like(weight)), one, shape)
    assert np.array_equal(dense, met.sum((1, 2, 3)))
    assert np.array_equal(effective, np.count_nonzero(integer.apply(op, one, shape), axis=(1, 2, 3)))


def test_states_are_counted_per_neuron():
    """Of three neurons two keep a current: three membranes and two currents outlive a step."""
    weight = np.ones((3, 2), np.int32)
    du = np.array([4095, 0, 900], np.int32)
    p = Population("a", (3,), (Synapses("w", "x", Dense(weight)),), du, 0, 15, ZERO)
    network = IntegerNetwork((InputPort("x", (2,), -9, 9),), (p,), (OutputPort("y", "a"),), 1e-3)
    inputs = {"x": np.ones((2, 1, 2), int)}
    assert count(network, inputs, integer.run(network, inputs))[0].states == 5


def test_dense_macs_of_layers_and_pools_by_hand():
    """6 weights; 2·1·2·3 weights at 3·2 positions; windows of 4 at 1·3·2 places; anything else multiplies nothing."""
    kernel = np.zeros((2, 1, 2, 3))
    nodes = {
        Linear(np.zeros((2, 3))): ((2,), 6),
        Conv2d_float(kernel, np.zeros(2), (4, 4)): ((2, 3, 2), 12 * 6),
        SumPool2d((2, 2), (1, 2)): ((1, 3, 2), 4 * 6),
        AvgPool2d((2, 2), (1, 2), (1, 1)): ((1, 3, 2), 4 * 6),
        Flatten((3, 2)): ((6,), 0),
    }
    for node, (sent, macs) in nodes.items():
        assert dense_macs(node, sent) == macs, node


def test_the_reference_profiles_every_kind_of_node():
    """A pool with 4 windows of 4, then 8 weights; delays of 3 and 0 steps hold 3 values. 16 a step passes 20 in steps
    2, 3, 4 and 6 of those without delay (v = 32, 28, 24, 20, 36), and in steps 5 and 6 behind three steps."""
    one = np.ones(())
    inner = Subgraph(
        {"in": Input((4,)), "w": Linear(np.ones((2, 4))), "out": Output((2,))}, (("in", "w"), ("w", "out"))
    )
    nodes = {
        "x": Input((1, 4, 4)),
        "pool": SumPool2d((2, 2), (2, 2)),
        "flat": Flatten((1, 2, 2)),
        "sub": inner,
        "late": Delay(np.array([3e-3, 0.0])),
        "n": IF((2,), 1e3 * one, 20 * one, "subtract"),
        "y": Output((2,)),
    }
    names = list(nodes)
    graph = Graph(nodes, tuple(pairwise(names)), 1e-3, "euler")
    profile = compile(graph, "reference").profile(np.ones((6, 2, 1, 4, 4)))
    assert profile.operations["dense MACs"].value == 6 * (16 + 8)
    assert profile.operations["spikes"].value == 2 + 4
    assert profile.memory["weights"].value == 8 * 8 and profile.memory["state"].value == 8 * (2 + 3)


def test_host_energy_adds_up_and_says_what_it_is():
    energy = host_energy(1000, 10, None)
    assert energy["arithmetic of synapses"].value == close(1000 * 4.6e-12)
    assert energy["arithmetic of neurons"].value == close(10 * (3.1e-12 + 3 * 0.1e-12))
    assert energy["dynamic"].value == close(1000 * 4.6e-12 + 10 * 3.4e-12)
    assert "total" not in energy and "lower bound" in energy["dynamic"].conditions
    measured = host_energy(1000, 10, Measurement(np.full(4, 0.5), 2.0))["total"]
    assert measured.value == 2.0 and measured.kind == "measured" and "RAPL" in measured.source


def test_break_even_by_hand():
    _, _, layers = counted()
    result = break_even(layers)
    byte, state = 1.25e-12, 3.1e-12 + 3 * 0.1e-12 + 8 * 1.25e-12
    f = {name: figure.value for name, figure in result.figures.items()}
    assert f["ANN, int8, same connections"] == close(12 * (0.2e-12 + 0.1e-12 + byte))
    assert f["SNN: graded inputs"] == close(3 * (0.3e-12 + byte))
    assert f["SNN: spikes"] == close(2 * (0.1e-12 + byte))
    assert f["SNN: neuron states"] == close(4 * 2 * state)
    assert f["SNN"] == close(f["SNN: graded inputs"] + f["SNN: spikes"] + f["SNN: neuron states"])
    assert f["spike rate"] == close(1 / 2 / 3)
    assert result.figures["spike rate"].kind == "measured"
    published = result.figures["break-even spike rate, published"]
    assert published.value == 0.057 and "2409.08290" in published.source and "5 steps" in published.conditions
    assert (
        "ANN activity at equal cost" not in f and "skips no zeros; one that does takes less still" not in result.verdict
    )
    assert f["break-even spike rate"] == 0 and "no spike rate would win" in result.verdict


def test_at_the_break_even_rate_both_cost_the_same():
    _, _, layers = counted()
    wide = tuple(replace(x, connections=1000 * x.connections) for x in layers)
    result = break_even(wide)
    f = {name: figure.value for name, figure in result.figures.items()}
    scale = f["break-even spike rate"] / f["spike rate"]
    snn = f["SNN: graded inputs"] + f["SNN: spikes"] * scale + f["SNN: neuron states"]
    assert snn == close(f["ANN, int8, same connections"])
    assert result.verdict.startswith("The SNN takes")
    assert f["ANN activity at equal cost"] == close(f["SNN"] / f["ANN, int8, same connections"])
    assert f"takes less where under {f['ANN activity at equal cost']:.1%} are left." in result.verdict


def test_every_constant_is_cited_and_shipped():
    rows = constants()
    grades = json.loads(files("cortexcore.targets.energy").joinpath("constants.json").read_text("utf-8"))["grades"]
    for name, row in rows.items():
        assert row.source and row.conditions and row.grade in grades, name
        assert row.value > 0 and row.unit in ("J", "s", "W", "x", "rate") and name.endswith(f"_{row.unit.lower()}")
    assert constant("davies.synop_j") == 23.6e-12


@pytest.mark.parametrize("name", ["integer", "onnx", "loihi"])
def test_no_figure_is_naked(name):
    network, inputs = two_layers()
    target = get_target(name)
    profile = target.profile(target.lower(network, target.config()), inputs)
    sections = [profile.latency, profile.operations, profile.memory, profile.energy, profile.break_even]
    sections += list(profile.layers.values())
    for figures in sections:
        assert figures
        for figure in figures.values():
            assert isinstance(figure, Figure) and figure.source and figure.unit and math.isfinite(figure.value)
    kinds = {f.kind for f in profile.latency.values()}
    assert kinds == ({"modelled"} if name == "loihi" else {"measured"})
    assert {"per inference p50", "per step p50"} <= set(profile.latency)
    assert profile.verdict and json.loads(json.dumps(profile.to_json()))["target"] == name
    counted = [layer["synaptic operations"] for layer in profile.layers.values() if "synaptic operations" in layer]
    total = sum(figure.value for figure in counted)
    assert total == profile.operations["synaptic operations"].value == 5


def test_rapl_is_read_where_it_is_and_nowhere_else(tmp_path):
    assert read_rapl_j(tmp_path) is None
    for package, microjoules in ((0, 1_500_000), (1, 250_000)):
        domain = tmp_path / f"intel-rapl:{package}"
        domain.mkdir()
        (domain / "name").write_text(f"package-{package}\n")
        (domain / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / f"intel-rapl:{package}:0").mkdir()
    assert read_rapl_j(tmp_path) == close(1.75)
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert read_rapl_j(tmp_path) is None


def test_latency_counts_its_calls():
    calls = []
    measured = measure(lambda: calls.append(1), budget_s=0.0)
    assert len(measured.seconds) == 20 and len(calls) == 25
    figures = latency_figures("per step", Measurement(np.array([1.0, 2.0, 3.0]), None), "here")
    assert figures["per step p50"].value == 2.0
    assert (figures["per step p50"].low, figures["per step p50"].high) == (1.0, 3.0)
    assert "3 runs after 5 warm-ups" in figures["per step p99"].conditions


def test_a_naked_figure_is_refused():
    with pytest.raises(GraphError, match="kind is one of"):
        Figure(1.0, "J", "guessed", "nobody")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="needs a finite value"):
        Figure(math.nan, "J", "modelled", "nobody")
