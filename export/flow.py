"""The order in which one step computes a graph's neurons, and what each of them reads.

A graph is its neurons and the paths of layers and delays between them; subgraphs are written out (``graph.flat``).
A path from a neuron that is computed later, or from the neuron itself, closes a loop: it carries the spikes of the
step before, and whatever delays stand in it come on top of that.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping

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
    position = {name: i for i, name in enumerate(neurons)}
    readings = {name: read_by(graph, name) for name in neurons}
    feeds = {name: {s for s in readings[name] if s in position and s != name} for name in neurons}
    fed: dict[str, list[str]] = {name: [] for name in neurons}
    for name in neurons:
        for source in feeds[name]:
            fed[source].append(name)
    depth = _depths([name for name in neurons if not graph.inputs.keys().isdisjoint(readings[name])], fed)
    left = dict.fromkeys(neurons)
    free = [position[name] for name in neurons if not feeds[name]]
    ordered: list[str] = []
    while left:
        if free:
            chosen = neurons[heapq.heappop(free)]
        else:
            chosen = min(_entered(left, feeds, fed), key=lambda name: (depth.get(name, len(neurons)), position[name]))
        ordered.append(chosen)
        del left[chosen]
        for reader in fed[chosen]:
            feeds[reader].discard(chosen)
            if reader in left and not feeds[reader]:
                heapq.heappush(free, position[reader])
    return tuple(ordered)


def _depths(entries: Iterable[str], fed: Mapping[str, list[str]]) -> dict[str, int]:
    """Neuron → how many neurons a signal passes from an input, which feeds ``entries``, until it has arrived there."""
    depth = dict.fromkeys(entries, 0)
    queue = deque(depth)
    while queue:
        name = queue.popleft()
        for reader in fed[name]:
            if reader not in depth:
                depth[reader] = depth[name] + 1
                queue.append(reader)
    return depth


def _entered(left: Mapping[str, None], feeds: Mapping[str, set[str]], fed: Mapping[str, list[str]]) -> list[str]:
    """The neurons of every loop among ``left`` that nothing but itself feeds (Kosaraju's strong components)."""
    finished: list[str] = []
    seen: set[str] = set()
    for root in left:
        stack = [(root, iter(feeds[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            name, sources = stack[-1]
            source = next((each for each in sources if each not in seen), None)
            if source is None:
                finished.append(name)
                stack.pop()
            else:
                seen.add(source)
                stack.append((source, iter(feeds[source])))
    entered: list[str] = []
    placed: set[str] = set()
    for root in reversed(finished):
        if root in placed:
            continue
        loop, waiting = {root}, [root]
        while waiting:
            new = [each for each in fed[waiting.pop()] if each in left and each not in placed and each not in loop]
            loop.update(new)
            waiting += new
        placed |= loop
        if all(feeds[name] <= loop for name in loop):
            entered += loop
    return entered
