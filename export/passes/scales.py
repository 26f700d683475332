"""Fold constant factors into the linear node beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Affine, Conv1d, Flatten, Float, Linear, Node, Scale
from cortexcore.export.passes.rewrite import Draft


def scales_past_flattens(graph: Graph) -> Graph:
    """Scale → Flatten becomes Flatten → Scale, so that a scale meets the layer that takes it up.

    Expects every scale and flatten to have one source and one destination (``split_shared``).
    """
    draft = Draft.of(graph)
    moved = True
    while moved:
        moved = False
        for name, node in list(draft.nodes.items()):
            after = draft.destinations(name)[0] if isinstance(node, Scale) else ""
            flatten = draft.nodes.get(after)
            if isinstance(node, Scale) and isinstance(flatten, Flatten):
                scale = node.scale.reshape(-1) if node.scale.ndim else node.scale
                draft.nodes[name], draft.nodes[after] = flatten, Scale(scale)
                moved = True
    return draft.done()


def fold_scales(graph: Graph) -> Graph:
    """Fold every scale into the next linear node, or into the one before it, or into the next scale.

    Expects every scale to have one source and one destination, and no flatten after it.

    Raises:
        GraphError: scales that differ along a convolution's length, which no kernel can take up; all of them.
    """
    draft = Draft.of(graph)
    problems: list[str] = []
    for name in [n for n, node in graph.nodes.items() if isinstance(node, Scale)]:
        node = draft.nodes[name]
        (source,), (destination,) = draft.sources(name), draft.destinations(name)
        before, after = draft.nodes[source], draft.nodes[destination]
        if not isinstance(node, Scale):
            raise TypeError(f"'{name}' changed its kind while scales were folded")
        if isinstance(after, Linear | Affine | Conv1d | Scale):
            taker, taken = destination, _scaled_input(after, node.scale)
        elif isinstance(before, Linear | Affine | Conv1d):
            taker, taken = source, _scaled_output(before, node.scale)
        else:
            continue
        if taken is None:
            problems.append(f"'{name}' scales a convolution's positions differently (use one factor per channel)")
        else:
            draft.nodes[taker] = taken
            draft.bypass(name)
    if problems:
        raise GraphError("cannot fold constant factors: " + "; ".join(problems))
    return draft.done()


def _scaled_input(node: Linear | Affine | Conv1d | Scale, scale: Float) -> Node | None:
    """``node`` of s·x as one node of x; None where it cannot be."""
    match node:
        case Scale(scale=own):
            return Scale(np.asarray(own * scale))
        case Linear(weight=weight) | Affine(weight=weight):
            return replace(node, weight=weight * scale)
        case Conv1d(weight=weight):
            factors = _per_channel(scale, weight.shape[1] * node.groups)
            if factors is None:
                return None
            out = weight.shape[0]
            rows = np.repeat(factors.reshape(node.groups, 1, -1), out // node.groups, axis=1).reshape(out, -1, 1)
            return replace(node, weight=weight * rows)
    raise TypeError(f"no scale folds into {type(node).__name__}")


def _scaled_output(node: Linear | Affine | Conv1d, scale: Float) -> Node | None:
    """s·``node``(x) as one node of x; None where it cannot be."""
    match node:
        case Linear(weight=weight):
            return Linear(weight * scale[..., None])
        case Affine(weight=weight, bias=bias):
            return Affine(weight * scale[..., None], bias * scale)
        case Conv1d(weight=weight, bias=bias):
            factors = _per_channel(scale, len(weight))
            return (
                None if factors is None else replace(node, weight=weight * factors[:, None, None], bias=bias * factors)
            )
    raise TypeError(f"no scale folds into {type(node).__name__}")


def _per_channel(scale: Float, channels: int) -> Float | None:
    """One factor per channel, or None where a channel's positions differ."""
    if scale.ndim == 0:
        return np.full(channels, float(scale))
    return scale[:, 0] if bool(np.all(scale == scale[:, :1])) else None
