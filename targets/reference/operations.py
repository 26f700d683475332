"""Operations of a float graph, counted in what a run returned; every target that runs float graphs counts alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cortexcore.export.dynamics import delay_steps
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, AvgPool2d, Conv1d, Conv2d, Delay, Layer, Linear, Node, SumPool2d
from cortexcore.targets.base import Result
from cortexcore.targets.energy.operations import changed
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
    """

    steps: int
    batch: int
    macs: int
    states: int
    waiting: int
    weights: int
    figures: Mapping[str, Figure]
    layers: Mapping[str, Mapping[str, Figure]]


def count_float(graph: Graph, traced: Result, source: str) -> FloatOperations:
    """The operations of a graph.

    Args:
        graph: what ran.
        traced: a run with traces.
        source: what the figures say of it, e.g. "counted in the float reference's trace".
    """
    graph = graph.flat
    steps, batch = next(iter(traced.outputs.values())).shape[:2]
    conditions = f"mean over {batch} inferences of {steps} steps"

    def counted(value: float, unit: str) -> Figure:
        return Figure(float(value), unit, "measured", source, conditions)

    macs = sum(dense_macs(node, graph.shapes[name]) for name, node in graph.nodes.items()) * steps
    spikes = {name: float(np.sum(fired, dtype=np.int64)) / batch for name, fired in traced.spikes.items()}
    figures = {
        "dense MACs": counted(macs, "MACs"),
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
    )


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
