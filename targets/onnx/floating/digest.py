"""A digest of a float graph, by which a model is told to be its own."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from operator import index
from typing import Any

import numpy as np

from cortexcore.export.graph import Graph


def graph_sha256(graph: Graph) -> str:
    """A digest of all that determines the arithmetic: nodes, parameters, edges, dt and discretization.

    Names, and the orders of nodes and edges, are part of it, since sums and loops follow them; metadata is not, nor
    whether nodes stand in subgraphs.
    """
    graph = graph.flat
    digest = hashlib.sha256(repr((float(graph.dt_s), str(graph.discretization), graph.edges)).encode())
    for name, node in graph.nodes.items():
        digest.update(repr((name, type(node).__name__)).encode())
        for field in fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                digest.update(repr((field.name, value.shape)).encode())
                digest.update(np.ascontiguousarray(value, "<f8").tobytes())
            else:
                digest.update(repr((field.name, _said(value))).encode())
    return digest.hexdigest()


def _said(value: Any) -> object:
    """A field that is no array, alike for Python's and NumPy's integers."""
    match value:
        case str() | bool():
            return value
        case tuple():
            return tuple(map(index, value))
        case _:
            return index(value)
