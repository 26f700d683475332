"""The models of one float graph: all steps in a call, layer by layer, and one step with the state handed through.

Sequence form: inputs [T, B, *shape]. A layer outside loops takes all T·B at once, then a Scan runs the neuron behind
it; the neurons of a loop share one Scan. Step form: inputs [B, *shape] and the states ``previous/u/<neuron>`` …
[B, *shape], zero at rest, that the step before returned as ``next/u/…``: u and v in the model's type, spikes bool, and
what stands in a delay, ``waiting/<delay>`` [B, longest delay, *shape], in a loop ``waiting/<delay>/<neurons>`` with the
neurons that are read a step late through it.
Outputs have the graph's names and the model's type. A traced sequence also returns ``spikes/<neuron>`` (uint8),
``v/<neuron>`` after the reset, and ``u/<neuron>`` where there is a synaptic current. A node of the model is named
"<node of the graph>/<operator>.<number>".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexcore.export.graph import Graph
from cortexcore.targets.onnx.build import Build, finish
from cortexcore.targets.onnx.config import Precision
from cortexcore.targets.onnx.floating.groups import KINDS, emit_group, emit_step
from cortexcore.targets.onnx.floating.memory import Memory
from cortexcore.targets.onnx.floating.neuron import States
from cortexcore.targets.onnx.floating.place import Place, port
from cortexcore.targets.onnx.floating.plan import Plan, make_plan
from cortexcore.targets.onnx.floating.signals import Signals
from cortexcore.targets.onnx.names import NEXT, PREVIOUS


def build_sequence(graph: Graph, metadata: Mapping[str, str], trace: bool, dtype: Precision = "float32") -> bytes:
    """The sequence form, serialized; with ``trace`` it also returns every neuron's spikes and states.

    Raises:
        TargetUnavailable: the package onnx is missing.
    """
    plan = make_plan(graph, trace)
    b = Build()
    inputs = [port(name, dtype, ["T", "B"], node.shape) for name, node in graph.inputs.items()]
    place = Place(b, dtype, b.node("Shape", [next(iter(graph.inputs))], name=b.name("float/lead"), start=0, end=2), 2)
    signals = Signals(plan, place)
    states: dict[str, States] = {}
    for group in plan.groups:
        for name, found in emit_group(plan, place, signals, group, trace).items():
            states[name] = found
            signals.send(name, found)
    outputs = _emit_outputs(plan, place, signals, ["T", "B"])
    if trace:
        outputs += _emit_traces(plan, place, states)
    return finish(b.graph("traced" if trace else "sequence", inputs, outputs), dict(metadata))


def build_step(graph: Graph, metadata: Mapping[str, str], dtype: Precision = "float32") -> bytes:
    """The step form, serialized.

    Raises:
        TargetUnavailable: the package onnx is missing.
    """
    plan = make_plan(graph, traced=False)
    b = Build()
    inputs = [port(name, dtype, ["B"], node.shape) for name, node in graph.inputs.items()]
    place = Place(b, dtype, b.node("Shape", [next(iter(graph.inputs))], name=b.name("float/lead"), start=0, end=1), 1)
    memory = Memory(lambda kind, owner: f"{PREVIOUS}{kind}/{owner}")
    signals = Signals(plan, place, memory)
    for name in plan.factors:
        emit_step(plan, place, memory, signals, name, traced=False)
    outputs = _emit_outputs(plan, place, signals, ["B"])
    for slot, after in memory.slots():
        inputs.append(port(slot.before, slot.dtype, ["B"], slot.shape))
        with b.scoped(slot.owner):
            b.node("Identity", [after], name=f"{NEXT}{slot.kind}/{slot.owner}")
        outputs.append(port(f"{NEXT}{slot.kind}/{slot.owner}", slot.dtype, ["B"], slot.shape))
    return finish(b.graph("step", inputs, outputs), dict(metadata))


def _emit_outputs(plan: Plan, place: Place, signals: Signals, lead: list[str]) -> list[Any]:
    """The graph's outputs."""
    outputs = []
    for name, node in plan.graph.outputs.items():
        arriving = signals.arriving(name)
        with place.build.scoped(name):
            place.build.node("Identity", [arriving], name=name)
        outputs.append(port(name, place.dtype, lead, node.shape))
    return outputs


def _emit_traces(plan: Plan, place: Place, states: Mapping[str, States]) -> list[Any]:
    """Every neuron's spikes, u and v."""
    outputs = []
    for name, found in states.items():
        for kind in KINDS:
            tensor = found.of(kind)
            if tensor is None:
                continue
            dtype = "uint8" if kind == "spikes" else place.dtype
            with place.build.scoped(name):
                given = place.cast(tensor, dtype) if kind == "spikes" else tensor
                place.build.node("Identity", [given], name=f"{kind}/{name}")
            outputs.append(port(f"{kind}/{name}", dtype, ["T", "B"], plan.graph.shapes[name]))
    return outputs
