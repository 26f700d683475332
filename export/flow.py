"""The order in which one step computes a graph's neurons, and what each of them reads.

A graph is its neurons and the paths of layers and delays between them; subgraphs are written out (``graph.flat``).
A path from a neuron that is computed later, or from the neuron itself, closes a loop: it carries the spikes of the
step before, and whatever delays stand in it come on top of that.
"""

from __future__ import annotations

from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Input, Neuron


def is_neuron(graph: Graph, name: str) -> bool:
    """Whether ``name`` has a state."""
    return isinstance(graph.nodes[name], Neuron)


def read_by(graph: Graph, name: str) -> list[str]:
    """The inputs and neurons whose signals reach ``name`` through no other neuron, each once, in edge order."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack = graph.sources(name)[::-1]
    while stack:
        source = stack.pop()
        if source in seen:
            continue
        seen.add(source)
        if is_neuron(graph, source) or isinstance(graph.nodes[source], Input):
            found[source] = None
        else:
            stack.extend(graph.sources(source)[::-1])
    return list(found)


def neuron_order(graph: Graph) -> tuple[str, ...]:
    """Neurons in the order of one step: each after those that feed it, loops entered where data enters them.

    In a loop a neuron comes first the closer it is to an input, counted in neurons; ties fall to the order of
    ``graph.nodes``. The same graph gives the same order on every machine.
    """
    neurons = [name for name in graph.nodes if is_neuron(graph, name)]
    feeds = {name: [s for s in read_by(graph, name) if s in neurons and s != name] for name in neurons}
    depth = _depths(graph, neurons, feeds)
    ordered: list[str] = []
    left = list(neurons)
    while left:
        free = [name for name in left if not any(source in left for source in feeds[name])]
        if free:
            chosen = free[0]
        else:
            upstream = [name for name in left if _upstream(name, feeds, left) <= _loop(name, feeds, left)]
            chosen = min(upstream, key=lambda name: depth[name])
        ordered.append(chosen)
        left.remove(chosen)
    return tuple(ordered)


def _depths(graph: Graph, neurons: list[str], feeds: dict[str, list[str]]) -> dict[str, int]:
    """Neuron → how many neurons a signal passes from the nearest input until it has arrived there."""
    depth = {name: 0 if any(s in graph.inputs for s in read_by(graph, name)) else len(neurons) for name in neurons}
    for _ in neurons:
        for name in neurons:
            depth[name] = min([depth[name], *(depth[source] + 1 for source in feeds[name])])
    return depth


def _upstream(name: str, feeds: dict[str, list[str]], left: list[str]) -> set[str]:
    """Everything among ``left`` from which a signal reaches ``name``."""
    found: set[str] = set()
    stack = [name]
    while stack:
        for source in feeds[stack.pop()]:
            if source in left and source not in found:
                found.add(source)
                stack.append(source)
    return found


def _loop(name: str, feeds: dict[str, list[str]], left: list[str]) -> set[str]:
    """The neurons that share a loop with ``name``: those upstream of it that it also reaches, and itself."""
    return {other for other in _upstream(name, feeds, left) if name in _upstream(other, feeds, left)} | {name}
