"""All steps of a group of populations: one Scan over T, after what can be computed for all steps at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from cortexcore.export.integer_currents import FLOAT32_EXACT
from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.bounds import guards
from cortexcore.targets.onnx.build import Build, value
from cortexcore.targets.onnx.integer.neuron import (
    States,
    emit_current_state,
    emit_push,
    emit_reset,
    emit_sent,
    emit_voltage,
)
from cortexcore.targets.onnx.integer.population import (
    Key,
    Slot,
    emit_drive,
    emit_neurons,
    kept,
    previous_sent,
    state_slots,
)
from cortexcore.targets.onnx.integer.synapses import Lead


def emit_group(
    b: Build, network: IntegerNetwork, group: tuple[Population, ...], sent: Mapping[str, str], lead: Lead
) -> dict[str, States]:
    """All steps of a group, each tensor [T, B, neurons].

    Args:
        sent: what inputs and earlier populations send, [T, B, values].
    """
    inside = {p.name for p in group}
    currents: dict[str, str] = {}
    scanned: dict[str, str] = {}
    for p in group:
        outer = tuple(s for s in p.synapses if s.source not in inside)
        sources = {s.name: _emit_late(b, network, s.source, sent) if s.recurrent else sent[s.source] for s in outer}
        with b.scoped(p.name):
            drive = emit_drive(b, network, p, outer, sources, lead)
            if len(outer) == len(p.synapses) and not p.has_current:
                currents[p.name] = emit_current_state(b, p, guards(network, p), drive, None)
                drive = emit_push(b, p, currents[p.name])
        scanned[p.name] = drive
    with b.scoped("+".join(p.name for p in group)):
        stacked = _emit_scan(b, network, group, scanned, currents.keys(), lead)
    results = {}
    for p in group:
        peak = stacked["peak", p.name]
        with b.scoped(p.name):
            v = emit_reset(b, p, peak)
        results[p.name] = States(currents.get(p.name) or stacked["u", p.name], peak, v)
    return results


def _emit_scan(
    b: Build,
    network: IntegerNetwork,
    group: tuple[Population, ...],
    scanned: Mapping[str, str],
    pushed: Collection[str],
    lead: Lead,
) -> dict[Key, str]:
    """("peak", population) → v before its reset in all steps, and ("u", …) where it is computed inside.

    Args:
        scanned: population → what is scanned: its drive from outside the group, or of those in ``pushed`` its push.
    """
    batch = b.node("Slice", [lead.sizes, b.whole(1), b.whole(2)])
    body = b.body()
    slots = _inner_slots(network, group)
    before = {slot.key: b.name("before/" + "/".join(slot.key)) for slot in slots}
    entering = {p.name: b.name(f"drive/{p.name}") for p in group}
    body_inputs = [value(before[slot.key], slot.dtype, ["B", slot.size]) for slot in slots]
    body_inputs += [value(entering[p.name], "float64", ["B", p.size]) for p in group]
    now: dict[str, States] = {}
    for p in group:
        with b.scoped(p.name):
            given = p.name in pushed
            now[p.name] = _emit_step(body, network, p, entering[p.name], given, now, before, Lead(1, batch))
    leaving = _Leaving(body, {entry.name for entry in body_inputs})
    for slot in slots:
        kind, name = slot.key
        with b.scoped(name):
            leaving.add(kept(body, network.population(name), now[name], kind), slot.dtype, ["B", slot.size])
    stacked: dict[Key, str] = {}
    for p in group:
        for kind in ("peak",) if p.name in pushed else ("peak", "u"):
            leaving.add(getattr(now[p.name], kind), "float64", ["B", p.size])
            stacked[kind, p.name] = b.name(f"all/{kind}/{p.name}")
    graph = body.graph(b.name("neurons"), body_inputs, leaving.outputs)
    initial = [_emit_rest(b, slot, batch) for slot in slots]
    last = [b.name("last") for _ in slots]
    b.nodes("Scan", [*initial, *scanned.values()], [*last, *stacked.values()], body=graph, num_scan_inputs=len(scanned))
    return stacked


def _emit_step(
    body: Build,
    network: IntegerNetwork,
    p: Population,
    drive: str,
    pushed: bool,
    now: Mapping[str, States],
    before: Mapping[Key, str],
    lead: Lead,
) -> States:
    """One step of a population: of its push alone, or of what came from outside the group and of the loop's own."""
    needed = guards(network, p)
    if pushed:
        return States(drive, *emit_voltage(body, p, needed, drive, before["v", p.name]))
    inner = tuple(s for s in p.synapses if ("v", s.source) in before)

    def read(s: Synapses) -> str:
        source = network.population(s.source)
        return previous_sent(source, before) if s.recurrent else emit_sent(body, source, now[s.source].peak)

    drive = emit_drive(body, network, p, inner, {s.name: read(s) for s in inner}, lead, drive)
    return emit_neurons(body, p, needed, drive, before)


def _inner_slots(network: IntegerNetwork, group: tuple[Population, ...]) -> list[Slot]:
    """The group's states; what a population sent only where the group itself reads it back."""
    inside = {p.name for p in group}
    looped = {s.source for p in group for s in p.synapses if s.recurrent}
    return [s for s in state_slots(network) if s.key[1] in inside and (s.key[0] != "sent" or s.key[1] in looped)]


def _emit_late(b: Build, network: IntegerNetwork, source: str, sent: Mapping[str, str]) -> str:
    """What a source sends [T, B, values], one step later, as floats, which hold it exactly."""
    peak = max(abs(limit) for limit in network.range_of(source))
    values = b.cast(sent[source], "float32" if peak <= FLOAT32_EXACT else "float64")
    padded = b.node("Pad", [values, b.whole(1, 0, 0, 0, 0, 0)])
    return b.node("Slice", [padded, b.whole(0), b.whole(-1), b.whole(0)])


def _emit_rest(b: Build, slot: Slot, batch: str) -> str:
    shape = b.node("Concat", [batch, b.whole(slot.size)], axis=0)
    return b.node("Expand", [b.constant(np.zeros((1, 1), slot.dtype)), shape])


class _Leaving:
    """Outputs of a body, each a tensor of its own: a copy where it is an input or leaves already."""

    def __init__(self, body: Build, taken: set[str]) -> None:
        self._body, self._taken = body, taken
        self.outputs: list[Any] = []

    def add(self, tensor: str, dtype: str, shape: list[int | str]) -> None:
        name = self._body.node("Identity", [tensor]) if tensor in self._taken else tensor
        self._taken.add(name)
        self.outputs.append(value(name, dtype, shape))
