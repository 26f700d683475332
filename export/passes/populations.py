"""The normal form in floats: populations of neurons, each fed by synapses with one operation and one source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.flow import neuron_order
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Float, Input, Linear, Output
from cortexcore.export.passes.identities import write_identities
from cortexcore.export.passes.scales import fold_scales, scales_past_flattens
from cortexcore.export.passes.split import split_shared
from cortexcore.export.shapes import Shape

PASSES = (split_shared, scales_past_flattens, fold_scales, write_identities)
"""In this order a graph comes so far that every path between neurons is one layer, flattened before or not."""


@dataclass(frozen=True, eq=False)
class FloatSynapses:
    """One connection; its operation's bias has gone to the population."""

    name: str
    source: str
    operation: Linear | Conv1d
    recurrent: bool


@dataclass(frozen=True, eq=False)
class FloatPopulation:
    """One neuron node and what feeds it; ``bias`` scalar or [*shape] is the sum of its layers' biases."""

    name: str
    neuron: LIF | CubaLIF | LI
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

    Raises:
        GraphError: what the normal form cannot express, all of it at once, each with its remedy.
    """
    for step in PASSES:
        graph = step(graph)
    problems = _problems(graph)
    if problems:
        raise GraphError("the graph has no integer counterpart: " + "; ".join(problems))
    order = neuron_order(graph)
    populations = tuple(_population(graph, name, order) for name in order)
    outputs = tuple((name, graph.sources(name)[0]) for name in graph.outputs)
    return FloatNetwork({name: node.shape for name, node in graph.inputs.items()}, populations, outputs)


def _problems(graph: Graph) -> list[str]:
    problems: list[str] = []
    layers = (Linear, Affine, Conv1d)
    for name, node in graph.nodes.items():
        sources = [graph.nodes[source] for source in graph.sources(name)]
        if isinstance(node, Output) and not (len(sources) == 1 and isinstance(sources[0], LIF | CubaLIF | LI)):
            problems.append(f"output '{name}' is not what one neuron node sends (end with a LIF or an LI readout)")
        if isinstance(node, layers):
            below = sources[0]
            if isinstance(below, Flatten):
                below = graph.nodes[graph.sources(graph.sources(name)[0])[0]]
            if isinstance(below, (*layers, Flatten)):
                problems.append(f"'{name}' follows another layer without a neuron between (merge the two layers)")
            if isinstance(below, LI):
                problems.append(f"'{name}' reads the membrane of an LI (only spikes and inputs can be sent on)")
        if isinstance(node, Flatten) and isinstance(sources[0], layers):
            problems.append(f"'{name}' flattens a layer before its neuron (flatten after the neuron)")
        if isinstance(node, Flatten) and any(isinstance(graph.nodes[d], Conv1d) for d in graph.destinations(name)):
            problems.append(f"'{name}' flattens in front of a convolution (leave it out)")
        if isinstance(node, LIF | CubaLIF | LI):
            problems += [f"'{name}' {text}" for text in _neuron_problems(node)]
        if isinstance(node, CubaLIF):
            problems += [
                f"'{source}' has a bias, which the synaptic current of '{name}' would filter (use bias=False)"
                for source in graph.sources(name)
                if np.any(getattr(graph.nodes[source], "bias", 0.0))
            ]
    return problems


def _neuron_problems(node: LIF | CubaLIF | LI) -> list[str]:
    problems = [
        f"has one {key} per neuron, a population shares one (use a single value per layer)"
        for key, value in vars(node).items()
        if isinstance(value, np.ndarray) and value.ndim and key != "v_leak" and np.any(value != value.flat[0])
    ]
    if not isinstance(node, LI):
        if node.reset == "none":
            problems.append("fires without a reset (use reset 'zero' or 'subtract', or read its membrane as an LI)")
        if node.v_threshold.min() < 0:
            problems.append(f"has a threshold of {node.v_threshold.min():g} (use a threshold of at least 0)")
    return problems


def _population(graph: Graph, name: str, order: tuple[str, ...]) -> FloatPopulation:
    node = graph.nodes[name]
    if not isinstance(node, LIF | CubaLIF | LI):
        raise TypeError(f"'{name}' is a {type(node).__name__}, no neuron")
    bias: Float = np.zeros(())
    synapses: list[FloatSynapses] = []
    for layer_name in graph.sources(name):
        layer = graph.nodes[layer_name]
        (source,) = graph.sources(layer_name)
        if isinstance(graph.nodes[source], Flatten):
            (source,) = graph.sources(source)
        match layer:
            case Affine(weight=weight):
                operation: Linear | Conv1d = Linear(weight)
                bias = bias + layer.bias
            case Conv1d():
                operation = replace(layer, bias=np.zeros_like(layer.bias))
                bias = bias + layer.bias[:, None]
            case Linear():
                operation = layer
            case _:
                raise TypeError(f"'{layer_name}' is a {type(layer).__name__}, no layer")
        late = not isinstance(graph.nodes[source], Input) and order.index(source) >= order.index(name)
        synapses.append(FloatSynapses(layer_name, source, operation, late))
    if bias.ndim:
        bias = np.array(np.broadcast_to(bias, node.shape))
    return FloatPopulation(name, node, tuple(synapses), bias)
