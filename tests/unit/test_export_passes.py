"""The normal form: paths, merged layers and gathered biases compute what the graph does; the rest is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.layers import linear
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    Conv1d,
    CubaLIF,
    Delay,
    Flatten,
    Input,
    Linear,
    Node,
    Output,
    Scale,
)
from cortexcore.export.passes import merge, paths
from cortexcore.export.passes.populations import normal_form

ONE = np.ones(())


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def lif(*shape: int, reset: str = "zero", **changes: object) -> LIF:
    fields = {"tau": num(5e-3), "r": num(2.0), "v_leak": num(0.0), "v_threshold": num(0.3), "reset": reset, **changes}
    return LIF(shape, **fields)  # type: ignore[arg-type]


def li(*shape: int) -> LI:
    return LI(shape, num(2e-2), num(1.0), num(0.0))


def graph_of(nodes: dict[str, Node], *ways: str) -> Graph:
    """``"x a b y"`` are the edges x→a→b→y."""
    edges = [pair for way in ways for pair in zip(way.split(), way.split()[1:], strict=False)]
    return Graph(nodes, tuple(edges), 1e-3, "euler")


def branched() -> Graph:
    """A shared scale and layer, a sum before a layer, scales before, behind and between, an identity branch."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "x": Input((4, 10)),
        "z": Input((3,)),
        "norm": Scale(num(0.5)),
        "conv": Conv1d(rng.normal(size=(4, 2, 3)), rng.normal(size=4) * 0.1, 10, 1, 1, 1, 2),
        "post": Scale(np.repeat(rng.uniform(0.5, 2, (4, 1)), 10, axis=1)),
        "a": lif(4, 10),
        "pre": Scale(np.repeat(rng.uniform(0.5, 2, (4, 1)), 10, axis=1)),
        "conv2": Conv1d(rng.normal(size=(4, 4, 3)), rng.normal(size=4) * 0.1, 10, 1, 1),
        "b": lif(4, 10, reset="subtract"),
        "flat_scale": Scale(rng.uniform(0.5, 2, (4, 10))),
        "flat": Flatten((4, 10)),
        "fc": Affine(rng.normal(size=(5, 40)) * 0.4, rng.normal(size=5) * 0.1),
        "twice": Scale(num(2.0)),
        "half": Scale(num(0.25)),
        "zfc": Linear(rng.normal(size=(5, 3))),
        "c": lif(5),
        "d": lif(5),
        "mix": Affine(rng.normal(size=(2, 5)), rng.normal(size=2) * 0.1),
        "r": li(2),
        "q": li(5),
        "skip": Scale(np.linspace(1, 2, 5)),
        "y": Output((2,)),
        "w": Output((5,)),
    }
    ways = ("x norm conv post a pre conv2 b", "a b", "b flat_scale flat fc c", "fc d", "z twice half zfc c")
    return graph_of(nodes, *ways, "c mix r y", "d mix", "c skip q w")


def test_branches_become_populations() -> None:
    """Operations and biases of the branched graph, against what its layers send for the same signals."""
    graph = branched()
    normal = normal_form(graph)
    by_name = {p.name: p for p in normal.populations}
    assert list(by_name) == ["a", "b", "c", "d", "r", "q"]
    assert {n: [s.name for s in p.synapses] for n, p in by_name.items()} == {
        "a": ["conv"],
        "b": ["conv2", "a_to_b"],
        "c": ["fc", "zfc"],
        "d": ["fc_copy2"],
        "r": ["mix", "mix_copy2"],
        "q": ["skip"],
    }
    assert dict(normal.outputs) == {"y": "r", "w": "q"}
    rng = np.random.default_rng(3)
    signals = {n: rng.normal(size=(1, *graph.shapes[n])) for n in (*normal.inputs, *by_name)}
    known = dict(signals)
    for name in ("norm", "conv", "post", "pre", "conv2", "flat_scale", "flat", "fc", "twice", "half", "zfc", "skip"):
        known[name] = linear(graph.nodes[name], known[graph.sources(name)[0]])  # type: ignore[arg-type]
    known["mix"] = linear(graph.nodes["mix"], signals["c"] + signals["d"])  # type: ignore[arg-type]
    for name, population in by_name.items():
        wanted = sum(known[source] for source in graph.sources(name))
        shape = graph.shapes[name]
        got = population.bias + sum(
            linear(s.operation, _as_read(s.operation, signals[s.source])).reshape(1, *shape)
            for s in population.synapses
        )
        np.testing.assert_allclose(got, wanted, atol=1e-12, err_msg=name)


