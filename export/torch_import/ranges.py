"""Whether a membrane can pass twice its threshold, from what its inputs can be at most.

snnTorch's "subtract" without delay subtracts once more where the membrane is still above its threshold after a spike.
It never is, if v ≤ 2·θ before every reset; as v ≤ θ after one, that holds where β·θ + i ≤ 2·θ for the largest
current i. Spikes lie in [0, 1] and inputs in the graph's ``metadata["input_ranges"]``; everything else follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.dynamics import dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.layers import linear
from cortexcore.export.nodes import (
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Delay,
    Flatten,
    Float,
    Input,
    Linear,
    Neuron,
    Output,
    Readout,
    Scale,
    SumPool2d,
)

MARGIN = 1e-6
"""Share of the threshold by which the bound must hold, so that no rounding of sums can break it."""


def unproven(graph: Graph, names: list[str]) -> list[str]:
    """A sentence for each of the neurons ``names`` whose membrane may pass twice its threshold."""
    if not names:
        return []
    known: dict[str, tuple[Float, Float]] = {}
    problems = []
    for name in names:
        node = graph.nodes[name]
        if not isinstance(node, Neuron):
            raise TypeError(f"{type(node).__name__} is no neuron")
        step = dynamics(node, graph.dt_s, graph.discretization)
        threshold = np.asarray(step.threshold)
        highest = _arriving(graph, name, known)[1]
        if step.alpha is not None:
            alpha, gain = step.alpha, np.asarray(step.input_gain)
            highest = np.maximum(highest, 0.0) * gain / (1.0 - alpha)
        if not np.all(step.beta * threshold + step.gain * highest <= threshold * (2.0 - MARGIN)):
            problems.append(
                f"'{name}' subtracts its threshold at once, and snnTorch does so twice where the membrane is still "
                "above it, which it can be here (use reset_delay=True or reset_mechanism='zero', smaller weights, or, "
                "where an input drives it, metadata={'input_ranges': {input: (low, high)}})"
            )
    return problems


def _arriving(graph: Graph, name: str, known: dict[str, tuple[Float, Float]]) -> tuple[Float, Float]:
    """Lowest and highest sum of what reaches ``name``."""
    parts = [_sent(graph, source, known) for source in graph.sources(name)]
    return np.asarray(sum(low for low, _ in parts)), np.asarray(sum(high for _, high in parts))


def _sent(graph: Graph, name: str, known: dict[str, tuple[Float, Float]]) -> tuple[Float, Float]:
    """Lowest and highest value that ``name`` sends, [*shape] each."""
    if name not in known:
        known[name] = _bounds(graph, name, known)
    return known[name]


def _bounds(graph: Graph, name: str, known: dict[str, tuple[Float, Float]]) -> tuple[Float, Float]:
    node, shape = graph.nodes[name], graph.shapes[name]
    match node:
        case Input():
            return _given(graph.metadata, name, shape)
        case Linear() | Affine() | Conv1d() | Conv2d() | SumPool2d() | AvgPool2d() | Flatten() | Scale():
            low, high = _arriving(graph, name, known)
            return _linear(node, low, high)
        case Delay():
            low, high = _arriving(graph, name, known)
            return np.minimum(low, 0.0), np.maximum(high, 0.0)
        case Output():
            raise TypeError(f"output '{name}' sends nothing")
    if isinstance(node, Readout):
        return np.full(shape, -np.inf), np.full(shape, np.inf)
    return np.zeros(shape), np.ones(shape)


def _given(metadata: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> tuple[Float, Float]:
    """An input's range from the metadata; unbounded where it is not given."""
    ranges = metadata.get("input_ranges", {})
    if not isinstance(ranges, Mapping):
        raise GraphError(f"metadata['input_ranges'] is {ranges!r}, it must be {{input: (low, high)}}")
    if name in ranges:
        try:
            low, high = (float(each) for each in ranges[name])
        except (TypeError, ValueError):
            low = high = math.nan
        if not low <= high:
            raise GraphError(
                f"metadata['input_ranges']['{name}'] is {ranges[name]!r}, it must be two numbers, (low, high)"
            )
        return np.full(shape, low), np.full(shape, high)
    return np.full(shape, -np.inf), np.full(shape, np.inf)


def _linear(node: Any, low: Float, high: Float) -> tuple[Float, Float]:
    """What a layer makes of a box: positive weights take its top to the top, negative ones its bottom."""
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        size = linear(node, np.zeros((1, *low.shape)))[0].shape
        return np.full(size, -np.inf), np.full(size, np.inf)
    centre, radius = (high + low) / 2, (high - low) / 2
    middle = linear(node, centre[None])[0]
    reach = linear(_absolute(node), radius[None])[0]
    return middle - reach, middle + reach


def _absolute(node: Any) -> Any:
    """A layer with the magnitudes of its weights, and without a bias."""
    match node:
        case Linear(weight=weight) | Affine(weight=weight):
            return Linear(np.abs(weight))
        case Conv1d():
            zero = np.zeros_like(node.bias)
            return Conv1d(
                np.abs(node.weight), zero, node.input_length, node.stride, node.padding, node.dilation, node.groups
            )
        case Conv2d():
            zero = np.zeros_like(node.bias)
            return Conv2d(
                np.abs(node.weight), zero, node.input_size, node.stride, node.padding, node.dilation, node.groups
            )
        case Scale(scale=scale):
            return Scale(np.abs(scale))
    return node
