"""Unstructured pruning: the smallest weights become zero."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Layer, Node
from cortexcore.export.prune.report import Pruned, PruneReport, PruneRow, check_share

Scope = Literal["layer", "global"]


def prune_weights(graph: Graph, share: float, scope: Scope = "layer") -> Pruned:
    """Set the smallest ``share`` of the weights to zero; biases stay.

    Args:
        graph: a float graph; subgraphs are written out.
        share: above 0 and below 1; weights that are zero already count.
        scope: the smallest of each layer ("layer"), or of the whole graph ("global"). Of equal weights the first go.

    Raises:
        GraphError: the share or the scope is impossible, there are no weights, or a layer would lose all of its own.
    """
    check_share(share)
    if scope not in ("layer", "global"):
        raise GraphError(f"the scope of pruning is '{scope}', use 'layer' or 'global'")
    graph = graph.flat
    weights = {name: node.weight for name, node in graph.nodes.items() if isinstance(node, Layer)}
    if not weights:
        raise GraphError("there are no weights to prune in this graph")
    groups = [[name] for name in weights] if scope == "layer" else [list(weights)]
    kept = {name: np.ones(weight.size, bool) for name, weight in weights.items()}
    for group in groups:
        sizes = np.concatenate([np.abs(weights[name]).reshape(-1) for name in group])
        stays = np.ones(len(sizes), bool)
        stays[np.argsort(sizes, kind="stable")[: int(share * len(sizes))]] = False
        starts = np.cumsum([weights[name].size for name in group])[:-1]
        kept |= dict(zip(group, np.split(stays, starts), strict=True))
    pruned = {name: np.where(kept[name].reshape(w.shape), w, 0.0) for name, w in weights.items()}
    if emptied := [name for name, w in weights.items() if np.any(w) and not np.any(pruned[name])]:
        raise GraphError(f"pruning {share:g} of the weights leaves none in {', '.join(emptied)}: prune a smaller share")
    nodes: dict[str, Node] = {
        name: replace(node, weight=pruned[name]) if isinstance(node, Layer) else node
        for name, node in graph.nodes.items()
    }
    counts = {name: (np.count_nonzero(w), np.count_nonzero(pruned[name])) for name, w in weights.items()}
    report = PruneReport(
        "weights",
        share,
        tuple(PruneRow(name, before, after) for name, (before, after) in counts.items()),
        sum(before for before, _ in counts.values()),
        sum(after for _, after in counts.values()),
    )
    return Pruned(replace(graph, nodes=nodes), report)
