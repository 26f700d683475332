"""Networks within networks written out: every subgraph's nodes under "<subgraph>.<node>", its rim gone."""

from __future__ import annotations

from collections.abc import Mapping

from cortexcore.export.nodes import Input, Node, Output, Subgraph

Edges = tuple[tuple[str, str], ...]
MAX_DEPTH = 16
"""Subgraphs nested deeper than this are a mistake, or an attack."""


def inline(nodes: Mapping[str, Node], edges: Edges, depth: int = 0) -> tuple[dict[str, Node], Edges, list[str]]:
    """``nodes`` and ``edges`` without subgraphs, and a sentence for every subgraph that cannot be written out.

    What fed a subgraph feeds what its input fed; what fed its output feeds what the subgraph fed.
    """
    flat: dict[str, Node] = {}
    problems: list[str] = []
    entries: dict[str, list[str]] = {}
    exits: dict[str, list[str]] = {}
    inner_edges: list[tuple[str, str]] = []
    through: set[str] = set()
    twice: list[str] = []
    for name, node in nodes.items():
        if not isinstance(node, Subgraph):
            flat[name] = node
            continue
        fault = f"nests subgraphs deeper than {MAX_DEPTH}" if depth >= MAX_DEPTH else _fault(node)
        if fault:
            problems.append(f"'{name}' {fault}")
            continue
        inner, links, faults = inline(node.nodes, node.edges, depth + 1)
        problems += [f"within '{name}': {fault}" for fault in faults]
        (entry,) = (n for n, each in inner.items() if isinstance(each, Input))
        (exit_,) = (n for n, each in inner.items() if isinstance(each, Output))
        own = {f"{name}.{n}": each for n, each in inner.items() if n not in (entry, exit_)}
        twice += [n for n in own if n in flat or n in nodes]
        flat |= own
        entries[name] = [f"{name}.{b}" for a, b in links if a == entry and b != exit_]
        exits[name] = [f"{name}.{a}" for a, b in links if b == exit_ and a != entry]
        inner_edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in links if entry != a and exit_ != b]
        if (entry, exit_) in links:
            through.add(name)
    twice += [n for n in entries if n in flat]
    problems += [f"two nodes are named '{n}' once subgraphs are written out" for n in dict.fromkeys(twice)]
    problems += [
        f"'{name}' stands in a loop that holds no neuron"
        for name in nodes
        if name in through and _returns(name, edges, through)
    ]
    joined = [(source, sink) for source, first in edges for sink in _reached(first, edges, through)]
    written = [
        (a, b) for source, sink in joined for a in exits.get(source, [source]) for b in entries.get(sink, [sink])
    ]
    return flat, tuple(dict.fromkeys(written + inner_edges)), problems


def _reached(first: str, edges: Edges, through: set[str]) -> list[str]:
    """``first``, and whatever lies behind it where it is a subgraph that also passes its input on unchanged."""
    found = [first]
    for name in found:
        if name in through:
            found += [far for near, far in edges if near == name and far not in found]
    return found


def _returns(name: str, edges: Edges, through: set[str]) -> bool:
    """Whether what ``name`` passes on comes back to it through nothing but subgraphs that do the same."""
    found: set[str] = set()
    stack = [name]
    while stack:
        near = stack.pop()
        new = {b for a, b in edges if a == near and b in through} - found
        found |= new
        stack += new
    return name in found


def _fault(node: Subgraph) -> str:
    """Why a subgraph cannot be written out; empty where it can."""
    for kind in (Input, Output):
        count = sum(isinstance(each, kind) for each in node.nodes.values())
        if count != 1:
            return f"is a subgraph with {count} {kind.__name__} nodes, it needs one"
    if missing := [edge for edge in node.edges if not set(edge) <= node.nodes.keys()]:
        return f"is a subgraph whose edge {missing[0][0]} → {missing[0][1]} names a missing node"
    return ""


def rim_problems(nodes: Mapping[str, Node], edges: Edges, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Subgraphs whose Input or Output declares another shape than what passes it; ``shapes`` by written-out name."""
    problems: list[str] = []
    for name, node in nodes.items():
        if not isinstance(node, Subgraph):
            continue
        for inner, each in node.nodes.items():
            if isinstance(each, Output):
                rim = {n: entry.shape for n, entry in node.nodes.items() if isinstance(entry, Input)}
                feeds = [a for a, b in node.edges if b == inner]
                arriving = {rim.get(a) or shapes.get(f"{name}.{a}", each.shape) for a in feeds}
            elif isinstance(each, Input):
                arriving = {shapes.get(a, each.shape) for a, b in edges if b == name}
            else:
                continue
            problems += [
                f"'{name}.{inner}' takes {each.shape}, but {found} arrives" for found in arriving - {each.shape}
            ]
    return problems
