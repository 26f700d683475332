"""Operations, counted exactly from a golden trace.

As NeuroBench defines them, which ``tests/golden/test_neurobench.py`` holds us to: a *dense* MAC is every weight that
meets a value, zero or not (padding is no value, a bias no weight); an *effective* one has both weight and value
nonzero, and is an accumulate (AC) where all that the source sends in that step, over the batch, is −1, 0 or 1, else a
multiply-accumulate (MAC). A synaptic operation is either. A *membrane update* is a v that differs from the step
before; in the first step all count. Activation sparsity is the share of zeros among all spikes that could have been,
connection sparsity that among the weights. A layer here is one of the integer network, where pools and batch
normalisation are folded into their neighbours. Source: NeuroBench 2.3, ``metrics/static`` and ``metrics/workload``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export import nodes
from cortexcore.export.integer import Array, Trace
from cortexcore.export.network import DECAY_ONE, Convolution, Dense, IntegerNetwork, Operation, Population
from cortexcore.export.nodes import Linear
from cortexcore.targets.profile import Figure

Counts = NDArray[np.int64]
Weighted = Operation | Linear | nodes.Conv1d | nodes.Conv2d
"""A connection's operation, of an integer network or of a float graph."""
STATE_BYTES = 4
COUNTED = "counted in the golden integer network's trace"


@dataclass(frozen=True, eq=False)
class LayerOperations:
    """One population's operations; arrays [T, B] hold them per step and inference.

    Attributes:
        neurons: of the population, all updated in every step.
        convolution: whether its synapses are convolutions, at least one of them.
        connections: weights that meet a value in one step, zero or not; connections·T are its dense MACs.
        stored, zeros: weights kept, shared ones once, and how many of them are zero.
        macs, acs: effective ones.
        events: values ≠ 0 that arrived from its sources.
        active: neurons whose current u is not zero.
        spikes: fired.
        changed: neurons whose v differs from the step before, all in the first.
        firing: neurons that can spike: all of a spiking population, none of a leaky integrator.
        states: integers that outlive a step: v, and u where du < 4095.
    """

    name: str
    neurons: int
    convolution: bool
    connections: int
    stored: int
    zeros: int
    macs: Counts
    acs: Counts
    events: Counts
    active: Counts
    spikes: Counts
    changed: Counts
    firing: int
    states: int

    @property
    def synops(self) -> Counts:
        return self.macs + self.acs


def count(network: IntegerNetwork, inputs: Mapping[str, Array], trace: Trace) -> tuple[LayerOperations, ...]:
    """Operations of every population over a trace of these inputs [T, B, *shape]."""
    return tuple(_count_layer(network, p, inputs, trace) for p in network.populations)


def _count_layer(network: IntegerNetwork, p: Population, inputs: Mapping[str, Array], trace: Trace) -> LayerOperations:
    steps, batch = trace.v[p.name].shape[:2]
    macs, acs, events = (np.zeros((steps, batch), np.int64) for _ in range(3))
    connections = stored = zeros = 0
    for s in p.synapses:
        values = np.asarray(inputs[s.source] if s.source in inputs else trace.spikes.get(s.source, trace.v[s.source]))
        if s.recurrent:
            values = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
        connections += int(fan_out(s.operation, network.shape_of(s.source))[0].sum())
        stored += s.operation.weight.size
        zeros += s.operation.weight.size - int(np.count_nonzero(s.operation.weight))
        for total, counted in zip((macs, acs), effective_operations(s.operation, values), strict=True):
            total += counted
        events += np.count_nonzero(values.reshape(steps, batch, -1), axis=2)
    fired = trace.spikes[p.name] if p.name in trace.spikes else np.zeros((steps, batch, 1), np.uint8)
    return LayerOperations(
        name=p.name,
        neurons=p.size,
        convolution=any(isinstance(s.operation, Convolution) for s in p.synapses),
        connections=connections,
        stored=stored,
        zeros=zeros,
        macs=macs,
        acs=acs,
        events=events,
        active=np.count_nonzero(trace.u[p.name].reshape(steps, batch, -1), axis=2),
        spikes=fired.reshape(steps, batch, -1).sum(axis=2, dtype=np.int64),
        changed=changed(trace.v[p.name]),
        firing=0 if p.vth is None else p.size,
        states=p.size + int(np.count_nonzero(np.broadcast_to(p.du, p.shape) != DECAY_ONE - 1)),
    )


