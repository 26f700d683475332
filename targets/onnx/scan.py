"""All steps of a group of populations: one Scan over T, after what can be computed for all steps at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortexcore.export.integer_currents import FLOAT32_EXACT
from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.targets.bounds import guards
from cortexcore.targets.onnx.build import Build, value
from cortexcore.targets.onnx.neuron import States, emit_current_state, emit_push, emit_voltage
from cortexcore.targets.onnx.population import Slot, emit_drive, emit_neurons, slot_of, state_slots, states_from
from cortexcore.targets.onnx.synapses import Lead


def emit_group(
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
        late = {s.source: States(_emit_late(b, network, s.source, sent)) for s in outer if s.recurrent}
        drive = emit_drive(b, network, p, outer, sent, late, lead)
        if len(outer) == len(p.synapses) and not p.has_current:
            currents[p.name] = emit_current_state(b, p, needed, drive, None)
            drive = pushes[p.name] = emit_push(b, p, currents[p.name])
        scanned.append(drive)
    slots = [slot for slot in state_slots(network) if slot[1] in inside]
    names = {(kind, name): b.name(f"before/{kind}/{name}") for kind, name, _, _ in slots}
    before = states_from(names)
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
            drive = emit_drive(body, network, p, inner, inner_sent, before, inner_lead, drive)
            results[p.name] = emit_neurons(body, p, needed, drive, before[p.name])
        inner_sent[p.name] = results[p.name].sent
    return _emit_scan(b, body, group, slots, scanned, body_inputs, results, currents, batch)


def _emit_late(b: Build, network: IntegerNetwork, source: str, sent: Mapping[str, str]) -> str:
    """What a source sends [T, B, values], one step later, as floats, which hold it exactly."""
    peak = max(abs(limit) for limit in network.range_of(source))
    values = b.cast(sent[source], "float32" if peak <= FLOAT32_EXACT else "float64")
    padded = b.node("Pad", [values, b.constant(np.array([1, 0, 0, 0, 0, 0]))])
    return b.node("Slice", [padded, *(b.constant(np.array([i])) for i in (0, -1, 0))])


def _emit_scan(
    b: Build,
    body: Build,
    group: tuple[Population, ...],
    slots: list[Slot],
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
        deliver(slot_of(results[name], kind), dtype, n)
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
