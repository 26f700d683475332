"""Random graphs whose numbers lie on the integer grids: the integer network must spike exactly as the float graph.

Weights are even multiples of one unit, thresholds and biases whole ones, and leaks halve or forget, over so few steps
that halving loses no bit. One weight of −256 units in each population fixes the unit. Whatever a pass, a merge, a
relay or a fold got wrong shows as a differing spike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
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
    Scale,
    Subgraph,
    SumPool2d,
    Threshold,
)
from cortexcore.export.passes.populations import normal_form
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.post_training import assemble
from cortexcore.export.quantize.prepare import prepare
from cortexcore.export.shapes import sent_shape

DT, STEPS, BATCH = 1e-3, 6, 4
UNIT = 1 / 32
Shape = tuple[int, ...]


@dataclass
class Builder:
    """A graph under construction; every node it makes keeps its numbers on the grid."""

    seed: int
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def one_of(self, *options: object) -> object:
        return options[self.rng.integers(len(options))]

    def add(self, node: Node, *sources: str) -> str:
        name = f"{type(node).__name__.lower()}{len(self.nodes)}"
        self.nodes[name] = node
        self.shapes[name] = sent_shape(node, self.shapes[sources[0]] if sources else ())
        self.edges += [(source, name) for source in sources]
        return name

    def weights(self, *shape: int, coarse: bool = False) -> np.ndarray:
        """Multiples of the unit up to 1/2, or of 1/4 where products of them must stay on the grid."""
        if coarse:
            return self.rng.integers(-1, 2, shape) / 4
        return self.rng.integers(-16, 33, shape) * UNIT

    def biases(self, count: int) -> np.ndarray:
        return self.rng.integers(-8, 9, count) * UNIT if self.rng.random() < 0.5 else np.zeros(count)

    def delayed(self, source: str, chance: float = 0.3) -> str:
        if self.rng.random() > chance or isinstance(self.nodes[source], Affine | Conv1d | Conv2d):
            return source
        shape = self.shapes[source]
        steps = self.rng.integers(0, 3, shape) if self.rng.random() < 0.4 else np.array(self.rng.integers(0, 4))
        return self.add(Delay(steps * DT), source)

    def layer(self, source: str, coarse: bool = False, bias: bool = True) -> str:
        """One linear node behind ``source``, of a kind that takes its shape."""
        shape, rng = self.shapes[source], self.rng
        if len(shape) == 1:
            out = int(rng.integers(3, 7))
            weight = self.weights(out, shape[0], coarse=coarse)
            return self.add(Affine(weight, self.biases(out)) if bias else Linear(weight), source)
        if rng.random() < 0.2:
            return self.add(Scale(rng.choice([0.5, 1.0], (shape[0], *(1 for _ in shape[1:]))) * np.ones(shape)), source)
        if rng.random() < 0.2:
            if len(shape) == 3 and rng.random() < 0.3:
                return self.add(Flatten(shape, 1, 2), source)
            return self.add(Flatten(shape), source)
        if len(shape) == 3 and rng.random() < 0.4 and min(shape[1:]) >= 3:
            kernel, stride = (2, int(rng.integers(1, 3))), (int(rng.integers(1, 3)), 2)
            padding = (int(rng.integers(0, 2)), 0)
            return self.add(self.one_of(SumPool2d, AvgPool2d)(kernel, stride, padding), source)  # type: ignore[operator]
        groups = int(rng.choice([g for g in (1, 2, 4) if shape[0] % g == 0]))
        out = groups * int(rng.integers(1, 3))
        values = self.biases(out) if bias else np.zeros(out)
        if len(shape) == 2:
            weight = self.weights(out, shape[0] // groups, min(3, shape[1]), coarse=coarse)
            stride, padding = int(rng.integers(1, 3)), int(rng.integers(0, 2))
            dilation = int(rng.integers(1, 3)) if shape[1] > 5 else 1
            return self.add(Conv1d(weight, values, shape[1], stride, padding, dilation, groups), source)
        size = (shape[1], shape[2])
        weight = self.weights(out, shape[0] // groups, min(2, size[0]), min(2, size[1]), coarse=coarse)
        strides, paddings = (int(rng.integers(1, 3)), 1), (int(rng.integers(0, 2)), int(rng.integers(0, 2)))
        return self.add(Conv2d(weight, values, size, strides, paddings, groups=groups), source)

    def vary(self, shape: Shape, *values: float) -> np.ndarray:
        """One value, or with some chance one per neuron."""
        if self.rng.random() < 0.4:
            return self.rng.choice(values, shape)
        return np.array(self.rng.choice(values))

    def neuron(self, shape: Shape, *sources: str) -> str:
        """A spiking neuron whose decays are 0, 1/2 or 1 and whose gain is 1/2 or 1."""
        zero = np.zeros(())
        reset = self.one_of("zero", "subtract", "subtract", "none")
        rest = (reset, bool(self.rng.random() < 0.5))
        threshold = self.vary(shape, 0.25, 0.5, 0.75, 1.0)
        tau = self.vary(shape, 1e-3, 2e-3)
        gain = self.vary(shape, 0.5, 1.0)
        leak = self.vary(shape, 0.0, 0.0, 0.25)
        r = gain * tau / 1e-3
        match self.rng.integers(4):
            case 0:
                return self.add(LIF(shape, tau, r, leak, threshold, *rest), *sources)  # type: ignore[arg-type]
            case 1:
                tau_syn = self.vary(shape, 1e-3, 2e-3)
                syn = tau_syn / 1e-3
                cuba = CubaLIF(shape, tau_syn, tau, r, leak, threshold, syn, *rest)  # type: ignore[arg-type]
                return self.add(cuba, *sources)
            case 2:
                return self.add(IF(shape, gain * 1000, threshold, *rest, zero), *sources)  # type: ignore[arg-type]
        return self.add(Threshold(shape, self.vary(shape, -0.25, 0.0, 0.5, 0.75)), *sources)

    def readout(self, shape: Shape, *sources: str) -> str:
        one, half = np.ones(()), np.array(2e-3)
        match self.rng.integers(3):
            case 0:
                return self.add(LI(shape, half, 2 * one, 0 * one), *sources)
            case 1:
                return self.add(CubaLI(shape, half, half, 2 * one, 0 * one, 2 * one), *sources)
        return self.add(I(shape, 1000 * one), *sources)

    def anchored(self, shape: Shape) -> str:
        """A path that brings the weight of −4, which makes the unit a power of two."""
        source = self.add(Input(shape))
        return self.add(Scale(np.array(-4.0)), source)


def random_graph(seed: int) -> Graph:
    """Two to four populations with one to three paths each, one of them maybe a loop, and a readout."""
    b = Builder(seed)
    shape: Shape = b.one_of((5,), (4, 8), (2, 5, 6), (4, 4, 4))  # type: ignore[assignment]
    senders = [b.add(Input(shape))]
    for _ in range(int(b.rng.integers(2, 5))):
        twice = b.rng.random() < 0.5
        source = b.delayed(senders[int(b.rng.integers(len(senders)))])
        end = b.layer(source, coarse=bool(twice), bias=b.rng.random() < 0.7)
        if twice:
            end = b.layer(b.delayed(end, 0.1), coarse=True)
        ends = [end, b.anchored(b.shapes[end])]
        same = [s for s in senders if b.shapes[s] == b.shapes[end]]
        if same and b.rng.random() < 0.5:
            ends.append(b.delayed(same[-1]))
        name = b.neuron(b.shapes[end], *ends)
        if b.rng.random() < 0.3:
            back = b.delayed(name)
            b.edges.append((back, name)) if back != name else b.edges.append((b.add(Scale(np.array(0.5)), name), name))
        senders.append(name)
    if len(b.shapes[senders[-1]]) > 1:
        senders.append(b.add(Flatten(b.shapes[senders[-1]]), senders[-1]))
    end = b.layer(senders[-1], bias=False)
    out = b.readout(b.shapes[end], end, b.anchored(b.shapes[end]))
    for name in [out, *(s for s in senders[1:] if not isinstance(b.nodes[s], Flatten))]:
        b.add(Output(b.shapes[name]), name)
    return Graph(b.nodes, tuple(b.edges), DT, "euler")


def inputs_of(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Spikes, rare for the paths of weight −4."""
    rng = np.random.default_rng(seed + 1)
    first = next(iter(graph.inputs))
    return {
        name: (rng.random((STEPS, BATCH, *node.shape)) < (0.5 if name == first else 0.05)).astype(np.int8)
        for name, node in graph.inputs.items()
    }


