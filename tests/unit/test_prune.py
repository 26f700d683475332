"""Pruning of float graphs: what goes, what stays as it was, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    IF,
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
    Output,
)
from cortexcore.export.passes.as_graph import as_graph
from cortexcore.export.passes.populations import normal_form
from cortexcore.export.prune import prune_neurons, prune_weights
from cortexcore.export.quantize import QuantizationConfig, quantize

DT = 1e-3
RNG = np.random.default_rng(3)


def lif(shape, **changes):
    fields = {"tau": 8e-3, "r": 8.0, "v_leak": 0.0, "v_threshold": 1.0} | changes
    reset = fields.pop("reset", "zero")
    return LIF(shape, *(np.asarray(fields[n], float) for n in ("tau", "r", "v_leak", "v_threshold")), reset)


def li(shape):
    return LI(shape, np.array(8e-3), np.array(8.0), np.array(0.0))


def chain(*named):
    """A graph that passes its signal from node to node."""
    return Graph(dict(named), tuple((a, b) for (a, _), (b, _) in itertools.pairwise(named)), DT, "euler")


def dense_graph(hidden=10):
    thresholds = RNG.uniform(0.5, 1.5, hidden)
    return chain(
        ("x", Input((6,))),
        ("fc1", Affine(RNG.normal(size=(hidden, 6)), RNG.normal(size=hidden) / 5)),
        ("lif1", lif((hidden,), v_threshold=thresholds)),
        ("fc2", Linear(RNG.normal(size=(3, hidden)))),
        ("li", li((3,))),
        ("y", Output((3,))),
    )


def recurrent_graph(hidden=8):
    neuron = CubaLIF((hidden,), *(np.full(hidden, v) for v in (4e-3, 8e-3, 8.0, 0.0, 1.0, 4.0)), "subtract")
    nodes = {
        "x": Input((6,)),
        "fc": Linear(RNG.normal(size=(hidden, 6))),
        "lif": neuron,
        "late": Delay(np.array(2 * DT)),
        "back": Linear(RNG.normal(size=(hidden, hidden)) / 2),
        "out": Linear(RNG.normal(size=(2, hidden))),
        "li": li((2,)),
        "y": Output((2,)),
    }
    edges = (("x", "fc"), ("fc", "lif"), ("lif", "late"), ("late", "back"), ("back", "lif"))
    return Graph(nodes, (*edges, ("lif", "out"), ("out", "li"), ("li", "y")), DT, "exponential")


def conv_graph():
    return chain(
        ("x", Input((2, 20))),
        ("conv1", Conv1d(RNG.normal(size=(8, 2, 5)), RNG.normal(size=8) / 5, 20, stride=2, padding=2)),
        ("lif1", lif((8, 10), tau=np.repeat(RNG.uniform(4e-3, 9e-3, (8, 1)), 10, axis=1))),
        ("conv2", Conv1d(RNG.normal(size=(8, 2, 3)), RNG.normal(size=8) / 5, 10, groups=4)),
        ("lif2", lif((8, 8))),
        ("flatten", Flatten((8, 8))),
        ("fc", Affine(RNG.normal(size=(3, 64)), RNG.normal(size=3))),
        ("li", li((3,))),
        ("y", Output((3,))),
    )


def pooled_graph():
    return chain(
        ("x", Input((1, 8, 8))),
        ("conv", Conv2d(RNG.normal(size=(4, 1, 3, 3)), RNG.normal(size=4) / 5, (8, 8), padding=(1, 1))),
        ("pool", AvgPool2d((2, 2), (2, 2))),
        ("if1", IF((4, 4, 4), np.array(1 / DT), np.array(1.0), "subtract")),
        ("flatten", Flatten((4, 4, 4))),
        ("fc", Linear(RNG.normal(size=(2, 64)))),
        ("li", li((2,))),
        ("y", Output((2,))),
    )


GRAPHS = {"dense": dense_graph, "recurrent": recurrent_graph, "conv": conv_graph, "pooled": pooled_graph}


def inputs_of(graph, steps=30, batch=3):
    rng = np.random.default_rng(0)
    return {name: rng.integers(-3, 4, (steps, batch, *node.shape)) for name, node in graph.inputs.items()}


def silenced(graph, population, channels):
    """The graph with nothing reading ``channels`` of ``population``, by hand."""
    nodes = dict(graph.nodes)
    for name, node in graph.nodes.items():
        if not hasattr(node, "weight") or not reads(graph, name, population):
            continue
        weight = node.weight.copy()
        if isinstance(node, Linear | Affine):
            shape = graph.nodes[population].shape
            weight.reshape(len(weight), shape[0], -1)[:, channels] = 0
        else:
            raise AssertionError("only dense readers are silenced by hand")
        nodes[name] = type(node)(**{**vars(node), "weight": weight})
    return Graph(nodes, graph.edges, graph.dt_s, graph.discretization, graph.metadata)


def reads(graph, name, population):
    source = graph.sources(name)[0]
    while isinstance(graph.nodes[source], Flatten | Delay):
        source = graph.sources(source)[0]
    return source == population


@pytest.mark.parametrize("kind", ["dense", "recurrent", "pooled"])
def test_removing_neurons_that_nothing_reads_changes_no_output(kind):
    graph = GRAPHS[kind]()
    (population,) = [name for name, node in graph.nodes.items() if isinstance(node, LIF | CubaLIF | IF)]
    channels = graph.nodes[population].shape[0]
    gone = list(range(0, channels, 2))
    graph = silenced(graph, population, gone)
    pruned = prune_neurons(graph, 0.5)
    assert pruned.graph.nodes[population].shape == (channels - len(gone), *graph.nodes[population].shape[1:])
    x = inputs_of(graph)
    before, after = reference.run(graph, x), reference.run(pruned.graph, x)
    assert before.spikes[population].any(), "a silent network shows nothing"
    kept = [i for i in range(channels) if i not in gone]
    assert np.array_equal(before.spikes[population][:, :, kept], after.spikes[population])
    np.testing.assert_allclose(before.outputs["y"], after.outputs["y"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", GRAPHS)
def test_pruned_graphs_quantize_and_run(kind):
    graph = GRAPHS[kind]()
    pruned = prune_neurons(graph, 0.25).graph
    network = quantize(pruned, QuantizationConfig(), inputs_of(pruned))
    assert network.outputs[0].name == "y"


def test_channels_of_grouped_convolutions_go_on_both_sides():
    graph = conv_graph()
    pruned = prune_neurons(graph, 0.5)
    assert pruned.graph.nodes["conv1"].weight.shape == (4, 2, 5)
    assert pruned.graph.nodes["conv2"].weight.shape == (4, 4, 3) and pruned.graph.nodes["conv2"].groups == 1
    assert pruned.graph.nodes["fc"].weight.shape == (3, 32)
    assert [(r.name, r.before, r.after) for r in pruned.report.rows] == [("lif1", 8, 4), ("lif2", 8, 4)]
    assert pruned.report.weights_after < pruned.report.weights_before


def test_neurons_with_the_smallest_norms_go():
    graph = dense_graph(4)
    weight = np.ones((4, 6)) * np.array([[1.0], [0.1], [2.0], [0.2]])
    nodes = {**graph.nodes, "fc1": Linear(weight), "fc2": Linear(np.ones((3, 4)))}
    pruned = prune_neurons(Graph(nodes, graph.edges, DT, "euler"), 0.5).graph
    assert np.array_equal(pruned.nodes["fc1"].weight, weight[[0, 2]])
    assert np.array_equal(pruned.nodes["lif1"].v_threshold, graph.nodes["lif1"].v_threshold[[0, 2]])


def test_magnitude_per_layer_and_over_the_graph():
    graph = dense_graph()
    nodes = {**graph.nodes, "fc2": Linear(graph.nodes["fc2"].weight * 100)}
    graph = Graph(nodes, graph.edges, DT, "euler")
    layered, whole = prune_weights(graph, 0.5), prune_weights(graph, 0.5, "global")
    for name in ("fc1", "fc2"):
        before, after = graph.nodes[name].weight, layered.graph.nodes[name].weight
        assert np.count_nonzero(after) == before.size - before.size // 2
        assert np.abs(before[after == 0]).max() <= np.abs(before[after != 0]).min()
        assert np.array_equal(after[after != 0], before[after != 0])
    assert np.array_equal(layered.graph.nodes["fc1"].bias, graph.nodes["fc1"].bias), "biases stay"
    assert np.array_equal(whole.graph.nodes["fc2"].weight, graph.nodes["fc2"].weight), "large weights all stay"
    assert whole.report.weights_before - whole.report.weights_after == 45
    assert whole.report.to_json()["rows"][1] == {"name": "fc2", "before": 30, "after": 30}
    assert "fc1 60 → 15" in whole.report.to_text()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0, float("nan")])
@pytest.mark.parametrize("prune", [prune_weights, prune_neurons])
def test_impossible_shares_are_refused(prune, share):
    with pytest.raises(GraphError, match="above 0 and below 1"):
        prune(dense_graph(), share)


def test_pruning_that_does_nothing_or_too_much_is_refused():
    with pytest.raises(GraphError, match="removes nothing from at most 10 neurons"):
        prune_neurons(dense_graph(), 0.05)
    graph = chain(("x", Input((4,))), ("fc", Linear(np.ones((2, 4)))), ("li", li((2,))), ("y", Output((2,))))
    with pytest.raises(GraphError, match="no hidden neurons"):
        prune_neurons(graph, 0.5)
    sparse = chain(("x", Input((4,))), ("fc", Linear(np.eye(2, 4))), ("li", li((2,))), ("y", Output((2,))))
    assert prune_weights(sparse, 0.5).report.weights_after == 2
    uneven = dense_graph()
    uneven = Graph({**uneven.nodes, "fc2": Linear(np.full((3, 10), 100.0))}, uneven.edges, DT, "euler")
    with pytest.raises(GraphError, match="leaves none in fc1"):
        prune_weights(uneven, 0.7, "global")
    with pytest.raises(GraphError, match="scope of pruning is 'row'"):
        prune_weights(sparse, 0.5, "row")


def test_kernels_whose_neurons_differ_within_a_channel_are_refused():
    graph = conv_graph()
    nodes = {**graph.nodes, "lif1": lif((8, 10), tau=RNG.uniform(4e-3, 9e-3, (8, 10)))}
    with pytest.raises(GraphError, match="'conv1' is a matrix into neurons of shape"):
        prune_neurons(Graph(nodes, graph.edges, DT, "euler"), 0.5)


def padded_pool_graph(neuron):
    """A bias that a padded pool makes smaller at the rim."""
    return chain(
        ("x", Input((1, 6, 6))),
        ("conv", Conv2d(RNG.normal(size=(2, 1, 1, 1)), np.array([0.3, -0.2]), (6, 6))),
        ("pool", AvgPool2d((2, 2), (2, 2), (1, 1))),
        ("neuron", neuron),
        ("flatten", Flatten((2, 4, 4))),
        ("fc", Linear(RNG.normal(size=(2, 32)))),
        ("li", li((2,))),
        ("y", Output((2,))),
    )


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_normal_form_written_out_is_the_same_network(kind):
    graph = GRAPHS[kind]()
    written = as_graph(normal_form(graph), graph)
    x = inputs_of(graph)
    before, after = reference.run(graph, x), reference.run(written, x)
    for name, spikes in before.spikes.items():
        assert spikes.any() and np.array_equal(spikes, after.spikes[name])
    np.testing.assert_allclose(before.outputs["y"], after.outputs["y"], rtol=1e-11, atol=1e-11)


def test_biases_that_differ_within_a_channel_move_into_the_leak_or_are_refused():
    graph = padded_pool_graph(lif((2, 4, 4)))
    written = as_graph(normal_form(graph), graph)
    assert written.nodes["neuron"].v_leak.shape == (2, 4, 4)
    x = inputs_of(graph)
    assert np.array_equal(reference.run(graph, x).spikes["neuron"], reference.run(written, x).spikes["neuron"])
    graph = padded_pool_graph(IF((2, 4, 4), np.array(1 / DT), np.array(1.0), "zero"))
    with pytest.raises(GraphError, match="bias of 'neuron' differs within a channel"):
        as_graph(normal_form(graph), graph)


@pytest.mark.parametrize(("share", "gone"), [(0.3, 1), (0.5, 2), (0.74, 3)])
def test_shares_are_rounded_down(share, gone):
    """Of 5 weights in each layer, and of 5 neurons."""
    graph = chain(
        ("x", Input((1,))),
        ("fc1", Linear(np.arange(1.0, 6).reshape(5, 1))),
        ("lif", lif((5,))),
        ("fc2", Linear(np.arange(1.0, 6).reshape(1, 5))),
        ("li", li((1,))),
        ("y", Output((1,))),
    )
    pruned = prune_weights(graph, share).graph
    assert [np.count_nonzero(pruned.nodes[name].weight) for name in ("fc1", "fc2")] == [5 - gone, 5 - gone]
    assert prune_neurons(graph, share).graph.nodes["lif"].shape == (5 - gone,)


def test_of_equal_weights_the_first_go():
    weight = RNG.choice([-1.0, 1.0], (20, 30))
    graph = chain(("x", Input((30,))), ("fc", Linear(weight)), ("li", li((20,))), ("y", Output((20,))))
    wanted = weight.reshape(-1).copy()
    wanted[:240] = 0
    assert np.array_equal(prune_weights(graph, 0.4).graph.nodes["fc"].weight.reshape(-1), wanted)


def test_what_every_reader_takes_of_a_neuron_counts():
    """The last reader takes nothing of neuron 0, the first a lot; neuron 1 means little to both."""
    nodes = {
        "x": Input((2,)),
        "fc": Linear(np.ones((3, 2))),
        "lif": lif((3,)),
        "a": Linear(np.array([[9.0, 0.1, 1.0]])),
        "b": Linear(np.array([[0.0, 0.1, 1.0]])),
        "la": li((1,)),
        "lb": li((1,)),
        "ya": Output((1,)),
        "yb": Output((1,)),
    }
    edges = [("x", "fc"), ("fc", "lif")]
    edges += [("lif", "a"), ("a", "la"), ("la", "ya"), ("lif", "b"), ("b", "lb"), ("lb", "yb")]
    pruned = prune_neurons(Graph(nodes, tuple(edges), DT, "euler"), 0.34).graph
    assert np.array_equal(pruned.nodes["a"].weight, [[9.0, 1.0]])
