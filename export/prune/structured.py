"""Structured pruning: hidden neurons, or channels of convolutions, are taken out for real."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Conv1d, Conv2d, Float, Linear, Neuron
from cortexcore.export.passes.as_graph import as_graph
from cortexcore.export.passes.populations import FloatNetwork, FloatPopulation, FloatSynapses, normal_form
from cortexcore.export.prune.report import Pruned, PruneReport, PruneRow, check_share
from cortexcore.export.shapes import Shape

Operation = Linear | Conv1d | Conv2d
Kept = NDArray[np.int64]


def prune_neurons(graph: Graph, share: float) -> Pruned:
    """Remove ``share`` of each hidden population: rows of what feeds it, columns of what it feeds, loops included.

    A population with several axes loses whole channels. Those go whose weights matter least: the product of the norms
    of a neuron's incoming and outgoing weights, ‖W_in‖₂·‖W_out‖₂. What an output reads is never pruned. The result
    has one layer per connection (merged where the graph had several in a row); grouped convolutions that lose
    channels are written out as full ones.

    Args:
        graph: a float graph.
        share: above 0 and below 1; of n neurons ⌊share·n⌋ go.

    Raises:
        GraphError: the share is impossible or removes nothing, nothing is hidden, or the graph has no normal form or
            that cannot be written as a graph.
    """
    check_share(share)
    network = normal_form(graph)
    read = {source for _, source in network.outputs}
    hidden = [p for p in network.populations if p.name not in read]
    if not hidden:
        raise GraphError("there are no hidden neurons to prune: an output reads every population")
    removed = {p.name: int(share * p.neuron.shape[0]) for p in hidden}
    if not any(removed.values()):
        most = max(p.neuron.shape[0] for p in hidden)
        raise GraphError(
            f"pruning {share:g} removes nothing from at most {most} neurons per population: prune at least {1 / most:g}"
        )
    kept = {p.name: _strongest(network, p, p.neuron.shape[0] - removed[p.name]) for p in hidden}
    shapes = {**network.inputs, **{p.name: p.neuron.shape for p in network.populations}}
    populations = tuple(_smaller(p, kept, shapes) for p in network.populations)
    pruned = as_graph(replace(network, populations=populations), graph.flat)
    report = PruneReport(
        "neurons",
        share,
        tuple(PruneRow(p.name, p.neuron.shape[0], len(kept[p.name])) for p in hidden),
        _count(network.populations),
        _count(populations),
    )
    return Pruned(pruned, report)


def _strongest(network: FloatNetwork, p: FloatPopulation, count: int) -> Kept:
    """The ``count`` channels of ``p`` whose norms are largest, in ascending order; of equals the first."""
    channels = p.neuron.shape[0]
    incoming, outgoing = np.zeros(channels), np.zeros(channels)
    for s in p.synapses:
        incoming += np.square(s.operation.weight).reshape(channels, -1).sum(axis=1)
    for other in network.populations:
        for s in other.synapses:
            if s.source == p.name:
                outgoing += _by_source(s.operation, channels)
    return np.sort(np.argsort(-incoming * outgoing, kind="stable")[:count])


def _by_source(operation: Operation, channels: int) -> Float:
    """Σ w² of the weights that read each channel of the source."""
    full = _ungrouped(operation)
    rows = np.moveaxis(np.square(full.weight), 1, 0)
    return np.asarray(rows.reshape(channels, -1).sum(axis=1))


def _smaller(p: FloatPopulation, kept: dict[str, Kept], shapes: dict[str, Shape]) -> FloatPopulation:
    """The population and its synapses without what was removed at either end."""
    synapses = tuple(replace(s, operation=_cut(s, p, kept, shapes[s.source])) for s in p.synapses)
    if p.name not in kept:
        return replace(p, synapses=synapses)
    rows = kept[p.name]
    bias = p.bias[rows] if p.bias.ndim else p.bias
    return replace(p, neuron=_neuron(p.neuron, rows), synapses=synapses, bias=bias)


def _cut(s: FloatSynapses, p: FloatPopulation, kept: dict[str, Kept], source: Shape) -> Operation:
    if s.source not in kept and p.name not in kept:
        return s.operation
    operation = _ungrouped(s.operation)
    weight = operation.weight
    if s.source in kept:
        weight = _axis(weight, 1, kept[s.source], source, isinstance(operation, Linear))
    if p.name in kept:
        weight = _axis(weight, 0, kept[p.name], p.neuron.shape, isinstance(operation, Linear))
    if isinstance(operation, Linear):
        return Linear(weight)
    return replace(operation, weight=weight, bias=np.zeros(len(weight)))


def _axis(weight: Float, axis: int, kept: Kept, shape: Shape, flattened: bool) -> Float:
    """Only the ``kept`` channels along ``axis``, where each channel of a flattened signal has several places."""
    places = math.prod(shape[1:]) if flattened else 1
    taken = (kept[:, None] * places + np.arange(places)).reshape(-1)
    return np.take(weight, taken, axis=axis)


def _ungrouped(operation: Operation) -> Operation:
    """A convolution in one group that does the same."""
    if isinstance(operation, Linear) or operation.groups == 1:
        return operation
    out, per_group = operation.weight.shape[:2]
    full = np.zeros((out, per_group * operation.groups, *operation.weight.shape[2:]))
    rows = out // operation.groups
    for i in range(operation.groups):
        full[i * rows : (i + 1) * rows, i * per_group : (i + 1) * per_group] = operation.weight[
            i * rows : (i + 1) * rows
        ]
    return replace(operation, weight=full, groups=1)


def _neuron(neuron: Neuron, kept: Kept) -> Neuron:
    """The neurons ``kept``, with their parameters."""
    arrays: dict[str, Any] = {
        name: value[kept] for name, value in vars(neuron).items() if isinstance(value, np.ndarray) and value.ndim
    }
    return replace(neuron, shape=(len(kept), *neuron.shape[1:]), **arrays)


def _count(populations: tuple[FloatPopulation, ...]) -> int:
    return sum(np.count_nonzero(s.operation.weight) for p in populations for s in p.synapses)
