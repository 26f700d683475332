"""The two models of one network: all steps in a call, layer by layer, and one step with the state handed through.

Sequence form: inputs [T, B, *shape]. A population outside loops takes its currents from one product over all T·B,
then a Scan runs the neurons; the populations of a recurrent loop share one Scan. Step form: inputs [B, *shape] and the
states ``previous/u/<population>`` … [B, neurons], zero at rest, that the step before returned as ``next/u/…``.
Both offer ``spikes/<population>`` (uint8), ``u/…`` and ``v/…`` (int32) beside the network's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from cortexcore.export.integer import computing_order
from cortexcore.export.network import InputPort, IntegerNetwork, Population, Synapses
from cortexcore.targets.bounds import Guards, guards
from cortexcore.targets.onnx.build import Build, finish, value
from cortexcore.targets.onnx.exact import INT32_SAFE
from cortexcore.targets.onnx.neuron import (
    States,
    delays_reset,
    emit_current_state,
    emit_push,
    emit_voltage,
    keeps_current,
)
from cortexcore.targets.onnx.synapses import Lead, emit_current


def input_dtype(port: InputPort) -> str:
    """The smallest signed integer type that holds the port's range."""
    types = (np.int8, np.int16, np.int32)
    fitting = (t for t in types if np.iinfo(t).min <= port.low and port.high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.int64)).name


def state_slots(network: IntegerNetwork) -> list[tuple[str, str, str, int]]:
    """(kind, population, dtype, neurons) of every state that outlives a step; kind is u, v or spikes."""
    slots: list[tuple[str, str, str, int]] = []
    for p in network.populations:
        if keeps_current(p):
            slots.append(("u", p.name, "int32", p.size))
        slots.append(("v", p.name, "int32", p.size))
        if p.vth is not None and (delays_reset(p) or _read_back(network, p.name)):
            slots.append(("spikes", p.name, "bool", p.size))
    return slots


def build_step(network: IntegerNetwork, metadata: dict[str, str]) -> bytes:
    """The step form, serialized."""
    b = Build()
    inputs = [value(port.name, input_dtype(port), ["B", *port.shape]) for port in network.inputs]
    sent = {port.name: b.node("Flatten", [port.name], axis=1) for port in network.inputs}
    slots = state_slots(network)
    before = _states_from(network, {(kind, name): f"previous/{kind}/{name}" for kind, name, _, _ in slots})
    inputs += [value(f"previous/{kind}/{name}", dtype, ["B", n]) for kind, name, dtype, n in slots]
    batch = b.node("Shape", [network.inputs[0].name], start=0, end=1)
    lead = Lead(1, batch)
    states: dict[str, States] = {}
    for p in network.populations:
        drive = _emit_drive(b, network, p, p.synapses, sent, before, lead)
        states[p.name] = _emit_neurons(b, p, guards(network, p), drive, before[p.name])
        sent[p.name] = states[p.name].sent
    outputs = _emit_outputs(b, network, states, lead)
    for kind, name, dtype, n in slots:
        b.node("Identity", [_slot(states[name], kind)], name=f"next/{kind}/{name}")
        outputs.append(value(f"next/{kind}/{name}", dtype, ["B", n]))
    return finish(b.graph("step", inputs, outputs), metadata)


def build_sequence(network: IntegerNetwork, metadata: dict[str, str]) -> bytes:
    """The sequence form, serialized."""
    b = Build()
    inputs = [value(port.name, input_dtype(port), ["T", "B", *port.shape]) for port in network.inputs]
    flat = b.constant(np.array([0, 0, -1]))
    sent = {port.name: b.node("Reshape", [port.name, flat]) for port in network.inputs}
    lead = Lead(2, b.node("Shape", [network.inputs[0].name], start=0, end=2))
    states: dict[str, States] = {}
    for group in computing_order(network):
        for name, result in _emit_group(b, network, group, sent, lead).items():
            states[name] = result
            sent[name] = result.sent
    return finish(b.graph("sequence", inputs, _emit_outputs(b, network, states, lead)), metadata)


def _emit_group(
    b: Build, network: IntegerNetwork, group: tuple[Population, ...], sent: Mapping[str, str], lead: Lead
) -> dict[str, States]:
    """All steps of a group: what does not depend on its own states before the Scan, the rest inside."""
    inside = {p.name for p in group}
    batch = b.node("Slice", [lead.sizes, *(b.constant(np.array([i])) for i in (1, 2))])
    body = b.body()
    pushes: dict[str, str] = {}
    currents: dict[str, str] = {}
    scanned: list[str] = []
    for p in group:
        needed = guards(network, p)
        outer = tuple(s for s in p.synapses if s.source not in inside)
        drive = _emit_drive(b, network, p, outer, sent, {}, lead)
        if len(outer) == len(p.synapses) and not keeps_current(p):
            currents[p.name] = emit_current_state(b, p, needed, drive, None)
            drive = pushes[p.name] = emit_push(b, p, currents[p.name])
        scanned.append(drive)
    slots = [slot for slot in state_slots(network) if slot[1] in inside]
    names = {(kind, name): b.name(f"before/{kind}/{name}") for kind, name, _, _ in slots}
    before = _states_from(network, names)
    body_inputs = [value(names[kind, name], dtype, ["B", n]) for kind, name, dtype, n in slots]
    inner_sent: dict[str, str] = {}
    results: dict[str, States] = {}
    inner_lead = Lead(1, batch)
    for p in group:
        drive = b.name(f"drive/{p.name}")
        body_inputs.append(value(drive, "int32", ["B", p.size]))
        needed = guards(network, p)
        if p.name in pushes:
            results[p.name] = emit_voltage(body, p, needed, drive, before[p.name])
        else:
            inner = tuple(s for s in p.synapses if s.source in inside)
            drive = _emit_drive(body, network, p, inner, inner_sent, before, inner_lead, drive)
            results[p.name] = _emit_neurons(body, p, needed, drive, before[p.name])
        inner_sent[p.name] = results[p.name].sent
    return _emit_scan(b, body, group, slots, scanned, body_inputs, results, currents, batch)


