"""What cannot become a float model: values that float32 does not hold, endless delays, and more than a file holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cortexcore.export.dynamics import delay_steps, dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Delay, Float, Neuron, Node
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.onnx.config import Precision

MAX_WAITING = 2**28
"""Values that may stand in one delay; a step of the step form copies them all."""
MAX_PARAMETERS_BYTES = 2**31 - 2**24
"""A protocol buffer ends at 2 GiB, which ONNX models are; the difference is for what they hold beside parameters."""


def check(graph: Graph, dtype: Precision = "float32") -> CheckReport:
    """Every node of which no model in this precision can be made, with reason and remedy."""
    flat = graph.flat
    problems: list[Problem] = []
    for name, node in flat.nodes.items():
        if dtype == "float32":
            problems += _beyond_float32(flat, name, node)
        if isinstance(node, Delay):
            problems += _endless(flat, name, node)
    sizes = {name: sum(values.size for values in _parameters(node)) for name, node in flat.nodes.items()}
    total = sum(sizes.values()) * np.dtype(dtype).itemsize
    if total > MAX_PARAMETERS_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        remedy = "split the graph" if dtype == "float32" else "split the graph, or use float32"
        reason = f"the graph's parameters, most of them here, take {total} bytes, above {MAX_PARAMETERS_BYTES}"
        problems.append(Problem(largest, reason, remedy))
    return CheckReport("onnx", tuple(problems))


def _beyond_float32(graph: Graph, name: str, node: Node) -> Iterator[Problem]:
    """Values that become infinite in float32, and thresholds that become 0."""
    largest = max((float(np.abs(values).max(initial=0)) for values in _held(graph, node)), default=0.0)
    if largest > np.finfo(np.float32).max:
        yield Problem(name, f"needs a value of {largest:g}, beyond float32", "scale it down, or use float64")
    threshold = dynamics(node, graph.dt_s, graph.discretization).threshold if isinstance(node, Neuron) else None
    if threshold is not None and np.any((threshold != 0) & (threshold.astype(np.float32) == 0)):
        least = float(np.abs(threshold[threshold != 0]).min())
        yield Problem(name, f"has a threshold of {least:g}, which is 0 in float32", "scale it up, or use float64")


def _held(graph: Graph, node: Node) -> list[Float]:
    """The numbers that a model of ``node`` holds."""
    if isinstance(node, Neuron):
        factors = dynamics(node, graph.dt_s, graph.discretization)
        return [np.asarray(values) for values in vars(factors).values() if isinstance(values, np.ndarray | np.floating)]
    return [] if isinstance(node, Delay) else _parameters(node)


def _parameters(node: Node) -> list[Float]:
    return [np.asarray(values) for values in vars(node).values() if isinstance(values, np.ndarray | np.floating)]


def _endless(graph: Graph, name: str, node: Delay) -> Iterator[Problem]:
    steps = delay_steps(node, graph.dt_s)
    waiting = int(steps.max()) * int(np.prod(graph.shapes[name]))
    if waiting > MAX_WAITING:
        yield Problem(
            name, f"{waiting} values would wait in its longest delay, above {MAX_WAITING}", "shorten the delay"
        )
