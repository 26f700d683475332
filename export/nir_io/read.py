"""A NIR file as a float graph: ours with everything it says, another tool's with what the caller adds.

NIR says nothing of the time step, the discretization and the kind of reset. A file without them must be given
them; what was assumed stands in the graph's ``metadata["assumed"]``, for the command line to print.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Discretization, Graph
from cortexcore.export.nir_io.description import described, foreign_metadata, own_metadata, within
from cortexcore.export.nir_io.fields import Said, Tree, number
from cortexcore.export.nir_io.hdf import MAX_BYTES, read_tree
from cortexcore.export.nir_io.primitives import DEFAULTS, LEAKY, PARSERS, SPIKING, Unshaped, parse
from cortexcore.export.nir_io.settle import Edges, settle
from cortexcore.export.nodes import Input, Node, Output, Reset, Subgraph
from cortexcore.export.subgraphs import MAX_DEPTH

MAX_EDGES = 200_000
MAX_VALUES = 2**28
"""Numbers that one node may send in a step."""
MAX_WORK = 2_000_000
"""Steps to write subgraphs out: every node behind one's output meets every node behind the next one's input."""
SUBGRAPH = "NIRGraph"


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
        discretization: "euler" or "exponential" (``--discretization``), for its leaky neurons; without any, both are
            the same, and the graph gets "euler".
        max_bytes: refuse a larger file, or one that unpacks to more.

    Returns:
        the graph; ``metadata["assumed"]`` holds what came from the arguments, and what NIR takes for fields that
        an older file lacks (v_reset 0, w_in 1), if anything did; ``metadata["foreign"]`` what another tool noted
        in the file's own metadata.

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
    kinds = dict(_kinds(tree, place))
    given = {"dt_s": dt_s, "discretization": discretization, "reset": reset}
    options = _options({str(group["type"]) for group in kinds.values()})
    if ours is None and "discretization" not in options:
        given["discretization"] = "euler"
    said: Mapping[str, Any] = given if ours is None else ours
    if ours is None:
        _require(given, options, place)
        noted = foreign_metadata(tree, kinds)
        metadata: object = {"assumed": _assumed(given, options, kinds), "nir_version": version, **noted}
    else:
        metadata = ours.get("metadata")
    if not isinstance(metadata, dict):
        raise GraphError(f"{place} lacks part of its metadata; write it again")
    nodes, edges, problems, resets = _network(tree, "", ours, reset, place)
    if problems:
        raise GraphError(f"{place} cannot be read: " + "; ".join(problems))
    if ours is not None:
        _contradictions(given, ours, resets, place)
    if _work(nodes, edges)[0] > MAX_WORK:
        raise GraphError(
            f"{place} wires its subgraphs to more than can be written out; it is damaged, or write it flat"
        )
    try:
        graph = Graph(nodes, edges, number(said["dt_s"]), said["discretization"], metadata)
    except KeyError as error:
        raise GraphError(f"{place} lacks {error} in its metadata; write it again") from error
    except GraphError as error:
        raise GraphError(f"{place}: {error}") from error
    if large := [f"'{name}' {shape}" for name, shape in graph.shapes.items() if math.prod(shape) > MAX_VALUES]:
        raise GraphError(f"{place} sends more than {MAX_VALUES} numbers a step from {', '.join(large)}; it is damaged")
    return graph


def node_groups(tree: Tree, place: str) -> dict[str, Tree]:
    """Name → the fields of each node."""
    groups = tree.get("nodes")
    kind = tree.get("type")
    if not (isinstance(kind, str) and kind == SUBGRAPH) or not isinstance(groups, Mapping):
        raise GraphError(f"{place} holds no NIRGraph with nodes; write it with nir.write")
    if bad := [
        n for n, group in groups.items() if not (isinstance(group, Mapping) and isinstance(group.get("type"), str))
    ]:
        raise GraphError(f"{place} holds nodes without a type: {', '.join(bad)}; write it with nir.write")
    return dict(groups)


def edges_of(tree: Tree, place: str) -> Edges:
    """(source, destination) pairs in the file's order."""
    edges = tree.get("edges")
    if not isinstance(edges, np.ndarray) or edges.size == 0:
        return ()
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype != object:
        raise GraphError(
            f"{place} holds edges of shape {edges.shape} and type {edges.dtype}, they must be pairs of names"
        )
    if len(edges) > MAX_EDGES:
        raise GraphError(f"{place} holds {len(edges)} edges, more than the limit of {MAX_EDGES}")
    return tuple((str(a), str(b)) for a, b in edges)


def _kinds(tree: Tree, place: str, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tree]]:
    """(name, fields) of every node, those of subgraphs as "<subgraph>.<node>"."""
    if depth > MAX_DEPTH:
        raise GraphError(f"{place} nests subgraphs deeper than {MAX_DEPTH}")
    for name, group in node_groups(tree, place).items():
        yield prefix + name, group
        if group["type"] == SUBGRAPH:
            yield from _kinds(group, f"{place}: the subgraph '{prefix}{name}'", f"{prefix}{name}.", depth + 1)