def _emit_scan(
    b: Build,
    body: Build,
    group: tuple[Population, ...],
    slots: list[tuple[str, str, str, int]],
    scanned: list[str],
    body_inputs: list[Any],
    results: Mapping[str, States],
    currents: Mapping[str, str],
    batch: str,
) -> dict[str, States]:
    """The Scan itself: states from rest, one step's results stacked over T."""
    initial: list[str] = []
    body_outputs: list[Any] = []
    named = {entry.name for entry in body_inputs}

    def deliver(tensor: str, dtype: str, neurons: int) -> None:
        """An output of the body; a copy where the tensor is one already, since each name may leave once."""
        leaving = body.node("Identity", [tensor]) if tensor in named else tensor
        named.add(leaving)
        body_outputs.append(value(leaving, dtype, ["B", neurons]))

    for kind, name, dtype, n in slots:
        shape = b.node("Concat", [batch, b.constant(np.array([n]))], axis=0)
        initial.append(b.node("Expand", [b.constant(np.zeros((1, 1), dtype)), shape]))
        deliver(_slot(results[name], kind), dtype, n)
    stacked: dict[str, dict[str, str]] = {}
    outputs = [b.name("last") for _ in slots]
    for p in group:
        for kind, dtype in (("u", "int32"), ("v", "int32"), ("spikes", "bool")):
            tensor = getattr(results[p.name], kind)
            if tensor is not None:
                deliver(tensor, dtype, p.size)
                stacked.setdefault(p.name, {})[kind] = b.name(f"all/{kind}/{p.name}")
                outputs.append(stacked[p.name][kind])
    graph = body.graph(b.name("neurons"), body_inputs, body_outputs)
    b.nodes("Scan", [*initial, *scanned], outputs, body=graph, num_scan_inputs=len(scanned))
    return {
        name: States(tensors["v"], tensors.get("u") or currents.get(name), tensors.get("spikes"))
        for name, tensors in stacked.items()
    }


def _emit_drive(
    b: Build,
    network: IntegerNetwork,
    p: Population,
    synapses: tuple[Synapses, ...],
    sent: Mapping[str, str],
    before: Mapping[str, States],
    lead: Lead,
    start: str | None = None,
) -> str:
    """Σ a·2^6 over ``synapses``, added to ``start``."""
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


def _emit_neurons(b: Build, p: Population, needed: Guards, drive: str, before: States) -> States:
    u = emit_current_state(b, p, needed, drive, before.u)
    return replace(emit_voltage(b, p, needed, emit_push(b, p, u), before), u=u)


def _emit_outputs(b: Build, network: IntegerNetwork, states: Mapping[str, States], lead: Lead) -> list[Any]:
    """The network's outputs, then every population's spikes, u and v, all in the populations' shapes."""
    axes: list[int | str] = ["T", "B"] if lead.axes == 2 else ["B"]
    outputs: list[Any] = []
    shaped: dict[tuple[str, str], str] = {}
    traces: list[Any] = []
    for p in network.populations:
        for kind in ("spikes", "u", "v"):
            tensor = getattr(states[p.name], kind)
            if tensor is None:
                continue
            if kind == "spikes":
                tensor = b.cast(tensor, "uint8")
            keep = b.constant(np.array([0] * lead.axes + list(p.shape)))
            name = shaped[kind, p.name] = b.node("Reshape", [tensor, keep], name=f"{kind}/{p.name}")
            traces.append(value(name, "uint8" if kind == "spikes" else "int32", [*axes, *p.shape]))
    for port in network.outputs:
        p = network.population(port.source)
        kind = "v" if p.vth is None else "spikes"
        b.node("Identity", [shaped[kind, p.name]], name=port.name)
        outputs.append(value(port.name, "int32" if kind == "v" else "uint8", [*axes, *p.shape]))
    return outputs + traces


def _states_from(network: IntegerNetwork, names: Mapping[tuple[str, str], str]) -> dict[str, States]:
    populations = {name for _, name in names}
    return {
        p.name: States(names["v", p.name], names.get(("u", p.name)), names.get(("spikes", p.name)))
        for p in network.populations
        if p.name in populations
    }


def _slot(states: States, kind: str) -> str:
    """The tensor of one kind of state."""
    return {"u": states.u, "v": states.v, "spikes": states.spikes}[kind] or states.v


def _read_back(network: IntegerNetwork, name: str) -> bool:
    return any(s.recurrent and s.source == name for p in network.populations for s in p.synapses)