def effective_operations(operation: Weighted, values: NDArray[Any]) -> tuple[Counts, Counts]:
    """(MACs, ACs) [T, B] of one connection that is sent ``values`` [T, B, *source]."""
    steps, batch = values.shape[:2]
    performed = (values != 0).reshape(steps, batch, -1) @ fan_out(operation, values.shape[2:])[1]
    spiking = np.isin(values, (-1, 0, 1)).reshape(steps, -1).all(axis=1)[:, None]
    return np.where(spiking, 0, performed), np.where(spiking, performed, 0)


def changed(v: Array) -> Counts:
    """Membranes [T, B, *shape] → how many of them differ from the step before [T, B]; in the first step all."""
    steps, batch = v.shape[:2]
    flat = v.reshape(steps, batch, -1)
    differing = np.count_nonzero(flat[1:] != flat[:-1], axis=2)
    return np.concatenate([np.full((1, batch), flat.shape[2], np.int64), differing])


def fan_out(operation: Weighted, source_shape: tuple[int, ...]) -> tuple[Counts, Counts]:
    """Per source value, flattened: how many weights it meets, and how many of them are not zero."""
    weight = operation.weight
    if isinstance(operation, Dense | Linear):
        return np.full(weight.shape[1], len(weight), np.int64), np.count_nonzero(weight, axis=0).astype(np.int64)
    window, sizes = operation.window, source_shape[1:]
    out, per_group, *kernel = weight.shape
    each = out // operation.groups
    nonzero = np.count_nonzero(weight.reshape(operation.groups, each, per_group, *kernel), axis=1)
    nonzero = nonzero.reshape(operation.groups * per_group, -1)
    dense, effective = (np.zeros(source_shape, np.int64) for _ in range(2))
    for index, tap in enumerate(np.ndindex(*kernel)):
        met = []
        for axis, (n, size) in enumerate(zip(window.positions(sizes), sizes, strict=True)):
            offset = tap[axis] * window.dilation[axis] - window.padding[axis]
            samples = np.arange(n) * window.stride[axis] + offset
            met.append(samples[(samples >= 0) & (samples < size)])
        place = np.ix_(np.arange(len(dense)), *met)
        dense[place] += each
        effective[place] += nonzero[:, index].reshape(-1, *(1 for _ in sizes))
    return dense.reshape(-1), effective.reshape(-1)


def operation_figures(layers: tuple[LayerOperations, ...]) -> dict[str, Figure]:
    """The counts of some layers as figures, mean per inference."""
    if not layers:
        return {}
    steps, batch = layers[0].macs.shape
    conditions = f"mean over {batch} inferences of {steps} steps"

    def figure(total: float, unit: str) -> Figure:
        return Figure(float(total), unit, "measured", COUNTED, conditions)

    macs, acs = sum(int(x.macs.sum()) for x in layers) / batch, sum(int(x.acs.sum()) for x in layers) / batch
    spikes = sum(int(x.spikes.sum()) for x in layers) / batch
    updates = sum(x.neurons for x in layers) * steps
    states = sum(x.states for x in layers) * steps
    weight_bytes, state_bytes = macs + acs, 2 * STATE_BYTES * states
    stored, firing = sum(x.stored for x in layers), sum(x.firing for x in layers) * steps * batch
    zeros = sum(x.zeros for x in layers)
    silent = firing - sum(int(x.spikes.sum()) for x in layers)
    figures = {
        "dense MACs": figure(sum(x.connections for x in layers) * steps, "MACs"),
        "effective MACs": figure(macs, "MACs"),
        "effective ACs": figure(acs, "ACs"),
        "synaptic operations": figure(macs + acs, "operations"),
        "neuron updates": figure(updates, "updates"),
        "membrane updates": figure(sum(int(x.changed.sum()) for x in layers) / batch, "updates"),
        "spikes": figure(spikes, "spikes"),
        "bytes moved, least": Figure(
            weight_bytes + state_bytes,
            "B",
            "modelled",
            f"{COUNTED}: one byte per synaptic operation, each state read and written once a step in 32 bits",
            conditions,
        ),
    }
    if firing:
        figures["activation sparsity"] = figure(silent / firing, "of activations")
    if stored:
        figures["connection sparsity"] = Figure(zeros / stored, "of weights", "measured", "counted in the network")
    return figures
