"""A population in ONNX: the currents into it, its step, and the states that outlive a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.bounds import Guards, guards
from cortexcore.targets.onnx.build import Build
from cortexcore.targets.onnx.exact import INT32_SAFE, input_dtype
from cortexcore.targets.onnx.neuron import (
    States,
    delays_reset,
    emit_current_state,
    emit_push,
    emit_voltage,
)
from cortexcore.targets.onnx.synapses import Lead, emit_current

Slot = tuple[str, str, str, int]
"""(kind, population or input, dtype, values) of a state that outlives a step; kind is u, v or spikes, v of inputs."""


def state_slots(network: IntegerNetwork) -> list[Slot]:
    """Every state that outlives a step."""
    late = [port for port in network.inputs if _read_back(network, port.name)]
    slots: list[Slot] = [("v", port.name, input_dtype(port), math.prod(port.shape)) for port in late]
    for p in network.populations:
        if p.has_current:
            slots.append(("u", p.name, "int32", p.size))
        slots.append(("v", p.name, "int32", p.size))
        if p.vth is not None and (delays_reset(p) or _read_back(network, p.name)):
            slots.append(("spikes", p.name, "bool", p.size))
    return slots


def states_from(names: Mapping[tuple[str, str], str]) -> dict[str, States]:
    """Population or input → its states of the step before, from (kind, name) → tensor."""
    found = dict.fromkeys(name for _, name in names)
    return {n: States(names["v", n], names.get(("u", n)), names.get(("spikes", n))) for n in found}


def slot_of(states: States, kind: str) -> str:
    """The tensor of one kind of state."""
    return {"u": states.u, "v": states.v, "spikes": states.spikes}[kind] or states.v


def emit_drive(
    b: Build,
    network: IntegerNetwork,
    p: Population,
    synapses: tuple[Synapses, ...],
    sent: Mapping[str, str],
    before: Mapping[str, States],
    lead: Lead,
    start: str | None = None,
) -> str:
    """Σ a·2^6 over ``synapses``, added to ``start``; recurrent ones read ``before``."""
    parts = [start] if start is not None else []
    whole = guards(network, p).drive <= INT32_SAFE
    for s in synapses:
        source = before[s.source].sent if s.recurrent else sent[s.source]
        parts.append(emit_current(b, network, s, source, lead, whole))
    if not parts:
        shape = b.node("Concat", [lead.sizes, b.constant(np.array([p.size]))], axis=0)
        return b.node("Expand", [b.constant(np.zeros((1,) * (lead.axes + 1), np.int32)), shape])
    total = parts[0]
    for part in parts[1:]:
        total = b.node("Add", [total, part])
    return total


def emit_neurons(b: Build, p: Population, needed: Guards, drive: str, before: States) -> States:
    """One step of a population's neurons, u included, from the drive Σ a·2^6."""
    u = emit_current_state(b, p, needed, drive, before.u)
    return replace(emit_voltage(b, p, needed, emit_push(b, p, u), before), u=u)


def _read_back(network: IntegerNetwork, name: str) -> bool:
    return any(s.recurrent and s.source == name for p in network.populations for s in p.synapses)
