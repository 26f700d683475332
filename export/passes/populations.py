"""The normal form in floats: populations of neurons, each fed by synapses with one operation and one source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.dynamics import Dynamics, dynamics
from cortexcore.export.flow import neuron_order
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Conv1d, Conv2d, Delay, Float, Input, Layer, Linear, Neuron, Readout
from cortexcore.export.passes.merge import MAX_DENSE, MAX_DIAGONAL, merged, relayable
from cortexcore.export.passes.paths import Path, paths_to, silent_signals, silent_sum
from cortexcore.export.shapes import Shape

MAX_DELAY = 256
"""Each step of a delay is a population of relays; more of them than this are refused."""


@dataclass(frozen=True, eq=False)
class FloatSynapses:
    """One connection; its operation's bias has gone to the population.

    ``recurrent``: it closes a loop and carries the spikes of the step before; ``delay`` steps come on top.
    """

    name: str
    source: str
    operation: Linear | Conv1d | Conv2d
    recurrent: bool
    delay: int = 0


@dataclass(frozen=True, eq=False)
class FloatPopulation:
    """One neuron node and what feeds it.

    Attributes:
        name, neuron: as in the flat graph.
        synapses: its connections, in edge order.
        bias: what every step adds to the neurons' input, scalar or [*shape]: what its layers' biases send.
    """

    name: str
    neuron: Neuron
    synapses: tuple[FloatSynapses, ...]
    bias: Float


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Inputs (name → shape), populations in computing order, outputs as (name, population)."""

    inputs: dict[str, Shape]
    populations: tuple[FloatPopulation, ...]
    outputs: tuple[tuple[str, str], ...]


def normal_form(graph: Graph) -> FloatNetwork:
    """Bring a graph to populations and synapses.

    Every path between two neurons becomes one operation: layers, pools, scales and flattens in a row are merged,
    into one convolution where that is exact, else into a matrix. Biases are gathered per neuron.

    Raises:
        GraphError: what the normal form cannot express, all of it at once, each with its remedy.
    """
    graph = graph.flat
    order = neuron_order(graph)
    silent = silent_signals(graph)
    problems = _output_problems(graph) + _delay_problems(graph, silent)
    names = _Names(graph)
    populations: list[FloatPopulation] = []
    for name in order:
        node = graph.nodes[name]
        if not isinstance(node, Neuron):
            raise TypeError(f"'{name}' is a {type(node).__name__}, no neuron")
        factors = dynamics(node, graph.dt_s, graph.discretization)
        problems += [f"'{name}' {text}" for text in _neuron_problems(factors)]
        synapses: list[FloatSynapses] = []
        for path in paths_to(graph, name):
            problem, found = _synapses(graph, name, path, factors, names)
            problems += [problem] if problem else []
            if found is not None:
                late = not isinstance(graph.nodes[path.source], Input) and order.index(path.source) >= order.index(name)
                synapses.append(FloatSynapses(found[0], path.source, found[1], late, path.delay))
        bias = silent_sum(graph, name, silent)
        populations.append(FloatPopulation(name, node, tuple(synapses), np.zeros(()) if bias is None else bias))
    if problems:
        raise GraphError("the graph has no integer counterpart: " + "; ".join(problems))
    outputs = tuple((name, graph.sources(name)[0]) for name in graph.outputs)
    return FloatNetwork({name: node.shape for name, node in graph.inputs.items()}, tuple(populations), outputs)


class _Names:
    """Names for synapses: a layer's own for the first path through it, else one made from it."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = set(graph.nodes)
        self.used: set[str] = set()

    def of(self, path: Path, graph: Graph, name: str) -> str:
        layers = [n for n in path.names if isinstance(graph.nodes[n], Layer)]
        layers = layers or [n for n in path.names if not isinstance(graph.nodes[n], Delay)]
        wanted = "_".join(layers) or f"{path.source}_to_{name}"
        free, number = wanted, 1
        while free in self.used or (free in self.nodes and layers != [free]):
            number += 1
            free = f"{wanted}_copy{number}"
        self.used.add(free)
        return free


def _synapses(
    graph: Graph, name: str, path: Path, factors: Dynamics, names: _Names
) -> tuple[str, tuple[str, Linear | Conv1d | Conv2d] | None]:
    """Why a path has no operation, or its name and operation."""
    source, shapes = path.source, graph.shapes
    way = " → ".join([source, *path.names, name])
    if isinstance(graph.nodes[source], Readout):
        first = (*path.names, name)[0]
        delayed = ", and a delay of it is none either" if path.delay else ""
        return (
            f"'{first}' reads the membrane of '{source}' (only spikes and inputs can be sent on{delayed}: give "
            f"'{source}' a threshold, or read it as an output)",
            None,
        )
    if path.delay and not relayable(shapes[source]):
        return (
            f"{way} delays {shapes[source]}, too many neurons for relays (give them the shape [channels, length])",
            None,
        )
    if path.delay > MAX_DELAY:
        return f"{way} is delayed by {path.delay} steps (use at most {MAX_DELAY}, or a longer time step)", None
    gain = factors.gain if factors.input_gain is None else factors.gain * factors.input_gain
    operation = merged(path.chain, shapes[source], shapes[name], np.asarray(gain))
    if operation is None and not any(isinstance(graph.nodes[n], Layer) for n in path.names):
        return (
            f"{way} has no layer and is too large for a diagonal one, {shapes[source]} beyond {MAX_DIAGONAL} neurons "
            "(put a Linear, Conv1d or Conv2d between)",
            None,
        )
    if operation is None:
        return (
            f"{way} could only become a matrix between {shapes[source]} and {shapes[name]}, of more than {MAX_DENSE} "
            "weights (put a neuron between its layers, flatten after the neuron, use one factor per channel)",
            None,
        )
    return "", (names.of(path, graph, name), operation)


def _output_problems(graph: Graph) -> list[str]:
    return [
        f"output '{name}' is not what one neuron node sends (end with a LIF or an LI readout)"
        for name in graph.outputs
        if not (len(graph.sources(name)) == 1 and isinstance(graph.nodes[graph.sources(name)[0]], Neuron))
    ]


def _delay_problems(graph: Graph, silent: dict[str, Float]) -> list[str]:
    return [
        f"'{name}' delays a bias, which then sets in late (put the delay before the layer with the bias)"
        for name, node in graph.nodes.items()
        if isinstance(node, Delay) and np.any(node.delay) and name in silent and np.any(silent[name])
    ]


def _neuron_problems(factors: Dynamics) -> list[str]:
    if factors.threshold is None or not np.any(factors.v_reset):
        return []
    worst = float(np.ravel(factors.v_reset)[np.argmax(np.abs(factors.v_reset))])
    return [
        f"resets to {worst:g}, integer neurons reset to 0 (train with v_reset 0; v_leak, v_threshold and v_reset less "
        "by it are the same neuron, but for where it starts)"
    ]
