"""The equivalent ANN of an integer network: the same connections and weights, ReLU for spikes, one pass for all steps.

It is a baseline of cost, not a trained model: its cost is that of a trained one of this shape, its decisions are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.integer import Array
from cortexcore.export.network import THRESHOLD_SHIFT, Dense, IntegerNetwork, Operation, Population, Synapses
from cortexcore.targets.ann.network import HIGH, LOW, Ann, AnnInput, AnnLayer, Connection, Grid
from cortexcore.targets.ann.products import products

Floats = NDArray[np.float64]
BIAS_LIMIT = 2**30
"""A bias that a tiny scale would make larger stays here, so that int32 holds its sum with the products."""


@dataclass(frozen=True, eq=False)
class _Part:
    """A connection, and what it adds to each neuron in the calibration [B, neurons]."""

    connection: Connection
    values: Floats


def equivalent_ann(network: IntegerNetwork, inputs: Mapping[str, Array]) -> Ann:
    """The int8 ANN of a network's shape, its activation scales from these inputs.

    Args:
        network: the integer network. Its weights become int8 by halving (−128 becomes −127), its biases int32;
            decays and recurrent connections have no counterpart.
        inputs: input name → integers [T, B, *shape]; an input's value is its mean over the steps: of an input that is
            held the value itself, of a spike train its rate. A spike's place is taken by current over threshold, which
            is the rate of a neuron without leak.

    Raises:
        DataError: the inputs do not fit.
        GraphError: no population has a connection that is not recurrent.
    """
    checked = integer.check_inputs(network, inputs)
    known: dict[str, Floats] = {name: values.mean(axis=0, dtype=np.float64) for name, values in checked.items()}
    ports = tuple(AnnInput(p.name, p.shape, _grid(known[p.name])) for p in network.inputs)
    grids = {port.name: port.grid for port in ports}
    layers: list[AnnLayer] = []
    notes: list[str] = []
    for p in network.populations:
        kept = [s for s in p.synapses if not s.recurrent and s.source in known]
        if left := [s.name for s in p.synapses if s not in kept]:
            notes.append(f"{len(left)} of {len(p.synapses)} connections into '{p.name}' have no place in one pass")
        if not kept:
            notes.append(f"'{p.name}' is left out: nothing feeds it forward")
            continue
        bias, uneven = _biases(p, kept[0].operation)
        notes += [f"the bias of '{p.name}' is averaged per channel"] if uneven else []
        gain = 1.0 if p.vth is None else 1.0 / max(1.0, float(np.mean(p.vth)))
        parts = [_part(s, gain, known[s.source], grids[s.source], gain * bias if s is kept[0] else None) for s in kept]
        shares = np.stack([part.values for part in parts])
        sums = np.cumsum(shares, axis=0)
        total = sums[-1].reshape(-1, *p.shape)
        known[p.name] = total if p.vth is None else np.maximum(total, 0)
        grids[p.name] = _symmetric(total) if p.vth is None else _positive(total)
        part = _symmetric(np.stack([shares, sums]))
        layers.append(
            AnnLayer(p.name, p.shape, tuple(p.connection for p in parts), grids[p.name], part, p.vth is not None)
        )
    if not layers:
        raise GraphError("the network has no equivalent ANN: every connection of its populations is recurrent")
    outputs = tuple(dict.fromkeys(o.source for o in network.outputs if o.source in known))
    return Ann(ports, tuple(layers), outputs, tuple(notes))


def _part(synapses: Synapses, gain: float, values: Floats, source: Grid, bias: Floats | None) -> _Part:
    weight, halvings = _int8(synapses.operation)
    operation = replace(synapses.operation, weight=weight, weight_exp=0)
    scale = float(np.float32(gain * 2.0 ** (synapses.operation.weight_exp + halvings)))
    out = np.zeros(len(weight)) if bias is None else bias
    units = np.rint(out / (source.scale * scale)).clip(-BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)
    current = products(operation, values) * scale
    current += out.reshape(-1, *(1 for _ in current.shape[2:]))
    return _Part(Connection(synapses.name, synapses.source, operation, scale, units), current.reshape(len(current), -1))


def _int8(operation: Operation) -> tuple[NDArray[np.int32], int]:
    """Weights halved until they fit int8, and how often. −128 becomes −127: TFLite's int8 weights are symmetric."""
    halvings = 0
    while not _fits(units := np.rint(operation.weight / 2**halvings)):
        halvings += 1
    return units.clip(-HIGH, HIGH).astype(np.int32), halvings


def _fits(units: Floats) -> bool:
    return bool(units.min(initial=0) >= LOW and units.max(initial=0) <= HIGH)


def _biases(p: Population, operation: Operation) -> tuple[Floats, bool]:
    """What every step adds, in units of the current, per neuron or channel; whether a channel's neurons differ."""
    neurons = np.broadcast_to(p.bias * 2.0 ** (p.bias_exp - THRESHOLD_SHIFT), p.shape).astype(np.float64)
    if isinstance(operation, Dense):
        return neurons.reshape(-1), False
    channels = neurons.reshape(p.shape[0], -1)
    return channels.mean(axis=1), bool(np.any(channels != channels[:, :1]))


def _grid(values: Floats) -> Grid:
    """A grid that just holds these values: from 0 up where none is negative, else symmetric."""
    return _symmetric(values) if values.min(initial=0.0) < 0 else _positive(values)


def _positive(values: Floats) -> Grid:
    return Grid(float(np.float32(values.max(initial=0.0) / (HIGH - LOW))) or 1.0, LOW)


def _symmetric(values: Floats) -> Grid:
    return Grid(float(np.float32(np.abs(values).max(initial=0.0) / HIGH)) or 1.0, 0)
