"""Give every path its own linear nodes: W·(a + b) becomes W·a + W·b, and a shared W one copy per reader."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, Conv1d, Linear, Node
from cortexcore.export.passes.rewrite import Draft, stateless


def split_shared(graph: Graph) -> Graph:
    """Afterwards every linear node, flatten and scale has one source and one destination.

    A bias stays with the first copy of a split sum, and with every copy of a shared layer. What nothing reads is
    dropped.

    Raises:
        GraphError: the branches multiply beyond reason.
    """
    draft = Draft.of(graph)
    while crowded := _first_crowded(draft):
        name, sources, destinations = crowded
        node = draft.nodes[name]
        if not destinations:
            del draft.nodes[name]
            draft.edges = [edge for edge in draft.edges if name not in edge]
        for destination in destinations[1:]:
            twin = draft.copy_of(name, node)
            draft.edges = [(twin, b) if (a, b) == (name, destination) else (a, b) for a, b in draft.edges]
            draft.edges += [(source, twin) for source in sources]
        if len(destinations) == 1:
            for source in sources[1:]:
                twin = draft.copy_of(name, _without_bias(node))
                draft.edges = [(source, twin) if edge == (source, name) else edge for edge in draft.edges]
                draft.edges.append((twin, destinations[0]))
    return draft.done()


def _first_crowded(draft: Draft) -> tuple[str, list[str], list[str]] | None:
    for name, node in draft.nodes.items():
        if stateless(node):
            sources, destinations = draft.sources(name), draft.destinations(name)
            if len(sources) != 1 or len(destinations) != 1:
                return name, sources, destinations
    return None


def _without_bias(node: Node) -> Node:
    match node:
        case Affine(weight=weight):
            return Linear(weight)
        case Conv1d(bias=bias):
            return replace(node, bias=np.zeros_like(bias))
    return node
