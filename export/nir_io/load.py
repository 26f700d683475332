"""Open a NIR file as what it is: a float graph or an integer network."""

from __future__ import annotations

from pathlib import Path

from cortexcore.export.graph import Discretization, Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.nir_io.description import own_metadata
from cortexcore.export.nir_io.hdf import MAX_BYTES, read_tree
from cortexcore.export.nir_io.integer_read import parse_integer
from cortexcore.export.nir_io.read import parse_graph
from cortexcore.export.nodes import Reset


def load_graph_file(
    path: Path | str,
    dt_s: float | None = None,
    reset: Reset | None = None,
    discretization: Discretization | None = None,
    max_bytes: int = MAX_BYTES,
) -> Graph | IntegerNetwork:
    """Read a NIR file, float or integer, as its metadata says; arguments and errors as ``read_nir``.

    An integer network says everything itself, so the three options are not looked at.
    """
    tree, version = read_tree(Path(path), max_bytes)
    ours = own_metadata(tree, str(path))
    if ours is not None and ours.get("format") == "integer":
        return parse_integer(tree, str(path))
    return parse_graph(tree, str(path), version, dt_s, reset, discretization)
