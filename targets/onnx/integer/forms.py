"""The models of one network: all steps in a call, layer by layer, and one step with the state handed through.

Sequence form: inputs [T, B, *shape]. A population outside loops takes its currents from one product over all T·B,
then a Scan runs the neurons; the populations of a recurrent loop share one Scan. The traced sequence also gives
``spikes/<population>`` (uint8), ``u/…`` and ``v/…`` (int32) beside the network's outputs. Step form: inputs
[B, *shape] and the states ``previous/<kind>/<population>`` [B, values], zero at rest, that the step before returned
as ``next/…``; kind is "u" or "v" (whole numbers in float64), or "sent" for the spikes, or an input's values, that are
read a step late.
"""

from __future__ import annotations

from typing import Any

from cortexcore.export.integer import computing_order
from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.bounds import guards
from cortexcore.targets.onnx.build import Build, finish, value
from cortexcore.targets.onnx.integer.exact import input_dtype
from cortexcore.targets.onnx.integer.neuron import States, emit_sent
from cortexcore.targets.onnx.integer.population import emit_drive, emit_neurons, kept, previous_sent, state_slots
from cortexcore.targets.onnx.integer.scan import emit_group
from cortexcore.targets.onnx.integer.synapses import Lead
from cortexcore.targets.onnx.names import NEXT, PREVIOUS


def build_step(network: IntegerNetwork, metadata: dict[str, str]) -> bytes:
    """The step form, serialized."""
    b = Build(_port_names(network))
    inputs = [value(port.name, input_dtype(port), ["B", *port.shape]) for port in network.inputs]
    sent = {port.name: b.node("Flatten", [port.name], axis=1) for port in network.inputs}
    slots = state_slots(network)
    before = {slot.key: PREVIOUS + "/".join(slot.key) for slot in slots}
    inputs += [value(before[slot.key], slot.dtype, ["B", slot.size]) for slot in slots]
    ports = {port.name for port in network.inputs}
    lead = Lead(1, b.node("Shape", [network.inputs[0].name], start=0, end=1))
    states: dict[str, States] = {}

    def read(s: Synapses) -> str:
        if not s.recurrent:
            return sent[s.source]
        if s.source in ports:
            return before["sent", s.source]
        return previous_sent(network.population(s.source), before)

    for p in network.populations:
        with b.scoped(p.name):
            drive = emit_drive(b, network, p, p.synapses, {s.name: read(s) for s in p.synapses}, lead)
            states[p.name] = emit_neurons(b, p, guards(network, p), drive, before)
            sent[p.name] = emit_sent(b, p, states[p.name].peak)
    outputs = []
    for port in network.outputs:
        p = network.population(port.source)
        outputs.append(_emit_output(b, port.name, p, sent[p.name], _sent_dtype(p), ["B"]))
    for slot in slots:
        kind, name = slot.key
        with b.scoped(name):
            tensor = sent[name] if kind == "sent" else kept(b, network.population(name), states[name], kind)
            b.node("Identity", [tensor], name=f"{NEXT}{kind}/{name}")
        outputs.append(value(f"{NEXT}{kind}/{name}", slot.dtype, ["B", slot.size]))
    return finish(b.graph("step", inputs, outputs), metadata)


def build_sequence(network: IntegerNetwork, metadata: dict[str, str], trace: bool = False) -> bytes:
    """The sequence form, serialized; with ``trace`` it also gives every population's spikes, u and v."""
    b = Build(_port_names(network))
    inputs = [value(port.name, input_dtype(port), ["T", "B", *port.shape]) for port in network.inputs]
    sent = {port.name: b.node("Reshape", [port.name, b.whole(0, 0, -1)]) for port in network.inputs}
    lead = Lead(2, b.node("Shape", [network.inputs[0].name], start=0, end=2))
    states: dict[str, States] = {}
    for group in computing_order(network):
        states |= emit_group(b, network, group, sent, lead)
        for p in group:
            with b.scoped(p.name):
                sent[p.name] = emit_sent(b, p, states[p.name].peak)
    outputs = []
    for port in network.outputs:
        p = network.population(port.source)
        outputs.append(_emit_output(b, port.name, p, sent[p.name], _sent_dtype(p), ["T", "B"]))
    for p in network.populations if trace else ():
        if p.vth is not None:
            outputs.append(_emit_output(b, f"spikes/{p.name}", p, sent[p.name], "uint8", ["T", "B"]))
        for kind in ("u", "v"):
            outputs.append(_emit_output(b, f"{kind}/{p.name}", p, getattr(states[p.name], kind), "int32", ["T", "B"]))
    return finish(b.graph("sequence", inputs, outputs), metadata)


def _port_names(network: IntegerNetwork) -> list[str]:
    return [port.name for port in network.inputs] + [port.name for port in network.outputs]


def _sent_dtype(p: Population) -> str:
    """Spikes leave as uint8, v of a leaky integrator as int32."""
    return "int32" if p.vth is None else "uint8"


def _emit_output(b: Build, name: str, p: Population, tensor: str, dtype: str, axes: list[int | str]) -> Any:
    """[*axes, neurons] in the population's shape, as an output of the model's; spikes come as uint8 already."""
    with b.scoped(p.name):
        typed = tensor if dtype == "uint8" else b.cast(tensor, dtype)
        b.node("Reshape", [typed, b.whole(*(0 for _ in axes), *p.shape)], name=name)
    return value(name, dtype, [*axes, *p.shape])
