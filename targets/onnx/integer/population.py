"""A population in ONNX: the currents into it, its step, and the states that outlive a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cortexcore.export.integer_currents import FLOAT64_EXACT
from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.bounds import Guards, guards
from cortexcore.targets.onnx.build import Build
from cortexcore.targets.onnx.integer.exact import input_dtype
from cortexcore.targets.onnx.integer.neuron import States, emit_current_state, emit_push, emit_sent, emit_voltage
from cortexcore.targets.onnx.integer.synapses import Lead, emit_current
from cortexcore.targets.populations import read_back

Key = tuple[str, str]
"""(kind, population or input) of a state that outlives a step: its "u", its "v", or the "sent" that loops read back."""


@dataclass(frozen=True)
class Slot:
    """A state that outlives a step: its key, its type and how many values it has per inference."""

    key: Key
    dtype: str
    size: int


def state_slots(network: IntegerNetwork) -> list[Slot]:
    """Every state that outlives a step."""
    late = [port for port in network.inputs if read_back(network, port.name)]
    slots = [Slot(("sent", port.name), input_dtype(port), math.prod(port.shape)) for port in late]
    for p in network.populations:
        if p.has_current:
            slots.append(Slot(("u", p.name), "float64", p.size))
        slots.append(Slot(("v", p.name), "float64", p.size))
        if p.vth is not None and read_back(network, p.name):
            slots.append(Slot(("sent", p.name), "uint8", p.size))
    return slots


def emit_drive(
    b: Build,
    network: IntegerNetwork,
    p: Population,
    synapses: tuple[Synapses, ...],
    sources: Mapping[str, str],
    lead: Lead,
    start: str | None = None,
) -> str:
    """Σ a·2^6 over ``synapses``, added to ``start``.

    Args:
        sources: synapses → the tensor [*lead, values] that it reads.
    """
    parts = [start] if start is not None else []
    whole = guards(network, p).drive <= FLOAT64_EXACT // 2
    for s in synapses:
        with b.scoped(f"{p.name}/{s.name}"):
            parts.append(emit_current(b, network, s, sources[s.name], lead, whole))
    if not parts:
        shape = b.node("Concat", [lead.sizes, b.whole(p.size)], axis=0)
        return b.node("Expand", [b.real(np.zeros(1)), shape])
    total = parts[0]
    for part in parts[1:]:
        total = b.node("Add", [total, part])
    return total


def emit_neurons(b: Build, p: Population, needed: Guards, drive: str, before: Mapping[Key, str]) -> States:
    """One step of a population's neurons, u included, from the drive Σ a·2^6 and the states of the step before."""
    u = emit_current_state(b, p, needed, drive, before.get(("u", p.name)))
    peak, v = emit_voltage(b, p, needed, emit_push(b, p, u), before["v", p.name])
    return States(u, peak, v)


def previous_sent(p: Population, before: Mapping[Key, str]) -> str:
    """What a population sent in the step before."""
    return before["v", p.name] if p.vth is None else before["sent", p.name]


def kept(b: Build, p: Population, states: States, kind: str) -> str:
    """The tensor of one kind of state after a step."""
    return {"u": states.u, "v": states.v}[kind] if kind != "sent" else emit_sent(b, p, states.peak)
