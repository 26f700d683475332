"""The two models of one network: all steps in a call, layer by layer, and one step with the state handed through.

Sequence form: inputs [T, B, *shape]. A population outside loops takes its currents from one product over all T·B,
then a Scan runs the neurons; the populations of a recurrent loop share one Scan. Step form: inputs [B, *shape] and the
states ``previous/u/<population>`` … [B, neurons], zero at rest, that the step before returned as ``next/u/…`` (an
input that is read a step late among them, as ``previous/v/<input>``).
Both offer ``spikes/<population>`` (uint8), ``u/…`` and ``v/…`` (int32) beside the network's outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cortexcore.export.integer import computing_order
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.bounds import guards
from cortexcore.targets.onnx.build import Build, finish, value
from cortexcore.targets.onnx.exact import input_dtype
from cortexcore.targets.onnx.neuron import States
from cortexcore.targets.onnx.population import emit_drive, emit_neurons, slot_of, state_slots, states_from
from cortexcore.targets.onnx.scan import emit_group
from cortexcore.targets.onnx.synapses import Lead


def build_step(network: IntegerNetwork, metadata: dict[str, str]) -> bytes:
    """The step form, serialized."""
    b = Build()
    inputs = [value(port.name, input_dtype(port), ["B", *port.shape]) for port in network.inputs]
    sent = {port.name: b.node("Flatten", [port.name], axis=1) for port in network.inputs}
    slots = state_slots(network)
    before = states_from({(kind, name): f"previous/{kind}/{name}" for kind, name, _, _ in slots})
    inputs += [value(f"previous/{kind}/{name}", dtype, ["B", n]) for kind, name, dtype, n in slots]
    batch = b.node("Shape", [network.inputs[0].name], start=0, end=1)
    lead = Lead(1, batch)
    states = {name: States(tensor) for name, tensor in sent.items()}
    for p in network.populations:
        drive = emit_drive(b, network, p, p.synapses, sent, before, lead)
        states[p.name] = emit_neurons(b, p, guards(network, p), drive, before[p.name])
        sent[p.name] = states[p.name].sent
    outputs = _emit_outputs(b, network, states, lead)
    for kind, name, dtype, n in slots:
        b.node("Identity", [slot_of(states[name], kind)], name=f"next/{kind}/{name}")
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
        for name, result in emit_group(b, network, group, sent, lead).items():
            states[name] = result
            sent[name] = result.sent
    return finish(b.graph("sequence", inputs, _emit_outputs(b, network, states, lead)), metadata)


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
