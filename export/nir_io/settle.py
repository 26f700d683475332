"""The shapes that a file leaves out, from what feeds each node."""

from __future__ import annotations

from collections.abc import Mapping

from cortexcore.errors import GraphError
from cortexcore.export.nir_io.primitives import Unshaped
from cortexcore.export.nodes import AvgPool2d, Delay, Node, Output, Scale, Subgraph, SumPool2d
from cortexcore.export.shapes import Shape, sent_shape

Edges = tuple[tuple[str, str], ...]


def settle(parsed: Mapping[str, Node | Unshaped], edges: Edges) -> tuple[dict[str, Node], list[str]]:
    """Every node with its shape, in the given order, and a sentence for each that cannot have one.

    A shape spreads from the nodes that know theirs along the edges, past pools, scales and delays; the first that
    arrives counts, and the graph checks afterwards that all others are equal.
    """
    nodes = {name: node for name, node in parsed.items() if not isinstance(node, Unshaped)}
    problems: list[str] = []
    if len(nodes) == len(parsed):
        return nodes, problems
    readers: dict[str, list[str]] = {}
    for source, destination in edges:
        readers.setdefault(source, []).append(destination)
    known = {name: _sent(node) for name, node in nodes.items() if not isinstance(node, _PASSING)}
    ready = list(known)
    for name in ready:
        for reader in readers.get(name, ()):
            node = parsed.get(reader)
            incoming = known[name]
            if node is None or reader in known or incoming is None:
                continue
            try:
                if isinstance(node, Unshaped):
                    node = nodes[reader] = node.build(incoming)
                known[reader] = sent_shape(node, incoming) if isinstance(node, _PASSING) else _sent(node)
            except GraphError as error:
                known[reader] = None
                problems.append(f"'{reader}' {error}")
            ready.append(reader)
    problems += [
        f"'{name}' does not say its {node.lacks}, nor does anything that feeds it; write it with one"
        for name, node in parsed.items()
        if isinstance(node, Unshaped) and name not in known
    ]
    return {name: nodes[name] for name in parsed if name in nodes}, problems


_PASSING = SumPool2d | AvgPool2d | Scale | Delay
"""Nodes whose shape follows from their input alone."""


def _sent(node: Node) -> Shape | None:
    """What a node with a shape of its own sends; None for a subgraph that has no output."""
    if isinstance(node, Subgraph):
        return next((each.shape for each in node.nodes.values() if isinstance(each, Output)), None)
    return sent_shape(node, ())
