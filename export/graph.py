"""The float graph: typed nodes, edges, the time step and the discretisation. Nothing in it is implied.

Several edges into one node add up. What closes a loop is recurrent: its spikes arrive one step later; which path of
a loop that is follows from the order in :mod:`cortexcore.export.flow`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from cortexcore.errors import GraphError
from cortexcore.export.nodes import Input, Node, Output
from cortexcore.export.shapes import Shape, infer_shapes

Discretization = Literal["euler", "exponential"]


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
            there is no input or output, or shapes and parameters do not fit; all of it at once.
    """

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]
    dt_s: float
    discretization: Discretization
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [f"the node name '{n}' is empty, holds '/' or is made of dots" for n in self.nodes if not usable(n)]
        problems += [f"edge {a} → {b} names a missing node" for a, b in self.edges if not {a, b} <= self.nodes.keys()]
        problems += [f"edge {a} → {b} stands twice" for a, b in sorted(set(self.edges)) if self.edges.count((a, b)) > 1]
        for kind in (Input, Output):
            if not any(isinstance(node, kind) for node in self.nodes.values()):
                problems.append(f"there is no {kind.__name__} node")
        if not (math.isfinite(self.dt_s) and self.dt_s > 0):
            problems.append(f"dt_s is {self.dt_s}, it must be a positive number of seconds")
        if self.discretization not in get_args(Discretization):
            problems.append(
                f"discretization '{self.discretization}' is unknown, use one of {', '.join(get_args(Discretization))}"
            )
        problems = problems or infer_shapes(self.nodes, self.edges)[1]
        if problems:
            raise GraphError("the graph is malformed: " + "; ".join(problems))

    def __repr__(self) -> str:
        nodes = ", ".join(f"{n}: {type(node).__name__} {self.shapes[n]}" for n, node in self.nodes.items())
        return f"Graph({nodes}; {len(self.edges)} edges, dt_s={self.dt_s}, {self.discretization})"

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Node name → the shape it sends, without time and batch."""
        return infer_shapes(self.nodes, self.edges)[0]

    @property
    def inputs(self) -> dict[str, Input]:
        return {name: node for name, node in self.nodes.items() if isinstance(node, Input)}

    @property
    def outputs(self) -> dict[str, Output]:
        return {name: node for name, node in self.nodes.items() if isinstance(node, Output)}

    def sources(self, name: str) -> list[str]:
        """The nodes that feed ``name``, in edge order."""
        return [a for a, b in self.edges if b == name]

    def destinations(self, name: str) -> list[str]:
        """The nodes that ``name`` feeds, in edge order."""
        return [b for a, b in self.edges if a == name]


def usable(name: str) -> bool:
    """Whether a file can keep ``name`` as a node's name."""
    return bool(name.strip(".")) and "/" not in name and "\0" not in name
