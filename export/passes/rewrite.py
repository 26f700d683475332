"""A graph taken apart for rewriting: passes change a draft and hand back a new graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, Conv1d, Flatten, Linear, Node, Scale

MAX_NODES = 20_000
"""More than this and the copies that shared branches need have got out of hand."""


@dataclass
class Draft:
    """A graph's nodes and edges, free to change."""

    graph: Graph
    nodes: dict[str, Node]
    edges: list[tuple[str, str]]

    @classmethod
    def of(cls, graph: Graph) -> Draft:
        return cls(graph, dict(graph.nodes), list(graph.edges))

    def done(self) -> Graph:
        """The new graph, checked as any graph is."""
        return replace(self.graph, nodes=self.nodes, edges=tuple(self.edges))

    def sources(self, name: str) -> list[str]:
        return [a for a, b in self.edges if b == name]

    def destinations(self, name: str) -> list[str]:
        return [b for a, b in self.edges if a == name]

    def copy_of(self, name: str, node: Node) -> str:
        """Add ``node`` under ``name``, or where that is taken under a name made from it."""
        if len(self.nodes) >= MAX_NODES:
            raise GraphError(f"the graph's branches multiply to more than {MAX_NODES} nodes at '{name}'; simplify them")
        free, number = name, 1
        while free in self.nodes:
            number += 1
            free = f"{name}_copy{number}"
        self.nodes[free] = node
        return free

    def bypass(self, name: str) -> None:
        """Remove a node with one source and one destination, joining the two."""
        (source,), (destination,) = self.sources(name), self.destinations(name)
        self.edges = [
            (source, destination) if edge == (source, name) else edge
            for edge in self.edges
            if edge != (name, destination)
        ]
        del self.nodes[name]


def stateless(node: Node) -> bool:
    """Whether a node has neither state nor role at the graph's rim."""
    return isinstance(node, Linear | Affine | Conv1d | Flatten | Scale)
