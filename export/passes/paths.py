"""Every way a signal takes from an input or a neuron to a neuron: the layers and delays it passes on the way.

Linear nodes distribute over sums, W·(a + b) = W·a + W·b, so each way can be looked at alone. What the biases among
them add to a neuron does not depend on any signal, and is found by sending zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.dynamics import delay_steps
from cortexcore.export.graph import Graph
from cortexcore.export.layers import linear
from cortexcore.export.nodes import Delay, Float, Input, Neuron, Scale, Stateless

MAX_PATHS = 10_000
"""More than this and a graph's branches have got out of hand."""


@dataclass(frozen=True, eq=False)
class Path:
    """One way into a neuron.

    Attributes:
        source: the input or neuron whose signal it carries.
        names: the graph's nodes on the way, in the signal's direction.
        chain: the linear nodes on the way, with a 0/1 scale where a delay picks some of the elements.
        delay: steps that the signal takes on top of those of a loop.
    """

    source: str
    names: tuple[str, ...]
    chain: tuple[Stateless, ...]
    delay: int


def paths_to(graph: Graph, name: str) -> list[Path]:
    """The paths into the neuron ``name`` of a flat graph, in edge order.

    Raises:
        GraphError: the branches multiply beyond reason.
    """
    found: list[Path] = []
    for source, names in _ways(graph, name):
        choices = [_stages(graph, each) for each in names]
        for picked in itertools.product(*choices):
            if len(found) >= MAX_PATHS:
                raise GraphError(
                    f"the branches into '{name}' multiply to more than {MAX_PATHS} paths: put a neuron between them, "
                    "or add up what they compute in one layer"
                )
            chain = tuple(node for node, _ in picked if node is not None)
            found.append(Path(source, names, chain, sum(steps for _, steps in picked)))
    return found


def silent_signals(graph: Graph) -> dict[str, Float]:
    """Node without memory → what it sends while every input and neuron is silent; those that send nothing are absent.

    Shapes are the nodes' own, without time and batch. A delay hands its bias on as if it took no time.
    """
    found: dict[str, Float] = {}
    for name in _in_order(graph):
        node = graph.nodes[name]
        arriving = silent_sum(graph, name, found)
        if isinstance(node, Stateless):
            shape = graph.shapes[graph.sources(name)[0]]
            x = np.zeros(shape) if arriving is None else arriving
            if arriving is not None or np.any(getattr(node, "bias", 0.0)):
                found[name] = linear(node, x[None])[0]
        elif arriving is not None:
            found[name] = arriving
    return found


def silent_sum(graph: Graph, name: str, silent: dict[str, Float]) -> Float | None:
    """What of ``silent`` arrives at ``name`` [*shape]; None where nothing does."""
    parts = [silent[source] for source in graph.sources(name) if source in silent]
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _ways(graph: Graph, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(source, nodes on the way) of everything that reaches ``name``."""
    stack: list[tuple[str, tuple[str, ...]]] = [(source, ()) for source in reversed(graph.sources(name))]
    while stack:
        place, after = stack.pop()
        if isinstance(graph.nodes[place], Input | Neuron):
            yield place, after
        else:
            stack += [(source, (place, *after)) for source in reversed(graph.sources(place))]


def _stages(graph: Graph, name: str) -> list[tuple[Stateless | None, int]]:
    """What a path can meet at ``name``: a linear node, or for each of a delay's lengths the elements that take it."""
    node = graph.nodes[name]
    if not isinstance(node, Delay):
        if not isinstance(node, Stateless):
            raise TypeError(f"'{name}' is a {type(node).__name__}, no layer")
        return [(node, 0)]
    steps = delay_steps(node, graph.dt_s)
    lengths = np.unique(steps)
    if len(lengths) == 1:
        return [(None, int(lengths[0]))]
    return [(Scale((steps == length).astype(np.float64)), int(length)) for length in lengths]


def _in_order(graph: Graph) -> list[str]:
    """The nodes without neurons and rims, each after what feeds it."""
    ordered: dict[str, None] = {}
    for start, node in graph.nodes.items():
        if not isinstance(node, Stateless | Delay):
            continue
        stack = [start]
        while stack:
            name = stack[-1]
            waiting = [
                s for s in graph.sources(name) if isinstance(graph.nodes[s], Stateless | Delay) and s not in ordered
            ]
            if waiting:
                stack.extend(waiting)
            else:
                ordered[stack.pop()] = None
    return list(ordered)
