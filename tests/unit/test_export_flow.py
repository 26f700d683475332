"""The order of one step against its definition, and graphs that are long, deep or name two nodes alike."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import reference
from cortexcore.export.flow import neuron_order, read_by
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LIF, Delay, Input, Node, Output, Scale, Subgraph


def lif() -> LIF:
    return LIF((2,), np.array(0.01), np.array(30.0), np.zeros(()), np.array(1.0), "zero")


def drawn(seed: int) -> Graph | None:
    """Up to nine neurons and scales wired at random; None where a loop holds no neuron or nothing feeds one."""
    rng = random.Random(seed)
    names = [f"n{i}" for i in range(rng.randint(1, 9))]
    rng.shuffle(names)
    nodes: dict[str, Node] = {"i": Input((2,))}
    nodes |= {name: lif() if rng.random() < 0.75 else Scale(np.array(0.5)) for name in names}
    edges = {(rng.choice(["i", *names]), name) for name in names for _ in range(rng.randint(1, 3))}
    try:
        return Graph(nodes | {"o": Output((2,))}, (*sorted(edges), (rng.choice(names), "o")), 1e-3, "euler")
    except GraphError:
        return None


def defined_order(graph: Graph) -> tuple[str, ...]:
    """As the docstring says it: whoever waits for nobody; else, of a loop that nothing else feeds, the nearest."""
    neurons = [name for name, node in graph.nodes.items() if isinstance(node, LIF)]
    feeds = {name: {s for s in read_by(graph, name) if s in neurons} - {name} for name in neurons}
    depth = {name: 0 if "i" in read_by(graph, name) else len(neurons) for name in neurons}
    for _ in neurons:
        depth = {name: min([depth[name], *(depth[s] + 1 for s in feeds[name])]) for name in neurons}
    order: list[str] = []
    while left := [name for name in neurons if name not in order]:
        above = {name: feeds[name] & set(left) for name in left}
        for _ in left:
            above = {name: above[name].union(*(above[s] for s in above[name])) for name in left}
        waiting_for_nobody = [name for name in left if not above[name]]
        entries = [name for name in left if all(name in above[other] for other in above[name])]
        order.append((waiting_for_nobody or sorted(entries, key=lambda name: depth[name]))[0])
    return tuple(order)


def test_the_order_is_the_one_defined() -> None:
    graphs = [graph for graph in map(drawn, range(400)) if graph is not None]
    assert len(graphs) > 150
    for graph in graphs:
        assert neuron_order(graph) == defined_order(graph)


@pytest.mark.parametrize("closed", [False, True])
def test_a_thousand_neurons_in_a_row_take_moments(closed: bool) -> None:
    names = [f"n{i}" for i in range(1000)]
    nodes: dict[str, Node] = {"i": Input((2,)), **{name: lif() for name in names}, "o": Output((2,))}
    edges = tuple(zip(["i", *names], [*names, "o"], strict=True)) + ((names[-1], names[0]),) * closed
    start = time.process_time()
    trace = reference.run(Graph(nodes, edges, 1e-3, "euler"), {"i": np.ones((3, 1, 2))})
    assert trace.outputs["o"][0].all()
    assert time.process_time() - start < 2.0


def test_two_thousand_layers_between_neurons() -> None:
    names = [f"s{i}" for i in range(2000)]
    nodes: dict[str, Node] = {"i": Input((2,)), **{name: Scale(np.array(1.0)) for name in names}, "o": Output((2,))}
    edges = tuple(zip(["i", *names], [*names, "o"], strict=True))
    x = np.random.default_rng(0).normal(size=(3, 1, 2))
    np.testing.assert_array_equal(reference.run(Graph(nodes, edges, 1e-3, "euler"), {"i": x}).outputs["o"], x)


def test_a_delay_beyond_counting() -> None:
    nodes: dict[str, Node] = {"i": Input((2,)), "d": Delay(np.array([0.0, 1e30])), "o": Output((2,))}
    with pytest.raises(GraphError, match=r"'d' has a delay of 1e\+30 s.*above 2147483647"):
        Graph(nodes, (("i", "d"), ("d", "o")), 1e-3, "euler")


def inner(node: Node | None) -> Subgraph:
    """A subgraph around one node "l", or around nothing."""
    if node is None:
        return Subgraph({"a": Input((2,)), "z": Output((2,))}, (("a", "z"),))
    return Subgraph({"a": Input((2,)), "l": node, "z": Output((2,))}, (("a", "l"), ("l", "z")))


@pytest.mark.parametrize("first", ["s", "s.l"])
def test_a_node_named_as_one_within_a_subgraph(first: str) -> None:
    """Written out, one of the two neurons would be gone."""
    pair: dict[str, Node] = {"s": inner(lif()), "s.l": lif()}
    nodes = {"i": Input((2,)), first: pair[first], **pair, "o": Output((2,))}
    with pytest.raises(GraphError, match=r"two nodes are named 's\.l' once subgraphs are written out"):
        Graph(nodes, (("i", "s.l"), ("s.l", "s"), ("s", "o")), 1e-3, "euler")


@pytest.mark.parametrize("loop", [(("s", "s"),), (("s", "t"), ("t", "s"))])
def test_subgraphs_that_pass_their_own_signal_on_to_themselves(loop: tuple[tuple[str, str], ...]) -> None:
    nodes: dict[str, Node] = {"i": Input((2,)), "s": inner(None), "t": inner(None), "o": Output((2,))}
    edges = tuple(dict.fromkeys((("i", "s"), ("s", "t"), *loop, ("t", "o"))))
    with pytest.raises(GraphError, match="'s' stands in a loop that holds no neuron"):
        Graph(nodes, edges, 1e-3, "euler")


def test_a_subgraph_whose_input_declares_another_shape() -> None:
    wrong = Subgraph({**inner(lif()).nodes, "a": Input((3,))}, inner(lif()).edges)
    nodes: dict[str, Node] = {"i": Input((2,)), "s": wrong, "o": Output((2,))}
    with pytest.raises(GraphError, match=r"'s\.a' takes \(3,\), but \(2,\) arrives"):
        Graph(nodes, (("i", "s"), ("s", "o")), 1e-3, "euler")