def _network(
    tree: Tree, prefix: str, ours: object, reset: Reset | None, place: str
) -> tuple[dict[str, Node], Edges, list[str], set[Reset | None]]:
    """Nodes and edges of a graph or subgraph, what is wrong with them, and the resets it says.

    Args:
        tree: its group in the file.
        prefix: what stands before its nodes' names in errors: "" or "<subgraph>.".
        ours: what our metadata says of it; None in another tool's file, whose resets are all ``reset``.
    """
    parsed: dict[str, Node | Unshaped] = {}
    unknown: list[str] = []
    problems: list[str] = []
    resets: set[Reset | None] = set()
    extras = {} if ours is None else within(ours, place)
    for name, group in node_groups(tree, place).items():
        kind, full = str(group["type"]), prefix + name
        extra = extras.get(name, {})
        if kind == SUBGRAPH:
            inner = None if ours is None else extra
            nodes, links, faults, said_within = _network(group, f"{full}.", inner, reset, place)
            parsed[name] = Subgraph(nodes, links)
            problems += faults
            resets |= said_within
        elif kind not in PARSERS:
            unknown.append(f"'{full}' ({kind})")
        else:
            try:
                said = Said(reset) if ours is None else described(extra)
                if kind in SPIKING:
                    resets.add(said.reset)
                    if said.reset is None:
                        problems.append(f"'{full}' says no kind of reset")
                        continue
                parsed[name] = parse(kind, group, said)
            except KeyError as error:
                problems.append(f"'{full}' ({kind}) lacks the field {error}")
            except (GraphError, TypeError, ValueError, OverflowError) as error:
                problems.append(f"'{full}' ({kind}) {error}")
    if unknown:
        problems.append(f"no counterpart for {', '.join(unknown)}; there is one for {', '.join([*PARSERS, SUBGRAPH])}")
    edges = edges_of(tree, place)
    if problems:
        return {}, edges, problems, resets
    nodes, problems = settle(parsed, edges)
    order = ours.get("order") if isinstance(ours, Mapping) else None
    return _in_order(nodes, order), edges, problems, resets


def _options(types: Set[str]) -> dict[str, str]:
    """What a file of such primitives must be given, where it does not say it; without a leak all steps are alike."""
    options = {"dt_s": "the time step (--dt)"}
    if types & LEAKY:
        options["discretization"] = "the discretization (--discretization)"
    if types & {*SPIKING}:
        options["reset"] = "what a spike resets (--reset)"
    return options


def _require(given: Mapping[str, Any], options: Mapping[str, str], place: str) -> None:
    if missing := [text for key, text in options.items() if given[key] is None]:
        raise GraphError(f"{place} does not say {', '.join(missing)}: give what it was trained with")


def _assumed(given: Mapping[str, Any], options: Mapping[str, str], kinds: Mapping[str, Tree]) -> dict[str, Any]:
    """What the file does not say and the caller, or NIR's own defaults, do."""
    assumed = {key: given[key] for key in options}
    for group in kinds.values():
        defaults = DEFAULTS.get(str(group["type"]), {})
        assumed |= {key: value for key, value in defaults.items() if key not in group}
    return assumed


def _contradictions(given: Mapping[str, Any], ours: Mapping[str, Any], resets: set[Reset | None], place: str) -> None:
    options = {"dt_s": "--dt", "discretization": "--discretization"}
    problems = [
        f"{option} is {given[key]}, the file says {ours.get(key)}"
        for key, option in options.items()
        if given[key] is not None and given[key] != ours.get(key)
    ]
    if given["reset"] is not None and resets - {given["reset"]}:
        problems.append(f"--reset is {given['reset']}, the file says {', '.join(sorted(map(str, resets)))}")
    if problems:
        raise GraphError(f"{place} contradicts the options: {'; '.join(problems)}; leave them out")


def _work(nodes: Mapping[str, Node], edges: Edges) -> tuple[int, int, int]:
    """Steps to write the subgraphs of a graph out, and how many edges leave its inputs and reach its outputs then."""
    entries, exits = dict.fromkeys(nodes, 1), dict.fromkeys(nodes, 1)
    steps = subgraphs = passing = 0
    for name, node in nodes.items():
        if isinstance(node, Subgraph):
            inner, entries[name], exits[name] = _work(node.nodes, node.edges)
            steps += inner
            subgraphs += 1
            passing += any(
                isinstance(node.nodes.get(a), Input) and isinstance(node.nodes.get(b), Output) for a, b in node.edges
            )
    known = [(a, b) for a, b in edges if a in nodes and b in nodes]
    steps += sum(exits[a] * entries[b] for a, b in known) + len(known) * (subgraphs + len(known) * passing)
    return (
        steps,
        sum(entries[b] for a, b in known if isinstance(nodes[a], Input)),
        sum(exits[a] for a, b in known if isinstance(nodes[b], Output)),
    )


def _in_order(nodes: dict[str, Node], order: Any) -> dict[str, Node]:
    """Nodes in the order they were written in: HDF5 keeps them by name, and ties in the computing order fall to it.

    Nodes that another tool added since come last.
    """
    if not isinstance(order, list):
        return nodes
    place = {str(name): i for i, name in enumerate(order)}
    return {name: nodes[name] for name in sorted(nodes, key=lambda name: place.get(name, len(place)))}
