"""A normal form written out as a graph: what a pass that changed populations and synapses hands back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Affine, Delay, Flatten, Float, Input, Linear, Node, Output
from cortexcore.export.passes.merge import per_channel
from cortexcore.export.passes.populations import FloatNetwork, FloatPopulation, FloatSynapses, normal_form
from cortexcore.export.shapes import Shape


def as_graph(network: FloatNetwork, like: Graph) -> Graph:
    """The inverse of :func:`normal_form`: one layer node per synapses, with the neurons' own nodes.

    Args:
        network: inputs, populations and outputs.
        like: where time step, discretization and metadata come from.

    Returns:
        a graph whose normal form is ``network``.

    Raises:
        GraphError: a matrix feeds neurons with several axes, or a bias fits no layer; all of it at once.
    """
    nodes: dict[str, Node] = {name: Input(shape) for name, shape in network.inputs.items()}
    nodes |= {p.name: p.neuron for p in network.populations}
    shapes = {**network.inputs, **{p.name: p.neuron.shape for p in network.populations}}
    edges: list[tuple[str, str]] = []
    problems: list[str] = []
    for population in network.populations:
        if problem := _add(population, shapes, nodes, edges, like.dt_s):
            problems.append(problem)
    if problems:
        raise GraphError("the network cannot be written as a graph: " + "; ".join(problems))
    for name, source in network.outputs:
        nodes[name] = Output(shapes[source])
        edges.append((source, name))
    graph = Graph(nodes, tuple(edges), like.dt_s, like.discretization, like.metadata)
    if _wiring(normal_form(graph)) != _wiring(network):
        raise GraphError("the network cannot be written as a graph: its loops would be entered at another neuron")
    return graph


def _add(
    p: FloatPopulation, shapes: dict[str, Shape], nodes: dict[str, Node], edges: list[tuple[str, str]], dt_s: float
) -> str:
    """Write out what feeds one population; or why that is not possible."""
    biased = _bias_holder(p)
    if np.any(p.bias) and biased is None:
        if not isinstance(p.neuron, LIF | LI):
            return f"the bias of '{p.name}' differs within a channel, or has no layer to stand in"
        nodes[p.name] = replace(p.neuron, v_leak=p.neuron.v_leak + p.neuron.r * p.bias)
    for synapses in p.synapses:
        if isinstance(synapses.operation, Linear) and len(p.neuron.shape) > 1:
            return f"'{synapses.name}' is a matrix into neurons of shape {p.neuron.shape} (use a convolution there)"
        before = synapses.source
        if synapses.delay:
            before = _put(f"{synapses.name}_delay", Delay(np.array(synapses.delay * dt_s)), before, nodes, edges)
        shape = shapes[synapses.source]
        if isinstance(synapses.operation, Linear) and len(shape) > 1:
            before = _put(f"{synapses.name}_flatten", Flatten(shape), before, nodes, edges)
        layer = _layer(synapses, p.bias if synapses is biased else None, p.neuron.shape)
        edges.append((_put(synapses.name, layer, before, nodes, edges), p.name))
    return ""


def _bias_holder(p: FloatPopulation) -> FloatSynapses | None:
    """The synapses whose layer can hold the population's bias."""
    for synapses in p.synapses:
        if isinstance(synapses.operation, Linear) or per_channel(p.bias, p.neuron.shape) is not None:
            return synapses
    return None


def _layer(synapses: FloatSynapses, bias: Float | None, shape: Shape) -> Node:
    operation = synapses.operation
    if bias is None or not np.any(bias):
        return operation
    if isinstance(operation, Linear):
        return Affine(operation.weight, np.array(np.broadcast_to(bias, shape).reshape(-1)))
    rows = per_channel(bias, shape)
    if rows is None:
        raise TypeError("a convolution was chosen for a bias that differs within a channel")
    return replace(operation, bias=rows)


def _put(wanted: str, node: Node, before: str, nodes: dict[str, Node], edges: list[tuple[str, str]]) -> str:
    free, number = wanted, 1
    while free in nodes:
        number += 1
        free = f"{wanted}_copy{number}"
    nodes[free] = node
    edges.append((before, free))
    return free


def _wiring(network: FloatNetwork) -> list[tuple[str, list[tuple[str, bool, int]]]]:
    return [(p.name, sorted((s.source, s.recurrent, s.delay) for s in p.synapses)) for p in network.populations]
