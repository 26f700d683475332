"""All steps of a group of neurons: what does not depend on their own states at once, the rest in one Scan."""

from __future__ import annotations

from cortexcore.targets.onnx.floating.memory import Memory
from cortexcore.targets.onnx.floating.neuron import States, emit_entering, emit_states, has_memory
from cortexcore.targets.onnx.floating.place import Place
from cortexcore.targets.onnx.floating.plan import Plan
from cortexcore.targets.onnx.floating.scan import Scan, Wanted
from cortexcore.targets.onnx.floating.signals import Signals

KINDS = ("v", "u", "spikes")


def emit_group(plan: Plan, place: Place, signals: Signals, group: tuple[str, ...], traced: bool) -> dict[str, States]:
    """The states of a group's neurons over all steps; without ``traced`` only what others read of them."""
    if plan.is_loop(group):
        return _emit_loop(plan, place, signals, group, traced)
    (name,) = group
    f = plan.factors[name]
    current = signals.arriving(name)
    with place.build.scoped(name):
        entering = emit_entering(place, f, current)
        if not has_memory(f):
            return {name: emit_states(place, f, entering, _nothing_before, traced)}
        scan = Scan(place)
        step = scan.enter(entering, plan.graph.shapes[name])
        states = emit_neuron(plan, scan.place, scan.memory, name, step, traced)
        return _closed(plan, scan, {name: states}, traced)


def emit_neuron(plan: Plan, place: Place, memory: Memory, name: str, entering: str, traced: bool) -> States:
    """One step of a neuron, its states kept in ``memory``."""
    shape = plan.graph.shapes[name]

    def before(kind: str) -> str:
        return memory.before(kind, name, "bool" if kind == "spikes" else place.dtype, shape)

    states = emit_states(place, plan.factors[name], entering, before, traced)
    for kind in KINDS:
        memory.keep(kind, name, states.of(kind))
    return states


def emit_step(plan: Plan, place: Place, memory: Memory, signals: Signals, name: str, traced: bool) -> States:
    """One step of a neuron from what reaches it; afterwards ``signals`` knows what it sends."""
    current = signals.arriving(name, plan.late[name])
    with place.build.scoped(name):
        entering = emit_entering(place, plan.factors[name], current)
        states = emit_neuron(plan, place, memory, name, entering, traced)
    signals.send(name, states)
    return states


def _emit_loop(plan: Plan, place: Place, outer: Signals, group: tuple[str, ...], traced: bool) -> dict[str, States]:
    inside = frozenset(group)
    with place.build.scoped(group[0]):
        scan = Scan(place)

    def entering(name: str) -> str | None:
        """A step of what does not depend on the group."""
        if name in inside or plan.reads[name] & inside:
            return None
        return scan.enter(outer.signal(name), plan.graph.shapes[name])

    inner = Signals(plan, scan.place, scan.memory, entering)
    states = {name: emit_step(plan, scan.place, scan.memory, inner, name, traced) for name in group}
    with place.build.scoped(group[0]):
        return _closed(plan, scan, states, traced)


def _closed(plan: Plan, scan: Scan, states: dict[str, States], traced: bool) -> dict[str, States]:
    """The states over all steps."""
    group = tuple(states)
    kinds: dict[tuple[str, str], Wanted] = {}
    for name in group:
        sent = "v" if plan.factors[name].threshold is None else "spikes"
        for kind in KINDS:
            tensor = states[name].of(kind)
            if tensor is not None and (traced or (kind == sent and plan.leaves(name, group))):
                dtype: str = "bool" if kind == "spikes" else scan.place.dtype
                kinds[name, kind] = (tensor, dtype, plan.graph.shapes[name])
    over = dict(zip(kinds, scan.close(list(kinds.values())), strict=True))
    return {name: States(*(over.get((name, kind)) for kind in KINDS)) for name in group}


def _nothing_before(kind: str) -> str:
    raise TypeError(f"no state '{kind}' outlives a step of a neuron without memory")
