"""Graphs that are malformed are refused with every reason; order and shapes of those that are not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError
from cortexcore.export import reference
from cortexcore.export.flow import neuron_order, read_by
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLIF,
    Delay,
    Flatten,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Subgraph,
    SumPool2d,
)
from cortexcore.export.quantize import QuantizationConfig, quantize


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def lif(n: int, reset: str = "zero", delay: bool = False, tau: float = 5e-3, shape: tuple[int, ...] = ()) -> LIF:
    return LIF(shape or (n,), num(tau), num(1.3), num(0.1), num(0.4), reset, delay)  # type: ignore[arg-type]


def chain(*middle: Node, size: int = 2, out: int = 2) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
    nodes = {"x": Input((size,)), **{f"n{i}": node for i, node in enumerate(middle)}, "y": Output((out,))}
    names = list(nodes)
    return nodes, tuple(itertools.pairwise(names))


@pytest.mark.parametrize(
    ("middle", "says"),
    [
        ([Linear(np.ones((2, 3))), lif(2)], "'n0' takes \\(3,\\), but 'x' sends \\(2,\\)"),
        ([Affine(np.ones((2, 2)), np.ones(3)), lif(2)], "bias of shape"),
        ([Linear(np.ones((2, 2))), lif(3)], "'n1' takes \\(3,\\)"),
        ([Linear(np.full((2, 2), np.nan)), lif(2)], "not finite"),
        ([Linear(np.ones(2)), lif(2)], r"must be \[out, in\]"),
        ([Linear(np.ones((2, 2))), lif(2, tau=0.0)], "must be above 0 s"),
        ([Linear(np.ones((2, 2))), lif(2, reset="soft")], "'soft', use one of"),
        ([Linear(np.ones((2, 2))), LI((2,), np.ones(3), num(1), num(0))], "tau of shape"),
        ([Conv1d(np.ones((2, 2, 9)), np.ones(2), 4), lif(2)], "reaches further"),
        ([Conv1d(np.ones((3, 2, 1)), np.ones(3), 4, groups=2), lif(2)], "groups do not divide"),
        ([Conv1d(np.ones((3, 2, 1)), np.ones(3), 4, stride=0), lif(2)], "at least 1"),
        ([Conv1d(np.ones((3, 2, 1)), np.ones(1), 4), lif(2)], "bias of shape"),
        ([Conv1d(np.ones((3, 2)), np.ones(1), 4), lif(2)], "in/groups, kernel"),
        ([Scale(np.ones(3)), lif(2)], "'n0' takes \\(3,\\)"),
        ([Flatten((4,)), lif(2)], "'n0' takes \\(4,\\)"),
        ([Flatten((2,), start=1), lif(2)], "which has none such"),
        ([Linear(np.ones((0, 2))), lif(2)], "empty weight"),
        ([Conv2d(np.ones((1, 2, 1, 1)), np.ones(1), (2, 2)), lif(2)], "'n0' takes \\(2, 2, 2\\)"),
        ([Conv2d(np.ones((1, 2, 3, 3)), np.ones(1), (2, 4)), lif(2)], "reaches further"),
        ([Conv2d(np.ones((1, 2, 1)), np.ones(1), (2, 2)), lif(2)], "in/groups, height, width"),
        ([SumPool2d((2, 2), (0, 2)), lif(2)], "at least 1"),
        ([AvgPool2d((2, 2), (2, 2)), lif(2)], "channels, height, width"),
        ([Delay(num(1.5e-3)), lif(2)], "1.5 steps"),
        ([Delay(num(-1e-3)), lif(2)], "none negative"),
        ([Delay(np.zeros(3)), lif(2)], "'n0' takes \\(3,\\)"),
        ([replace(lif(2), v_threshold=num(0.0))], "threshold of 0, it must be above 0"),
        ([replace(lif(2, reset="subtract"), v_reset=num(0.1))], "does not use"),
        ([Subgraph({"i": Input((2,))}, ())], "0 Output nodes"),
        ([Subgraph({"i": Input((2,)), "o": Output((2,))}, (("i", "gone"),))], "missing node"),
        ([Subgraph({"i": Input((2,)), "o": Output((3,))}, (("i", "o"),)), lif(2)], r"'n0.o' takes \(3,\)"),
    ],
)
def test_misfits_are_named(middle: list[Node], says: str) -> None:
    nodes, edges = chain(*middle)
    with pytest.raises(GraphError, match=says):
        Graph(nodes, edges, 1e-3, "euler")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"edges": (("x", "y"), ("x", "gone"))}, "missing node"),
        ({"edges": (("x", "y"), ("x", "y"))}, "stands twice"),
        ({"edges": (("x", "y"), ("y", "x"))}, "an output feeds nothing"),
        ({"edges": ()}, "fed by nothing"),
        ({"dt_s": 0.0}, "positive number"),
        ({"dt_s": float("nan")}, "positive number"),
        ({"discretization": "heun"}, "'heun' is unknown"),
        ({"nodes": {"x": Input((2,))}}, "no Output"),
        ({"nodes": {"y": Output((2,))}}, "no Input"),
        ({"nodes": {"a/b": Input((2,)), "x": Input((2,)), "y": Output((2,))}}, "'a/b'"),
        ({"nodes": {"..": Input((2,)), "x": Input((2,)), "y": Output((2,))}}, "made of dots"),
        ({"nodes": {"x": Input((0,)), "y": Output((0,))}}, "no empty one"),
    ],
)
def test_malformed_graphs_are_refused(change: dict[str, object], says: str) -> None:
    sound: dict[str, object] = {
        "nodes": {"x": Input((2,)), "y": Output((2,))},
        "edges": (("x", "y"),),
        "dt_s": 1e-3,
        "discretization": "euler",
    }
    with pytest.raises(GraphError, match=says):
        Graph(**{**sound, **change})  # type: ignore[arg-type]


def test_every_reason_is_given_at_once() -> None:
    nodes, edges = chain(Linear(np.ones((2, 3))), lif(2, tau=-1.0))
    with pytest.raises(GraphError, match=r"(?s)must be above 0 s.*takes \(3,\)"):
        Graph(nodes, edges, 1e-3, "euler")


def test_a_loop_needs_a_neuron() -> None:
    eye = Linear(np.eye(2))
    nodes: dict[str, Node] = {"x": Input((2,)), "a": eye, "b": eye, "y": Output((2,))}
    edges = (("x", "a"), ("a", "b"), ("b", "a"), ("a", "y"))
    with pytest.raises(GraphError, match="holds no neuron"):
        Graph(nodes, edges, 1e-3, "euler")


def looped() -> Graph:
    """x → in → h → out → o → y, and o → back → h, h → self → h."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "o": lif(2, "subtract"),
        "h": lif(3),
        "x": Input((2,)),
        "in": Affine(rng.normal(size=(3, 2)), rng.normal(size=3)),
        "out": Linear(np.abs(rng.normal(size=(2, 3))) * 3),
        "back": Affine(rng.normal(size=(3, 2)), rng.normal(size=3)),
        "self": Linear(rng.normal(size=(3, 3))),
        "y": Output((2,)),
    }
    edges = (("o", "back"), ("back", "h"), ("h", "self"), ("self", "h"), ("x", "in"), ("in", "h"))
    return Graph(nodes, (*edges, ("h", "out"), ("out", "o"), ("o", "y")), 1e-3, "euler")


