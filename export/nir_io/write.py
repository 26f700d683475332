"""A float graph as a NIR file. Any NIR reader opens it; what NIR has no field for is in ``metadata["cortexcore"]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph, usable
from cortexcore.export.nir_io.description import metadata_of
from cortexcore.export.nir_io.forms import ungrouped, written_form
from cortexcore.export.nir_io.hdf import write_whole
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    Float,
    I,
    Input,
    Linear,
    Neuron,
    Node,
    Output,
    Scale,
    Subgraph,
    SumPool2d,
    Threshold,
)
from cortexcore.export.shapes import Shape


def write_nir(graph: Graph, path: Path | str) -> None:
    """Write ``graph`` to ``path``, whole or not at all.

    Scalar parameters are written as one value per neuron, as NIR wants them; a grouped convolution, and one with
    an oblong kernel, as an equal one that NIR's type check follows (:mod:`cortexcore.export.nir_io.forms`). What
    ``nir.read`` opens with ``type_check=False`` alone is an oblong kernel that has no such form, and a subgraph with
    a node that feeds nothing, which nir takes for a second output.

    Step, reset and discretization travel in our metadata, which other tools do not read: snnTorch's importer assumes a
    step of 1e-4 s and reset "zero", and knows no LI.

    Raises:
        DataError: the file cannot be written.
        GraphError: it is no float graph, or has a name within a subgraph, or metadata, that NIR cannot carry.
    """
    if not isinstance(graph, Graph):
        raise GraphError(
            f"write_nir takes a float graph, not {type(graph).__name__}; write_integer_nir writes the other kind"
        )
    if bad := [repr(name) for name in _names(graph.nodes) if not _keepable(name)]:
        raise GraphError(
            f"NIR cannot keep the node names {', '.join(bad)}: use printable names, without '/' and not made of dots"
        )
    ours = {
        "format": "float",
        "dt_s": graph.dt_s,
        "discretization": graph.discretization,
        **_description(graph.nodes),
        "metadata": dict(graph.metadata),
    }
    network = _network(graph.nodes, graph.edges, graph.shapes, "")
    network.metadata = metadata_of(ours)
    write_whole(Path(path), network)


def _names(nodes: Mapping[str, Node]) -> Iterator[str]:
    for name, node in nodes.items():
        yield name
        if isinstance(node, Subgraph):
            yield from _names(node.nodes)


def _keepable(name: str) -> bool:
    return usable(name) and name.isprintable()


def _description(nodes: Mapping[str, Node]) -> dict[str, Any]:
    """What NIR cannot say about a graph's, or a subgraph's, nodes."""
    said = {name: extra for name, node in nodes.items() if (extra := _own_fields(node))}
    return {"order": list(nodes), "nodes": said}


def _own_fields(node: Node) -> dict[str, Any]:
    """What NIR cannot say about a node."""
    if isinstance(node, Subgraph):
        return _description(node.nodes)
    if isinstance(node, Conv1d | Conv2d):
        grown = any(written_form(node.window, node.input_size).margin)
        groups = {"groups": node.groups} if node.groups > 1 else {}
        return groups | ({"kernel": list(node.window.kernel)} if grown else {})
    fields: dict[str, Any] = {}
    if isinstance(node, Neuron | Scale | Delay):
        fields["shared"] = [name for name, value in vars(node).items() if np.shape(value) == () and _is_array(value)]
    if isinstance(node, LIF | CubaLIF | IF):
        fields |= {"reset": node.reset, "reset_delay": node.reset_delay}
    return fields


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray | np.floating)


def _network(
    nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...], shapes: Mapping[str, Shape], prefix: str
) -> Any:
    """A ``nir.NIRGraph``; not type-checked here, since that would add nodes behind those that feed nothing."""
    import nir

    written = {
        name: _network(node.nodes, node.edges, shapes, f"{prefix}{name}.")
        if isinstance(node, Subgraph)
        else _nir_node(node, shapes.get(prefix + name, ()))
        for name, node in nodes.items()
    }
    return nir.NIRGraph(written, [(str(a), str(b)) for a, b in edges], metadata={}, type_check=False)


def _nir_node(node: Node, sent: Shape) -> Any:
    """``node`` as a NIR primitive; ``sent`` is the shape of what it sends."""
    import nir

    match node:
        case Input(shape=shape):
            return nir.Input(np.array(shape))
        case Output(shape=shape):
            return nir.Output(np.array(shape))
        case Linear(weight=weight):
            return nir.Linear(weight)
        case Affine(weight=weight, bias=bias):
            return nir.Affine(weight, bias)
        case Conv1d():
            weight = ungrouped(node.weight, node.groups)
            return nir.Conv1d(node.input_length, weight, node.stride, node.padding, node.dilation, 1, node.bias)
        case Conv2d():
            form = written_form(node.window, node.input_size)
            weight = form.weight(node.weight, node.groups)
            return nir.Conv2d(node.input_size, weight, node.stride, form.padding, node.dilation, 1, node.bias)
        case SumPool2d() | AvgPool2d():
            kind = nir.SumPool2d if isinstance(node, SumPool2d) else nir.AvgPool2d
            return kind(np.array(node.kernel), np.array(node.stride), np.array(node.padding))
        case Flatten(input_shape=shape):
            return nir.Flatten({"input": np.array(shape)}, node.start, node.end)
        case Scale(scale=scale):
            return nir.Scale(full(scale, sent))
        case Delay(delay=delay):
            return nir.Delay(full(delay, sent))
        case Threshold(shape=shape, threshold=threshold):
            return nir.Threshold(full(threshold, shape))
        case LI() | CubaLI() | I() | LIF() | CubaLIF() | IF():
            fields = {key: full(value, node.shape) for key, value in vars(node).items() if _is_array(value)}
            return getattr(nir, type(node).__name__)(**fields)
    raise TypeError(f"NIR has no counterpart of {type(node).__name__}")


def full(values: Float, shape: Shape) -> Float:
    """``values`` as one value per neuron, in an array of its own."""
    return np.array(np.broadcast_to(values, shape))