def _as_read(operation: Node, signal: np.ndarray) -> np.ndarray:
    """Dense operations read a signal flattened."""
    return signal.reshape(len(signal), -1) if isinstance(operation, Linear) else signal


def test_a_bias_through_a_padded_convolution_differs_per_position() -> None:
    nodes: dict[str, Node] = {
        "x": Input((1, 6)),
        "a": Conv1d(np.ones((1, 1, 1)), np.array([2.0]), 6),
        "b": Conv1d(np.ones((1, 1, 3)), np.array([0.5]), 6, 1, 1),
        "n": lif(1, 6),
        "y": Output((1, 6)),
    }
    (population,) = normal_form(graph_of(nodes, "x a b n y")).populations
    np.testing.assert_array_equal(population.bias, [[4.5, 6.5, 6.5, 6.5, 6.5, 4.5]])
    assert [s.name for s in population.synapses] == ["a_b"]


def test_a_split_sum_keeps_its_bias_once() -> None:
    bias = np.array([0.7])
    nodes: dict[str, Node] = {
        "x": Input((1,)),
        "z": Input((1,)),
        "fc": Affine(np.ones((1, 1)), bias),
        "n": lif(1),
        "y": Output((1,)),
    }
    (population,) = normal_form(graph_of(nodes, "x fc n y", "z fc")).populations
    assert [(s.name, s.source) for s in population.synapses] == [("fc", "x"), ("fc_copy2", "z")]
    np.testing.assert_array_equal(population.bias, bias)


def test_unread_layers_are_dropped() -> None:
    nodes: dict[str, Node] = {"x": Input((1,)), "n": lif(1), "dead": Linear(np.ones((4, 1))), "y": Output((1,))}
    (population,) = normal_form(graph_of(nodes, "x n y", "x dead")).populations
    assert [s.name for s in population.synapses] == ["x_to_n"]


def test_names_that_are_taken_are_not_given_twice() -> None:
    nodes: dict[str, Node] = {"x": Input((1,)), "n": lif(1), "x_to_n": lif(1), "y": Output((1,))}
    first, second = normal_form(graph_of(nodes, "x n x_to_n y")).populations
    assert [s.name for s in (*first.synapses, *second.synapses)] == ["x_to_n_copy2", "n_to_x_to_n"]


def test_delays_are_told_apart() -> None:
    """A delay of nothing vanishes, two add up, one per element splits a layer by its columns."""
    nodes: dict[str, Node] = {
        "x": Input((3,)),
        "n": lif(3),
        "none": Delay(num(0.0)),
        "two": Delay(num(2e-3)),
        "fc": Linear(np.arange(1.0, 7).reshape(2, 3)),
        "each": Delay(np.array([1e-3, 0.0, 1e-3])),
        "m": lif(2),
        "y": Output((2,)),
    }
    graph = graph_of(nodes, "x n none two each fc m y")
    synapses = normal_form(graph).populations[1].synapses
    assert [(s.name, s.delay) for s in synapses] == [("fc", 2), ("fc_copy2", 3)]
    np.testing.assert_array_equal(synapses[0].operation.weight, [[0, 2, 0], [0, 5, 0]])
    np.testing.assert_array_equal(synapses[1].operation.weight, [[1, 0, 3], [4, 0, 6]])


def test_delays_per_channel_split_a_kernel() -> None:
    delay = np.repeat([[0.0], [1e-3]], 6, axis=1)
    nodes: dict[str, Node] = {
        "x": Input((2, 6)),
        "n": lif(2, 6),
        "late": Delay(delay),
        "conv": Conv1d(np.ones((1, 2, 3)), np.zeros(1), 6),
        "m": lif(1, 4),
        "y": Output((1, 4)),
    }
    synapses = normal_form(graph_of(nodes, "x n late conv m y")).populations[1].synapses
    assert all(isinstance(s.operation, Conv1d) for s in synapses)
    assert [s.operation.weight[0, :, 0].tolist() for s in synapses] == [[1, 0], [0, 1]]