def test_loops_are_entered_where_data_enters() -> None:
    graph = looped()
    assert neuron_order(graph) == ("h", "o")
    assert set(read_by(graph, "h")) == {"o", "h", "x"}


def test_recurrent_spikes_arrive_one_step_later_and_biases_at_once() -> None:
    graph, rng = looped(), np.random.default_rng(1)
    x = rng.normal(size=(60, 3, 2)) * 2
    trace = reference.run(graph, {"x": x})
    w = {name: node for name, node in graph.nodes.items() if isinstance(node, Linear | Affine)}
    beta = 1 - 1e-3 / 5e-3
    for b in range(3):
        v_h, v_o, s_h, s_o = np.zeros(3), np.zeros(2), np.zeros(3), np.zeros(2)
        for t in range(60):
            i = (
                w["in"].weight @ x[t, b]
                + w["in"].bias
                + w["back"].weight @ s_o
                + w["back"].bias
                + w["self"].weight @ s_h
            )
            v_h = beta * v_h + (1 - beta) * (0.1 + 1.3 * i)
            s_h = (v_h > 0.4).astype(float)
            v_h = v_h * (1 - s_h)
            v_o = beta * v_o + (1 - beta) * (0.1 + 1.3 * (w["out"].weight @ s_h))
            s_o = (v_o > 0.4).astype(float)
            v_o = v_o - 0.4 * s_o
            np.testing.assert_array_equal(trace.spikes["h"][t, b], s_h)
            np.testing.assert_allclose(trace.v["o"][t, b], v_o, atol=1e-12)
    assert 0 < trace.spikes["h"].mean() < 1 and trace.spikes["o"].any()