def check(graph: Graph, seed: int) -> int:
    """Quantize, run both, compare spikes and membranes; the number of spikes.

    The membrane of a Threshold is its input, which the integer network may keep shifted by the threshold.
    """
    data = inputs_of(graph, seed)
    network = assemble(prepare(graph, data, dict.fromkeys(graph.inputs, (0, 1))), QuantizationConfig())
    floats, integers = reference.run(graph, data), integer.run(network, data)
    figures = network.metadata["quantization"]["populations"]
    for name, spikes in floats.spikes.items():
        np.testing.assert_array_equal(integers.spikes[name], spikes, err_msg=f"seed {seed}: {name}")
    for name, v in floats.v.items():
        if isinstance(graph.flat.nodes[name], Threshold):
            continue
        unit = figures[name]["unit"] / 64
        np.testing.assert_array_equal(integers.v[name] * unit, v, err_msg=f"seed {seed}: v of {name}")
    return sum(int(spikes.sum()) for spikes in floats.spikes.values())


SEEDS = range(200)


@pytest.mark.parametrize("start", range(0, len(SEEDS), 50))
def test_random_graphs_spike_exactly_alike(start: int) -> None:
    spikes = [check(random_graph(seed), seed) for seed in SEEDS[start : start + 50]]
    assert sum(count > 20 for count in spikes) > 40


