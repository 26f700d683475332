"""All steps of a group of populations: what can be computed for all steps at once, then the neurons step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cortexcore.errors import GraphError
from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.targets.bounds import guards
from cortexcore.targets.tflite.exact import input_dtype, state_peaks
from cortexcore.targets.tflite.flatbuffer import ModelBuild
from cortexcore.targets.tflite.neuron import States, delays_reset, emit_current_state, emit_push, emit_voltage, real
from cortexcore.targets.tflite.signal import Signal
from cortexcore.targets.tflite.synapses import emit_drive

Slot = tuple[str, str, str, int]
"""(kind, population or input, dtype, values) of a state that outlives a step; kind is u, v or spikes, v of inputs."""


@dataclass(frozen=True, eq=False)
class Course:
    """A population over all steps: u, and the other states after each step."""

    u: Signal
    states: list[States]

    def last(self, kind: str) -> int:
        """What the last step hands on: its u, v or spikes."""
        after = self.states[-1]
        match kind:
            case "u":
                return self.u.steps[-1]
            case "v":
                return after.v
            case "spikes" if after.spikes is not None:
                return after.spikes
            case _:
                raise GraphError(f"a population hands on no '{kind}'; there are u, v and, where it fires, spikes")


def state_slots(network: IntegerNetwork) -> list[Slot]:
    """Every state that outlives a step."""
    late = [port for port in network.inputs if _read_back(network, port.name)]
    slots: list[Slot] = [("v", port.name, input_dtype(port), math.prod(port.shape)) for port in late]
    for p in network.populations:
        if p.has_current:
            slots.append(("u", p.name, "float32", p.size))
        slots.append(("v", p.name, "float32", p.size))
        if p.vth is not None and (delays_reset(p) or _read_back(network, p.name)):
            slots.append(("spikes", p.name, "bool", p.size))
    return slots


def emit_group(
    m: ModelBuild,
    network: IntegerNetwork,
    group: tuple[Population, ...],
    sent: Mapping[str, Signal],
    rest: Mapping[str, States],
    count: int,
) -> dict[str, Course]:
    """``count`` steps of a group that begins with the states ``rest``; ``sent`` holds what is computed before it."""
    inside = {p.name for p in group}
    needed = {p.name: guards(network, p) for p in group}
    peaks = {p.name: state_peaks(network, p) for p in group}
    drives: dict[str, Signal] = {}
    currents: dict[str, Signal] = {}
    pushes: dict[str, Signal] = {}
    for p in group:
        outer = [s for s in p.synapses if s.source not in inside]
        with m.scoped(p.name):
            late = {s.source: sent[s.source].late(rest[s.source].sent) for s in outer if s.recurrent}
            parts = [(s, (late if s.recurrent else sent)[s.source].whole) for s in outer]
            drive = emit_drive(m, network, parts, None)
            if drive is None:
                continue
            drives[p.name] = Signal(m, count, whole=drive)
            if len(outer) == len(p.synapses) and not p.has_current:
                current = emit_current_state(m, p, needed[p.name], drive, None, 0)
                currents[p.name] = Signal(m, count, whole=current)
                pushes[p.name] = Signal(m, count, whole=emit_push(m, p, current))
    us: dict[str, list[int]] = {p.name: [] for p in group}
    states: dict[str, list[States]] = {p.name: [] for p in group}
    for step in range(count):
        before = {name: states[name][-1] if step else rest[name] for name in inside}
        for p in group:
            name, u = p.name, before[p.name].u
            with m.scoped(name):
                if name in pushes:
                    push = pushes[name].steps[step]
                else:
                    now = {n: found[step] for n, found in states.items() if len(found) > step}
                    inner = [
                        (s, (before if s.recurrent else now)[s.source].sent) for s in p.synapses if s.source in inside
                    ]
                    drive = emit_drive(m, network, inner, drives[name].steps[step] if name in drives else None)
                    if drive is None:
                        drive = m.op("MUL", [before[name].v, real(m, 0)])
                    u = emit_current_state(m, p, needed[name], drive, u, peaks[name][0])
                    push = emit_push(m, p, u)
                    us[name].append(u)
                after = emit_voltage(m, p, needed[name], push, before[name], peaks[name][1])
                states[name].append(replace(after, u=u if p.has_current else None))
    return {n: Course(currents.get(n) or Signal(m, count, steps=us[n]), states[n]) for n in states}


def _read_back(network: IntegerNetwork, name: str) -> bool:
    return any(s.recurrent and s.source == name for p in network.populations for s in p.synapses)
