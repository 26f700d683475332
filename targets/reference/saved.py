"""A float graph in a target's folder, as the NIR file ``graph.nir``, and its digest."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import BundleError, GraphError
from cortexcore.export.graph import Graph

FILE = "graph.nir"


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
            if isinstance(value, np.ndarray | np.floating):
                digest.update(repr((field.name, value.shape)).encode())
                digest.update(np.ascontiguousarray(value, "<f8").tobytes())
            else:
                digest.update(repr((field.name, _said(value))).encode())
    return digest.hexdigest()


def save_graph(graph: Graph, folder: Path) -> None:
    """Write ``graph.nir`` into ``folder``."""
    from cortexcore.export.nir_io import write_nir

    write_nir(graph, folder / FILE)


def load_graph(folder: Path) -> Graph:
    """Read what :func:`save_graph` wrote. Raises BundleError where it is missing or damaged."""
    from cortexcore.export.nir_io import read_nir

    if not (folder / FILE).is_file():
        raise BundleError(f"'{folder / FILE}' is missing: the artifact in '{folder}' is incomplete; lower it again")
    try:
        return read_nir(folder / FILE)
    except GraphError as error:
        raise BundleError(f"the artifact in '{folder}' is damaged: {error}") from error


def _said(value: Any) -> object:
    """A field that is no array, alike for Python's and NumPy's integers."""
    match value:
        case str() | bool():
            return value
        case tuple():
            return tuple(map(index, value))
        case _:
            return index(value)
