"""All steps of a group of populations: what can be computed for all steps at once, then the neurons step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cortexcore.errors import GraphError
from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.tflite.exact import Limits, limits
from cortexcore.targets.tflite.flatbuffer import ModelBuild
from cortexcore.targets.tflite.neuron import States, emit_current_state, emit_push, emit_voltage, real
from cortexcore.targets.tflite.signal import Signal
from cortexcore.targets.tflite.synapses import emit_drive


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


@dataclass(frozen=True, eq=False)
class _Member:
    """A population of a group, with what of it is known before its neurons run.

    Attributes:
        proven: what its values cannot leave.
        inner: its connections from within the group.
        drive: Σ a·2^6 of the others; None where there are none.
        u, push: u and u + bias, where that drive is all that enters them.
    """

    population: Population
    proven: Limits
    inner: tuple[Synapses, ...]
    drive: Signal | None
    u: Signal | None = None
    push: Signal | None = None


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
    members: dict[str, _Member] = {}
    for p in group:
        with m.scoped(p.name):
            members[p.name] = _emit_ahead(m, network, p, inside, sent, rest, count)
    us: dict[str, list[int]] = {name: [] for name in members}
    states: dict[str, list[States]] = {name: [] for name in members}
    before = {name: rest[name] for name in members}
    for step in range(count):
        now: dict[str, States] = {}
        for name, member in members.items():
            with m.scoped(name):
                if member.push is not None:
                    push = member.push.steps[step]
                    now[name] = emit_voltage(m, member.population, member.proven, push, before[name])
                else:
                    u = _emit_u(m, network, member, step, before, now)
                    us[name].append(u)
                    now[name] = _emit_after(m, member, u, before[name])
            states[name].append(now[name])
        before = now
    return {name: Course(x.u or Signal(m, count, steps=us[name]), states[name]) for name, x in members.items()}


def _emit_ahead(
    m: ModelBuild,
    network: IntegerNetwork,
    p: Population,
    inside: set[str],
    sent: Mapping[str, Signal],
    rest: Mapping[str, States],
    count: int,
) -> _Member:
    """The currents from outside the group, all steps in one product each, and what follows from them alone."""
    proven = limits(network, p)
    outer = [s for s in p.synapses if s.source not in inside]
    late = {s.source: sent[s.source].late(rest[s.source].sent) for s in outer if s.recurrent}
    parts = [(s, (late if s.recurrent else sent)[s.source].whole) for s in outer]
    total = emit_drive(m, network, parts, None, proven.whole)
    drive = None if total is None else Signal(m, count, whole=total)
    member = _Member(p, proven, tuple(s for s in p.synapses if s.source in inside), drive)
    if total is None or member.inner or p.has_current:
        return member
    u = emit_current_state(m, p, proven, total, None)
    return replace(member, u=Signal(m, count, whole=u), push=Signal(m, count, whole=emit_push(m, p, u)))


def _emit_u(
    m: ModelBuild,
    network: IntegerNetwork,
    member: _Member,
    step: int,
    before: Mapping[str, States],
    now: Mapping[str, States],
) -> int:
    """u of one step: what came from outside, what the group itself sends, and what is left of the step before."""
    p = member.population
    parts = [(s, (before if s.recurrent else now)[s.source].sent) for s in member.inner]
    start = None if member.drive is None else member.drive.steps[step]
    drive = emit_drive(m, network, parts, start, member.proven.whole)
    if drive is None:
        drive = m.op("MUL", [before[p.name].v, real(m, 0)])
    return emit_current_state(m, p, member.proven, drive, before[p.name].u)


def _emit_after(m: ModelBuild, member: _Member, u: int, before: States) -> States:
    """The states after a step from its u, which they keep where it outlives a step."""
    p = member.population
    after = emit_voltage(m, p, member.proven, emit_push(m, p, u), before)
    return replace(after, u=u) if p.has_current else after
