"""A NIR file as a float graph: ours with everything it says, another tool's with what the caller adds.

NIR says nothing of the time step, the discretization and the kind of reset. A file without them must be given
them; what was assumed stands in the graph's ``metadata["assumed"]``, for the command line to print.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Discretization, Graph
from cortexcore.export.nir_io.hdf import MAX_BYTES, number, read_tree
from cortexcore.export.nir_io.write import FORMAT_VERSION, KEY, regrouped
from cortexcore.export.nodes import (
    LI,
    LIF,
    Affine,
    Conv1d,
    CubaLIF,
    Flatten,
    Float,
    Input,
    Linear,
    Node,
    Output,
    Reset,
    Scale,
)
from cortexcore.export.shapes import infer_shapes

Tree = Mapping[str, Any]


def read_nir(
    path: Path | str,
    dt_s: float | None = None,
    reset: Reset | None = None,
    discretization: Discretization | None = None,
    max_bytes: int = MAX_BYTES,
) -> Graph:
    """Read a NIR file.

    Args:
        path: the file.
        dt_s: time step in seconds, for a file that does not say it (``--dt``).
        reset: "zero", "subtract" or "none" for its spiking neurons (``--reset``).
        discretization: "euler" or "exponential" (``--discretization``).
        max_bytes: refuse a larger file.

    Returns:
        the graph; ``metadata["assumed"]`` holds what came from the arguments, if anything did.

    Raises:
        GraphError: the file is damaged, holds nodes without counterpart (all are named), lacks what the
            arguments do not give, contradicts them, or is an integer network (``read_integer_nir`` reads it).
    """
    tree, version = read_tree(Path(path), max_bytes)
    return parse_graph(tree, str(path), version, dt_s, reset, discretization)


def parse_graph(
    tree: Tree,
    place: str,
    version: str,
    dt_s: float | None,
    reset: Reset | None,
    discretization: Discretization | None,
) -> Graph:
    """The tree of a NIR file as a graph; arguments and errors as :func:`read_nir`, ``place`` names the file."""
    ours = own_metadata(tree, place)
    if ours is not None and ours.get("format") != "float":
        raise GraphError(f"{place} holds an integer network, not a float graph; read it with read_integer_nir")
    groups = node_groups(tree, place)
    spiking = sorted(name for name, group in groups.items() if group.get("type") in ("LIF", "CubaLIF"))
    given = {"dt_s": dt_s, "discretization": discretization, "reset": reset}
    if ours is None:
        said: Mapping[str, Any] = given
        _require(given, bool(spiking), place)
        extras: Mapping[str, Any] = {}
    else:
        said, extras = ours, _own_nodes(ours, place)
        _contradictions(given, ours, spiking, place)
    edges = edges_of(tree, place)
    nodes = _expanded(_parse_nodes(groups, extras, reset, place), edges, groups)
    metadata: dict[str, Any] = dict(ours["metadata"]) if ours else {}
    if ours is None:
        metadata["assumed"] = {k: v for k, v in given.items() if v is not None and (k != "reset" or spiking)}
        metadata["nir_version"] = version
    try:
        return Graph(_in_order(nodes, said.get("order")), edges, number(said["dt_s"]), said["discretization"], metadata)
    except KeyError as error:
        raise GraphError(f"{place} lacks {error} in its metadata; write it again") from error
    except GraphError as error:
        raise GraphError(f"{place}: {error}") from error


def own_metadata(tree: Tree, place: str) -> dict[str, Any] | None:
    """What CortexCore wrote into a file's metadata, or None in another tool's file."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, Mapping) or KEY not in metadata:
        return None
    try:
        ours = json.loads(metadata[KEY])
    except (TypeError, ValueError) as error:
        raise GraphError(f"{place} holds metadata of CortexCore that is no JSON ({error}); write it again") from error
    if not isinstance(ours, dict) or ours.get("version") != FORMAT_VERSION:
        found = ours.get("version") if isinstance(ours, dict) else None
        raise GraphError(f"{place} is of format version {found}, this CortexCore reads version {FORMAT_VERSION}")
    return ours