def test_the_random_graphs_hold_every_kind_of_node() -> None:
    graphs = [random_graph(seed) for seed in SEEDS]
    kinds = {type(node) for graph in graphs for node in graph.nodes.values()}
    every = {Affine, Linear, Scale, Conv1d, Conv2d, SumPool2d, AvgPool2d, Flatten, Delay, Threshold, Input, Output}
    assert kinds == every | {LIF, CubaLIF, IF, LI, CubaLI, I}
    forms = [normal_form(graph) for graph in graphs]
    synapses = [s for form in forms for p in form.populations for s in p.synapses]
    assert {type(s.operation) for s in synapses} == {Linear, Conv1d, Conv2d}
    assert {(s.recurrent, s.delay > 0) for s in synapses} == {(a, b) for a in (False, True) for b in (False, True)}
    assert any("_copy" in s.name for s in synapses)


def test_a_graph_within_a_graph_spikes_alike() -> None:
    """The same subgraph twice in a row, with a delay of its own per element, and one subgraph deeper."""
    one = np.ones(())
    inner: dict[str, Node] = {
        "in": Input((2,)),
        "fc": Linear(np.array([[0.5, 0.25], [-1.0, 0.75]])),
        "late": Delay(np.array([0.0, 2e-3])),
        "n": IF((2,), 1000 * one, np.array([0.25, 0.5]), "subtract"),
        "out": Output((2,)),
    }
    links = (("in", "fc"), ("fc", "late"), ("late", "n"), ("n", "out"))
    deeper: dict[str, Node] = {"in": Input((2,)), "a": Subgraph(inner, links), "out": Output((2,))}
    nodes: dict[str, Node] = {
        "x": Input((2,)),
        "a": Subgraph(inner, links),
        "b": Subgraph(deeper, (("in", "a"), ("a", "out"))),
        "y": Output((2,)),
    }
    graph = Graph(nodes, (("x", "a"), ("a", "b"), ("b", "y")), DT, "euler")
    assert check(graph, 3) > 5
    assert [p.name for p in normal_form(graph).populations] == ["a.n", "b.a.n"]
