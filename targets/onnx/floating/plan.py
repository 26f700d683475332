"""Which neurons a model computes, in which order, which of them in one loop, and what each reads a step late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cortexcore.export.dynamics import Dynamics, dynamics
from cortexcore.export.flow import neuron_order, read_by
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Neuron

Names = frozenset[str]
NONE: Names = frozenset()


@dataclass(frozen=True, eq=False)
class Plan:
    """A graph as a model computes it.

    Attributes:
        graph: with its subgraphs written out.
        factors: neuron → its update; only of those that are computed, in the order of one step.
        reads: node → the inputs and neurons whose signals reach it through no other neuron.
        late: neuron → those of them whose signals of the step before it reads.
        groups: the neurons in runs: one alone, or all from the first to the last of a loop.
    """

    graph: Graph
    factors: Mapping[str, Dynamics]
    reads: Mapping[str, Names]
    late: Mapping[str, Names]
    groups: tuple[tuple[str, ...], ...]

    def is_loop(self, group: tuple[str, ...]) -> bool:
        """Whether a group's neurons read each other, or the only one itself."""
        return len(group) > 1 or group[0] in self.reads[group[0]]

    def leaves(self, name: str, group: tuple[str, ...]) -> bool:
        """Whether anything but the neurons of its group reads what neuron ``name`` sends."""
        readers = [*self.factors, *self.graph.outputs]
        return any(name in self.reads[reader] for reader in readers if reader not in group)


def make_plan(graph: Graph, traced: bool) -> Plan:
    """The plan of a model that computes what the outputs need, or with ``traced`` every neuron."""
    graph = graph.flat
    neurons = [name for name, node in graph.nodes.items() if isinstance(node, Neuron)]
    needed = _upstream(graph, [*graph.outputs, *(neurons if traced else ())])
    order = [name for name in neuron_order(graph) if name in needed]
    position = {name: i for i, name in enumerate(order)}
    reads = {name: frozenset(read_by(graph, name)) for name in graph.nodes if name in needed}
    late = {name: frozenset(s for s in reads[name] if position.get(s, -1) >= position[name]) for name in order}
    factors: dict[str, Dynamics] = {}
    for name in order:
        node = graph.nodes[name]
        if isinstance(node, Neuron):
            factors[name] = dynamics(node, graph.dt_s, graph.discretization)
    return Plan(graph, factors, reads, late, _groups(order, late))


def _upstream(graph: Graph, ends: list[str]) -> set[str]:
    """``ends`` and every node whose signal reaches one of them."""
    found = set(ends)
    waiting = list(ends)
    while waiting:
        new = set(graph.sources(waiting.pop())) - found
        found |= new
        waiting += new
    return found


def _groups(order: list[str], late: Mapping[str, Names]) -> tuple[tuple[str, ...], ...]:
    """``order`` cut wherever nothing before the cut reads, one step late, what comes after it."""
    position = {name: i for i, name in enumerate(order)}
    groups: list[tuple[str, ...]] = []
    start = end = 0
    for i, name in enumerate(order):
        end = max([i, end, *(position[source] for source in late[name])])
        if end == i:
            groups.append(tuple(order[start : i + 1]))
            start = i + 1
    return tuple(groups)
