"""A float graph as a NIR file. Any NIR reader opens it; what NIR has no field for is in ``metadata["cortexcore"]``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io.hdf import write_whole
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Float, Input, Linear, Output, Scale
from cortexcore.export.shapes import Shape

KEY = "cortexcore"
"""Our key in a NIR graph's metadata; its value is a JSON text."""
FORMAT_VERSION = 1


def write_nir(graph: Graph, path: Path | str) -> None:
    """Write ``graph`` to ``path``, whole or not at all.

    Scalar parameters are written as one value per neuron, as NIR wants them; a grouped convolution as the
    ungrouped one with zeros between the groups, because NIR's type check knows no groups.

    Raises:
        DataError: the file cannot be written.
        GraphError: the graph's metadata is not JSON.
    """
    import nir

    ours = {
        "format": "float",
        "version": FORMAT_VERSION,
        "dt_s": graph.dt_s,
        "discretization": graph.discretization,
        "order": list(graph.nodes),
        "nodes": {name: extra for name in graph.nodes if (extra := _own_fields(graph, name))},
        "metadata": dict(graph.metadata),
    }
    nodes = {name: _nir_node(graph, name) for name in graph.nodes}
    write_whole(Path(path), nir.NIRGraph(nodes, list(graph.edges), metadata=metadata_of(ours)))


def metadata_of(ours: Mapping[str, Any]) -> dict[str, str]:
    """A NIR graph's metadata with what is ours as JSON.

    Raises:
        GraphError: the metadata holds something that JSON cannot.
    """
    try:
        return {KEY: json.dumps(ours, allow_nan=False)}
    except (TypeError, ValueError) as error:
        raise GraphError(
            f"the metadata cannot be kept as JSON ({error}); use plain numbers, texts and lists"
        ) from error


def _own_fields(graph: Graph, name: str) -> dict[str, Any]:
    """What NIR cannot say about a node."""
    node = graph.nodes[name]
    match node:
        case LIF() | CubaLIF():
            return {"reset": node.reset, "reset_delay": node.reset_delay}
        case Conv1d() if node.groups > 1:
            return {"groups": node.groups}
    return {}


def _nir_node(graph: Graph, name: str) -> Any:
    import nir

    node = graph.nodes[name]
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
        case Flatten(input_shape=shape):
            return nir.Flatten({"input": np.array(shape)}, 0, -1)
        case Scale(scale=scale):
            return nir.Scale(full(scale, graph.shapes[name]))
        case LI(shape=shape):
            return nir.LI(**{key: full(getattr(node, key), shape) for key in ("tau", "r", "v_leak")})
        case LIF(shape=shape):
            fields = {key: full(getattr(node, key), shape) for key in ("tau", "r", "v_leak", "v_threshold")}
            return nir.LIF(**fields, v_reset=np.zeros(shape))
        case CubaLIF(shape=shape):
            keys = ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "w_in")
            return nir.CubaLIF(**{key: full(getattr(node, key), shape) for key in keys}, v_reset=np.zeros(shape))
    raise TypeError(f"NIR has no counterpart of {type(node).__name__}")


def full(values: Float, shape: Shape) -> Float:
    """``values`` as one value per neuron, in an array of its own."""
    return np.array(np.broadcast_to(values, shape))


def ungrouped(weight: Any, groups: int) -> Any:
    """[out, in/groups, kernel] as [out, in, kernel], zeros between the groups."""
    out, per_group, kernel = weight.shape
    whole = np.zeros((groups, out // groups, groups, per_group, kernel), weight.dtype)
    index = np.arange(groups)
    whole[index, :, index] = weight.reshape(groups, out // groups, per_group, kernel)
    return whole.reshape(out, groups * per_group, kernel)


def regrouped(weight: Any, groups: int) -> Any:
    """The inverse of :func:`ungrouped`: the blocks on the diagonal."""
    out, channels, kernel = weight.shape
    blocks = weight.reshape(groups, out // groups, groups, channels // groups, kernel)
    index = np.arange(groups)
    return blocks[index, :, index].reshape(out, channels // groups, kernel)