def test_branches_that_multiply_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MAX_PATHS", 200)
    nodes: dict[str, Node] = {"x": Input((1,)), "n": lif(1), "y": Output((1,))}
    ways, last = ["n y"], "x"
    for i in range(12):
        nodes |= {f"a{i}": Scale(num(1.5)), f"b{i}": Scale(num(0.5)), f"s{i}": Scale(num(1.0))}
        ways += [f"{last} a{i} s{i}", f"{last} b{i} s{i}"]
        last = f"s{i}"
    with pytest.raises(GraphError, match="into 'n' multiply to more than 200"):
        normal_form(graph_of(nodes, *ways, f"{last} n"))


FC = Linear(np.ones((2, 2)))
CUBA = CubaLIF((2,), *(num(v) for v in (1e-2, 1e-2, 1, 0, 1, 1)), "zero")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("nodes", "way", "says"),
    [
        ({"a": FC}, "x a y", "output 'y' is not what one neuron node sends"),
        ({"r": li(2), "a": FC, "n": lif(2)}, "x r a n y", "'a' reads the membrane of 'r' .only spikes"),
        (
            {"r": li(2), "d": Delay(num(1e-3)), "n": lif(2)},
            "x r d n y",
            "'d' reads the membrane of 'r'.*delay",
        ),
        ({"n": lif(2, v_reset=num(-0.5))}, "x n y", "'n' resets to -0.5"),
        ({"a": Affine(np.ones((2, 2)), np.ones(2)), "d": Delay(num(1e-3)), "n": lif(2)}, "x a d n y", "delays a bias"),
        ({"n": lif(2), "d": Delay(num(1.0)), "m": lif(2)}, "x n d m y", "x|n → d → m is delayed by 1000 steps"),
    ],
)
def test_what_the_normal_form_cannot_express(nodes: dict[str, Node], way: str, says: str) -> None:
    rims: dict[str, Node] = {"x": Input((2,)), "y": Output((2,))}
    with pytest.raises(GraphError, match=says):
        normal_form(graph_of({**rims, **nodes}, way))


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large vectors without a layer, chains that only a large matrix could do, and large vectors to relay."""
    nodes: dict[str, Node] = {"x": Input((5000,)), "n": lif(5000), "y": Output((5000,))}
    with pytest.raises(GraphError, match="x → n has no layer and is too large for a diagonal"):
        normal_form(graph_of(nodes, "x n y"))
    monkeypatch.setattr(merge, "MAX_DENSE", 500)
    flat: dict[str, Node] = {
        "x": Input((2, 40)),
        "conv": Conv1d(np.ones((2, 2, 3)), np.zeros(2), 40),
        "f": Flatten((2, 38)),
        "n": lif(76),
        "y": Output((76,)),
    }
    with pytest.raises(GraphError, match=r"x → conv → f → n could only become a matrix between \(2, 40\) and \(76,\)"):
        normal_form(graph_of(flat, "x conv f n y"))
    late: dict[str, Node] = {
        "x": Input((5000,)),
        "d": Delay(num(1e-3)),
        "fc": Linear(np.ones((1, 5000))),
        "n": lif(1),
        "y": Output((1,)),
    }
    with pytest.raises(GraphError, match=r"delays \(5000,\)"):
        normal_form(graph_of(late, "x d fc n y"))


def test_every_reason_is_given_at_once() -> None:
    nodes: dict[str, Node] = {
        "x": Input((2,)),
        "r": li(2),
        "a": FC,
        "n": lif(2, v_reset=num(0.1)),
        "m": IF((2,), 1000 * ONE, ONE, "zero", v_reset=num(0.25)),
        "fc": FC,
        "y": Output((2,)),
    }
    with pytest.raises(GraphError, match=r"output 'y'.*'n' resets to 0.1.*'a' reads.*'m' resets to 0.25"):
        normal_form(graph_of(nodes, "x r a n m fc y"))


def test_a_bias_into_a_synaptic_current_is_kept_apart() -> None:
    nodes: dict[str, Node] = {"x": Input((2,)), "a": Affine(np.ones((2, 2)), np.ones(2)), "n": CUBA, "y": Output((2,))}
    (population,) = normal_form(graph_of(nodes, "x a n y")).populations
    np.testing.assert_array_equal(population.bias, [1, 1])
