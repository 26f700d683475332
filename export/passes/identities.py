"""Where a signal meets a neuron without a layer between them, write the identity down as one."""

from __future__ import annotations

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Conv1d, CubaLIF, Flatten, Float, Input, Linear, Node, Scale
from cortexcore.export.passes.rewrite import Draft
from cortexcore.export.shapes import Shape

MAX_DIAGONAL = 4096
"""A dense identity has the square of this many weights at most."""


def write_identities(graph: Graph) -> Graph:
    """Turn scales that no layer took up, and direct edges into neurons, into diagonal layers.

    [channels, length] becomes a grouped convolution with a kernel of 1, a vector a diagonal matrix.

    Raises:
        GraphError: a signal of three or more axes, or a vector too long for a diagonal matrix.
    """
    draft = Draft.of(graph)
    shapes = graph.shapes
    problems: list[str] = []
    for source, destination in graph.edges:
        starts = isinstance(graph.nodes[source], Input | LIF | CubaLIF | LI | Flatten)
        if starts and isinstance(graph.nodes[destination], LIF | CubaLIF | LI):
            layer = _diagonal(shapes[source], np.ones(()))
            if layer is None:
                problems.append(f"'{source}' → '{destination}' of shape {shapes[source]}")
                continue
            name = draft.copy_of(f"{source}_to_{destination}", layer)
            draft.edges = [(name, b) if (a, b) == (source, destination) else (a, b) for a, b in draft.edges]
            draft.edges.append((source, name))
    for name, node in graph.nodes.items():
        if isinstance(node, Scale):
            layer = _diagonal(shapes[name], node.scale)
            if layer is None:
                problems.append(f"'{name}' of shape {shapes[name]}")
            else:
                draft.nodes[name] = layer
    if problems:
        raise GraphError(
            f"signals reach neurons without a layer and are too large for a diagonal one: {'; '.join(problems)} "
            "(put a Linear or Conv1d between)"
        )
    return draft.done()


def _diagonal(shape: Shape, scale: Float) -> Node | None:
    factors = np.broadcast_to(scale, shape)
    if len(shape) == 2 and bool(np.all(factors == factors[:, :1])):
        weight = factors[:, :1, None].copy()
        return Conv1d(weight, np.zeros(shape[0]), shape[1], groups=shape[0])
    if len(shape) == 1 and shape[0] <= MAX_DIAGONAL:
        return Linear(np.diag(factors))
    return None
