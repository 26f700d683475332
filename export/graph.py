"""The float graph: typed nodes, edges, the time step and the discretisation. Nothing in it is implied.

Several edges into one node add up. What closes a loop is recurrent: its spikes arrive one step later; which path of
a loop that is follows from the order in :mod:`cortexcore.export.flow`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cortexcore.errors import GraphError
from cortexcore.export.dynamics import DISCRETIZATIONS, delay_steps, dynamics
from cortexcore.export.dynamics import Discretization as Discretization
from cortexcore.export.nodes import Delay, Input, Neuron, Node, Output, Subgraph
from cortexcore.export.shapes import Shape, infer_shapes
from cortexcore.export.subgraphs import inline, rim_problems


@dataclass(frozen=True, eq=False)
class Graph:
    """A float network.

    Attributes:
        nodes: name → node; names are non-empty, free of "/" and not made of dots alone (HDF5 keeps those).
        edges: (source, destination) pairs, in no particular order.
        dt_s: length of a step in seconds.
        discretization: ``"euler"`` (β = 1 − dt/τ) or ``"exponential"`` (β = exp(−dt/τ)).
        metadata: JSON values that travel with the graph (front end, classes, provenance).

    Raises:
        GraphError: an edge names a missing node or stands twice, a name is unusable, dt is not a positive number,
            there is no input or output, shapes and parameters do not fit, a delay is no whole number of steps, or
            Euler cannot follow a time constant; all of it at once.
    """

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]
    dt_s: float
    discretization: Discretization
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [f"the node name '{n}' is empty, holds '/' or is made of dots" for n in self.nodes if not usable(n)]
        problems += [f"edge {a} → {b} names a missing node" for a, b in self.edges if not {a, b} <= self.nodes.keys()]
        problems += [f"edge {a} → {b} stands twice" for (a, b), n in sorted(Counter(self.edges).items()) if n > 1]
        for kind in (Input, Output):
            if not any(isinstance(node, kind) for node in self.nodes.values()):
                problems.append(f"there is no {kind.__name__} node")
        if not (math.isfinite(self.dt_s) and self.dt_s > 0):
            problems.append(f"dt_s is {self.dt_s}, it must be a positive number of seconds")
        if self.discretization not in DISCRETIZATIONS:
            problems.append(
                f"discretization '{self.discretization}' is unknown, use one of {', '.join(DISCRETIZATIONS)}"
            )
        problems = problems or self._content_problems()
        if problems:
            raise GraphError("the graph is malformed: " + "; ".join(problems))

    def __repr__(self) -> str:
        nodes = ", ".join(f"{n}: {type(node).__name__} {self.shapes[n]}" for n, node in self.nodes.items())
        return f"Graph({nodes}; {len(self.edges)} edges, dt_s={self.dt_s}, {self.discretization})"

    def _content_problems(self) -> list[str]:
        """What is wrong with nodes and shapes, once names and edges are sound."""
        nodes, edges, problems = inline(self.nodes, self.edges)
        if problems:
            return problems
        shapes, problems = infer_shapes(nodes, edges)
        if problems:
            return problems
        problems += rim_problems(self.nodes, self.edges, shapes)
        for name, node in nodes.items():
            try:
                if isinstance(node, Delay):
                    delay_steps(node, self.dt_s)
                elif isinstance(node, Neuron):
                    dynamics(node, self.dt_s, self.discretization)
            except GraphError as error:
                problems.append(f"'{name}' has {error}")
        return problems

    @cached_property
    def flat(self) -> Graph:
        """The same network with its subgraphs written out; itself where it has none."""
        if not any(isinstance(node, Subgraph) for node in self.nodes.values()):
            return self
        nodes, edges, _ = inline(self.nodes, self.edges)
        return replace(self, nodes=nodes, edges=edges)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Node name → the shape it sends, without time and batch; a subgraph's nodes by their written-out names."""
        nodes, edges, _ = inline(self.nodes, self.edges)
        found = infer_shapes(nodes, edges)[0]
        for name, node in self.nodes.items():
            if isinstance(node, Subgraph):
                (out,) = (each for each in node.nodes.values() if isinstance(each, Output))
                found[name] = out.shape
        return found

    @property
    def inputs(self) -> dict[str, Input]:
        return {name: node for name, node in self.nodes.items() if isinstance(node, Input)}

    @property
    def outputs(self) -> dict[str, Output]:
        return {name: node for name, node in self.nodes.items() if isinstance(node, Output)}

    def sources(self, name: str) -> list[str]:
        """The nodes that feed ``name``, in edge order."""
        return list(self._sources.get(name, ()))

    def destinations(self, name: str) -> list[str]:
        """The nodes that ``name`` feeds, in edge order."""
        return [b for a, b in self.edges if a == name]

    @cached_property
    def _sources(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for source, destination in self.edges:
            found.setdefault(destination, []).append(source)
        return found


def usable(name: str) -> bool:
    """Whether a file can keep ``name`` as a node's name."""
    surrogates = any("\ud800" <= letter <= "\udfff" for letter in name)
    return bool(name.strip(".")) and "/" not in name and "\0" not in name and not surrogates
