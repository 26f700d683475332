"""Operations of a float graph, counted in what a run returned; every target that runs float graphs counts alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.dynamics import delay_steps
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, AvgPool2d, Conv1d, Conv2d, Delay, Layer, Linear, Node, SumPool2d
from cortexcore.export.passes.populations import normal_form
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.energy.operations import changed, effective_operations
from cortexcore.targets.profile import Figure


@dataclass(frozen=True, eq=False)
class FloatOperations:
    """What inferences of a float graph do.

    Attributes:
        steps, batch: of the run that was counted.
        macs: dense multiply-accumulates of one inference, zeros and padding included.
        states: values that outlive a step: v of every neuron, u where there is a synaptic current.
        waiting: values that stand in delays.
        weights: of all layers.
        figures: per inference, the mean over the batch.
        layers: spiking neuron → its spikes.
        notes: what could not be counted, a sentence each.
    """

    steps: int
    batch: int
    macs: int
    states: int
    waiting: int
    weights: int
    figures: Mapping[str, Figure]
    layers: Mapping[str, Mapping[str, Figure]]
    notes: tuple[str, ...]


def count_float(graph: Graph, inputs: Arrays, traced: Result, source: str) -> FloatOperations:
    """The operations of a graph.

    Args:
        graph: what ran.
        inputs: input name → numbers [T, B, *shape].
        traced: a run on them, with traces.
        source: what the figures say of it, e.g. "counted in the float reference's trace".
    """
    graph = graph.flat
    steps, batch = next(iter(traced.outputs.values())).shape[:2]
    conditions = f"mean over {batch} inferences of {steps} steps"

    def counted(value: float, unit: str) -> Figure:
        return Figure(float(value), unit, "measured", source, conditions)

    macs = sum(dense_macs(node, graph.shapes[name]) for name, node in graph.nodes.items()) * steps
    effective, notes = synaptic_operations(graph, inputs, traced)
    spikes = {name: float(np.sum(fired, dtype=np.int64)) / batch for name, fired in traced.spikes.items()}
    figures = {
        "dense MACs": counted(macs, "MACs"),
        **{name: counted(total / batch, unit) for name, (total, unit) in effective.items()},
        "neuron updates": counted(sum(v[0, 0].size for v in traced.v.values()) * steps, "updates"),
        "membrane updates": counted(sum(int(changed(v).sum()) for v in traced.v.values()) / batch, "updates"),
        "spikes": counted(sum(spikes.values()), "spikes"),
    }
    possible = sum(fired.size for fired in traced.spikes.values())
    if possible:
        zeros = possible - sum(int(np.count_nonzero(fired)) for fired in traced.spikes.values())
        figures["activation sparsity"] = counted(zeros / possible, "of activations")
    weights = [node.weight for node in graph.nodes.values() if isinstance(node, Layer)]
    stored = sum(w.size for w in weights)
    if stored:
        zeros = stored - sum(int(np.count_nonzero(w)) for w in weights)
        figures["connection sparsity"] = Figure(
            zeros / stored, "of weights", "measured", "counted in the graph's weights"
        )
    return FloatOperations(
        steps=steps,
        batch=batch,
        macs=macs,
        states=sum(values[0, 0].size for kept in (traced.v, traced.u) for values in kept.values()),
        waiting=waiting(graph),
        weights=stored,
        figures=figures,
        layers={name: {"spikes": counted(count, "spikes")} for name, count in spikes.items()},
        notes=notes,
    )


def synaptic_operations(
    graph: Graph, inputs: Arrays, traced: Result
) -> tuple[dict[str, tuple[int, str]], tuple[str, ...]]:
    """Effective MACs and ACs as NeuroBench defines them, over the whole batch, in the graph's normal form.

    There every way between two neurons is one connection: a layer counts for each neuron that it feeds, and pools and
    scales are part of the layer that they stand beside. A graph without a normal form has no such counts.

    Returns:
        name → (total, unit); and why there are none, a sentence.
    """
    try:
        populations = normal_form(graph).populations
    except GraphError as error:
        return {}, (f"Effective operations are not counted: {error}.",)
    macs = acs = 0
    for s in (s for p in populations for s in p.synapses):
        sent = inputs[s.source] if s.source in inputs else traced.spikes.get(s.source, traced.v.get(s.source))
        values = _late(np.asarray(sent), s.delay + s.recurrent)
        more_macs, more_acs = effective_operations(s.operation, values)
        macs, acs = macs + int(more_macs.sum()), acs + int(more_acs.sum())
    return {
        "effective MACs": (macs, "MACs"),
        "effective ACs": (acs, "ACs"),
        "synaptic operations": (macs + acs, "operations"),
    }, ()


def _late(values: Array, steps: int) -> Array:
    """What arrives ``steps`` steps after it was sent; nothing at first."""
    return np.concatenate([np.zeros_like(values[:steps]), values[: max(0, len(values) - steps)]])


def waiting(graph: Graph) -> int:
    """Values that the delays of a graph hold at any time: one per step of delay and value that passes."""
    delays = {name: node for name, node in graph.nodes.items() if isinstance(node, Delay)}
    return sum(int(np.broadcast_to(delay_steps(d, graph.dt_s), graph.shapes[n]).sum()) for n, d in delays.items())


def dense_macs(node: Node, sent: tuple[int, ...]) -> int:
    """Multiply-accumulates of one step of a node that sends the shape ``sent``; padding counts, since it is multiplied.

    A pool is a convolution with ones: each value that it sends sums one window.
    """
    match node:
        case Linear() | Affine():
            return int(node.weight.size)
        case Conv1d() | Conv2d():
            return int(node.weight.size) * math.prod(node.output_size)
        case SumPool2d() | AvgPool2d():
            return math.prod(node.kernel) * math.prod(sent)
        case _:
            return 0