@pytest.mark.parametrize("discretization", ["euler", "exponential"])
@pytest.mark.parametrize(
    ("reset", "delay"), [("zero", False), ("subtract", False), ("subtract", True), ("none", False)]
)
def test_neurons_follow_their_equations(discretization: str, reset: str, delay: bool) -> None:
    rng = np.random.default_rng(2)
    cuba = CubaLIF((1,), num(3e-3), num(6e-3), num(1.5), num(-0.1), num(0.5), num(2.0), reset, delay)  # type: ignore[arg-type]
    nodes: dict[str, Node] = {
        "x": Input((1,)),
        "a": lif(1, reset, delay),
        "c": cuba,
        "l": LI((1,), num(5e-3), num(2.0), num(0.3)),
        "ya": Output((1,)),
        "yc": Output((1,)),
        "yl": Output((1,)),
    }
    edges = (("x", "a"), ("x", "c"), ("x", "l"), ("a", "ya"), ("c", "yc"), ("l", "yl"))
    graph = Graph(nodes, edges, 1e-3, discretization)  # type: ignore[arg-type]
    x = rng.normal(size=(200, 1, 1)) + 0.6
    trace = reference.run(graph, {"x": x})

    def kept(tau: float) -> float:
        return 1 - 1e-3 / tau if discretization == "euler" else float(np.exp(-1e-3 / tau))

    def fire(v: float, threshold: float, last: float) -> tuple[float, float]:
        v -= threshold * last if delay else 0.0
        s = float(v > threshold)
        if reset == "zero":
            return v * (1 - s), s
        return (v - threshold * s if reset == "subtract" and not delay else v), s

    v_a = v_c = u = v_l = s_a = s_c = 0.0
    for t in range(200):
        i = float(x[t, 0, 0])
        v_a, s_a = fire(kept(5e-3) * v_a + (1 - kept(5e-3)) * (0.1 + 1.3 * i), 0.4, s_a)
        u = kept(3e-3) * u + (1 - kept(3e-3)) * 2.0 * i
        v_c, s_c = fire(kept(6e-3) * v_c + (1 - kept(6e-3)) * (-0.1 + 1.5 * u), 0.5, s_c)
        v_l = kept(5e-3) * v_l + (1 - kept(5e-3)) * (0.3 + 2.0 * i)
        assert trace.spikes["a"][t, 0, 0] == s_a and trace.spikes["c"][t, 0, 0] == s_c
        np.testing.assert_allclose(
            [trace.v["a"][t, 0, 0], trace.v["c"][t, 0, 0], trace.u["c"][t, 0, 0], trace.outputs["yl"][t, 0, 0]],
            [v_a, v_c, u, v_l],
            atol=1e-12,
        )
    assert trace.spikes["a"].any() and trace.spikes["c"].any()


def test_euler_refuses_a_step_longer_than_tau() -> None:
    nodes, edges = chain(lif(2, tau=1e-4))
    with pytest.raises(GraphError, match=r"'n0' has a time constant of 0.0001 s.*shorter step"):
        Graph(nodes, edges, 1e-3, "euler")
    assert Graph(nodes, edges, 1e-3, "exponential").shapes["y"] == (2,)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"z": np.zeros((1, 1, 2))}, "inputs are"),
        ({"x": np.zeros((1, 2))}, "shape"),
        ({"x": np.zeros((1, 0, 2))}, "at least one"),
        ({"x": np.full((1, 1, 2), np.inf)}, "not finite"),
        ({"x": np.array([[["a", "b"]]])}, "numbers"),
    ],
)
def test_unfit_inputs_are_named(inputs: dict[str, np.ndarray], says: str) -> None:
    nodes, edges = chain(lif(2))
    with pytest.raises(DataError, match=says):
        reference.run(Graph(nodes, edges, 1e-3, "euler"), inputs)


def test_inputs_must_share_steps_and_batch() -> None:
    nodes: dict[str, Node] = {"a": Input((1,)), "b": Input((1,)), "n": lif(1), "y": Output((1,))}
    graph = Graph(nodes, (("a", "n"), ("b", "n"), ("n", "y")), 1e-3, "euler")
    with pytest.raises(DataError, match="same steps and batch"):
        reference.run(graph, {"a": np.zeros((2, 1, 1)), "b": np.zeros((3, 1, 1))})


def test_networks_print_on_one_line():
    one = num(1.0)
    nodes = {"x": Input((300,)), "w": Linear(np.ones((200, 300))), "a": LIF((200,), one, one, 0 * one, one, "zero")}
    graph = Graph({**nodes, "y": Output((200,))}, (("x", "w"), ("w", "a"), ("a", "y")), 1e-3, "euler")
    assert repr(graph).startswith("Graph(x: Input (300,), w: Linear (200,), a: LIF (200,)") and len(repr(graph)) < 200
    network = quantize(graph, QuantizationConfig(), input_ranges={"x": (0, 1)})
    assert repr(network) == "IntegerNetwork(x (300,) → a (200,); 60000 weights, dt_s=0.001)"