def _own_nodes(ours: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """What our metadata says of the nodes, once it is sure to have the form we write."""
    nodes: dict[str, Any] = ours["nodes"] if isinstance(ours.get("nodes"), dict) else {"": None}
    if not isinstance(ours.get("metadata"), dict) or not all(isinstance(said, dict) for said in nodes.values()):
        raise GraphError(f"{place} lacks part of its metadata; write it again")
    if bad := [name for name, said in nodes.items() if not isinstance(said.get("reset", ""), str)]:
        raise GraphError(f"{place} says no kind of reset for {', '.join(bad)}; write it again")
    return nodes


def node_groups(tree: Tree, place: str) -> dict[str, Tree]:
    """Name → the fields of each node."""
    groups = tree.get("nodes")
    kind = tree.get("type")
    if not (isinstance(kind, str) and kind == "NIRGraph") or not isinstance(groups, Mapping):
        raise GraphError(f"{place} holds no NIRGraph with nodes; write it with nir.write")
    if bad := [
        n for n, group in groups.items() if not (isinstance(group, Mapping) and isinstance(group.get("type"), str))
    ]:
        raise GraphError(f"{place} holds nodes without a type: {', '.join(bad)}; write it with nir.write")
    return dict(groups)


def edges_of(tree: Tree, place: str) -> tuple[tuple[str, str], ...]:
    """(source, destination) pairs in the file's order."""
    edges = np.asarray(tree.get("edges", []), dtype=object)
    if edges.size == 0:
        return ()
    if edges.ndim != 2 or edges.shape[1] != 2:
        raise GraphError(f"{place} holds edges of shape {edges.shape}, they must be pairs of names")
    named = [tuple(e.decode("utf8") if isinstance(e, bytes) else str(e) for e in pair) for pair in edges]
    return tuple((a, b) for a, b in named)


def _require(given: Mapping[str, Any], spiking: bool, place: str) -> None:
    options = {"dt_s": "the time step (--dt)", "discretization": "the discretization (--discretization)"}
    if spiking:
        options["reset"] = "what a spike resets (--reset)"
    if missing := [text for key, text in options.items() if given[key] is None]:
        raise GraphError(f"{place} does not say {', '.join(missing)}: give what it was trained with")


def _contradictions(given: Mapping[str, Any], ours: Mapping[str, Any], spiking: list[str], place: str) -> None:
    options = {"dt_s": "--dt", "discretization": "--discretization"}
    said = {key: ours.get(key) for key in options}
    problems = [
        f"{option} is {given[key]}, the file says {said[key]}"
        for key, option in options.items()
        if given[key] is not None and given[key] != said[key]
    ]
    resets = {ours["nodes"].get(name, {}).get("reset") for name in spiking}
    if given["reset"] is not None and resets - {given["reset"]}:
        problems.append(f"--reset is {given['reset']}, the file says {', '.join(sorted(map(str, resets)))}")
    if problems:
        raise GraphError(f"{place} contradicts the options: {'; '.join(problems)}; leave them out")


def _parse_nodes(groups: Mapping[str, Tree], extras: Mapping[str, Any], reset: Reset | None, place: str) -> Any:
    nodes: dict[str, Node] = {}
    unknown: list[str] = []
    problems: list[str] = []
    for name, group in groups.items():
        kind = str(group["type"])
        if kind not in _PARSERS:
            unknown.append(f"'{name}' ({kind})")
            continue
        extra = extras.get(name, {}) if isinstance(extras, Mapping) else {}
        try:
            nodes[name] = _PARSERS[kind](group, {"reset": reset, "reset_delay": False, **extra})
        except KeyError as error:
            problems.append(f"'{name}' ({kind}) lacks the field {error}")
        except (GraphError, TypeError, ValueError, OverflowError) as error:
            problems.append(f"'{name}' ({kind}) {error}")
    if unknown:
        problems.append(f"no counterpart for {', '.join(unknown)}; there is one for {', '.join(_PARSERS)}")
    if problems:
        raise GraphError(f"{place} cannot be read: " + "; ".join(problems))
    return nodes


def _expanded(
    nodes: dict[str, Node], edges: tuple[tuple[str, str], ...], groups: Mapping[str, Tree]
) -> dict[str, Node]:
    """Neurons whose parameters are all single numbers take the shape of what feeds them."""
    if not all({a, b} <= nodes.keys() for a, b in edges):
        return nodes
    scalars = {n for n, node in nodes.items() if isinstance(node, LIF | CubaLIF | LI) and not np.ndim(groups[n]["r"])}
    for _ in scalars:
        shapes, _ = infer_shapes(nodes, edges)
        for source, name in edges:
            node = nodes[name]
            if name in scalars and source in shapes and isinstance(node, LIF | CubaLIF | LI):
                nodes[name] = replace(node, shape=shapes[source])
    return nodes


def _in_order(nodes: dict[str, Node], order: Any) -> dict[str, Node]:
    """Nodes in the order they were written in: HDF5 keeps them by name, and ties in the computing order fall to it."""
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(nodes):
        return nodes
    return {name: nodes[name] for name in order}


def _array(group: Tree, key: str) -> Float:
    try:
        return np.array(group[key], dtype=np.float64)
    except (TypeError, ValueError):
        raise GraphError(f"holds no numbers in '{key}'") from None


def _ints(group: Tree, key: str) -> tuple[int, ...]:
    values = _array(group, key).reshape(-1)
    if not np.array_equal(values, np.round(values)) or np.abs(values).max(initial=0) > 2**31:
        raise GraphError(f"holds no whole numbers in '{key}'")
    return tuple(int(v) for v in values)


def _parameters(group: Tree, *keys: str) -> dict[str, Any]:
    """Neuron parameters by name, each a scalar where all neurons share it, and the neurons' shape."""
    arrays = {key: _array(group, key) for key in keys}
    shape = np.broadcast_shapes(*(a.shape for a in arrays.values())) or (1,)
    shared = {k: a.reshape(-1)[0].reshape(()) if a.size and np.all(a == a.flat[0]) else a for k, a in arrays.items()}
    return {"shape": tuple(int(n) for n in shape), **shared}


def _spiking(group: Tree, extra: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    if "v_reset" in group and np.any(_array(group, "v_reset") != 0):
        raise GraphError("resets to a v_reset other than 0, which no target does; shift v_leak and v_threshold")
    fields = {"reset": extra["reset"], "reset_delay": bool(extra["reset_delay"])}
    return {**_parameters(group, *keys), **fields}


def _cuba(group: Tree, extra: Mapping[str, Any]) -> CubaLIF:
    group = {"w_in": 1.0, **group}
    return CubaLIF(**_spiking(group, extra, "tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "w_in"))


def _conv1d(group: Tree, extra: Mapping[str, Any]) -> Conv1d:
    weight, bias = _array(group, "weight"), _array(group, "bias")
    if weight.ndim != 3:
        raise GraphError(f"has a weight of shape {weight.shape}, it must be [out, in/groups, kernel]")
    (stride,), (dilation,), (groups,) = (_ints(group, key) for key in ("stride", "dilation", "groups"))
    if "input_shape" not in group or np.asarray(group["input_shape"]).dtype.kind not in "iuf":
        raise GraphError("does not say its input_shape; write it with the input's length")
    length = (_ints(group, "input_shape") or (0,))[-1]
    padding = group["padding"]
    if isinstance(padding, str):
        reach = dilation * (weight.shape[2] - 1)
        if padding not in ("same", "valid") or (padding == "same" and (reach % 2 or stride != 1)):
            raise GraphError(f"pads '{padding}' unequally; use a number")
        padding = reach // 2 if padding == "same" else 0
    else:
        (padding,) = _ints(group, "padding")
    if groups == 1 and "groups" in extra:
        groups = int(extra["groups"])
        if groups < 1 or weight.shape[0] % groups or weight.shape[1] % groups:
            raise GraphError(f"has {groups} groups, which its weight of shape {weight.shape} cannot have")
        weight = regrouped(weight, groups)
    return Conv1d(weight, bias, length, stride, padding, dilation, groups)


def _flatten(group: Tree, extra: Mapping[str, Any]) -> Flatten:
    shape = _ints(group, "input_type")
    (start,), (end,) = _ints(group, "start_dim"), _ints(group, "end_dim")
    if start != 0 or end not in (-1, len(shape) - 1):
        raise GraphError(f"flattens only the axes {start} to {end} of {shape}; flatten all of them (0 to −1)")
    return Flatten(shape)


def _scale(group: Tree, extra: Mapping[str, Any]) -> Scale:
    scale = _array(group, "scale")
    return Scale(scale.reshape(-1)[0].reshape(()) if scale.size and np.all(scale == scale.flat[0]) else scale)


_PARSERS: Mapping[str, Callable[[Tree, Mapping[str, Any]], Node]] = {
    "Input": lambda group, extra: Input(_ints(group, "shape")),
    "Output": lambda group, extra: Output(_ints(group, "shape")),
    "Linear": lambda group, extra: Linear(_array(group, "weight")),
    "Affine": lambda group, extra: Affine(_array(group, "weight"), _array(group, "bias")),
    "Conv1d": _conv1d,
    "Flatten": _flatten,
    "Scale": _scale,
    "LIF": lambda group, extra: LIF(**_spiking(group, extra, "tau", "r", "v_leak", "v_threshold")),
    "CubaLIF": _cuba,
    "LI": lambda group, extra: LI(**_parameters(group, "tau", "r", "v_leak")),
}
