"""What flows along a graph's edges: the shape every node sends, and everything that does not fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cortexcore.export.nodes import (
    IF,
    LIF,
    RESETS,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Convolution,
    CubaLIF,
    Delay,
    Flatten,
    Float,
    Input,
    Layer,
    Linear,
    Neuron,
    Node,
    Output,
    Pool,
    Scale,
    Subgraph,
    SumPool2d,
)

Shape = tuple[int, ...]


def infer_shapes(nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...]) -> tuple[dict[str, Shape], list[str]]:
    """The shape that each node sends, without time and batch, and a sentence for everything that does not fit.

    Inputs and neurons know their shape, all else follows from its sources; a loop without a neuron has none.

    Args:
        nodes: name → node, subgraphs written out.
        edges: (source, destination) pairs between existing nodes.

    Returns:
        name → shape for every node whose shape could be told, and the problems, empty in a sound graph; a layer
        that is broken in itself ends the search.
    """
    found = {name: _parameter_problems(node) for name, node in nodes.items()}
    problems = [f"'{name}' {problem}" for name, texts in found.items() for problem in texts]
    if any(texts and isinstance(nodes[name], Layer | Pool | Flatten) for name, texts in found.items()):
        return {}, problems
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    readers: dict[str, list[str]] = {name: [] for name in nodes}
    for source, destination in edges:
        sources[destination].append(source)
        readers[source].append(destination)
    shapes = {name: node.shape for name, node in nodes.items() if isinstance(node, Input | Neuron)}
    waiting = {name: len(sources[name]) for name in nodes if name not in shapes}
    ready = [name for name, count in waiting.items() if not count] + list(shapes)
    for name in ready:
        if name in waiting:
            shapes[name] = sent_shape(nodes[name], shapes[sources[name][0]] if sources[name] else ())
        for reader in readers[name]:
            if reader in waiting:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
    problems += [f"'{name}' stands in a loop that holds no neuron" for name in waiting if name not in shapes]
    problems += [f"output '{a}' feeds '{b}', an output feeds nothing" for a, b in edges if isinstance(nodes[a], Output)]
    for name, node in nodes.items():
        if isinstance(node, Input):
            problems += [f"input '{name}' is fed by '{source}'" for source in sources[name]]
            continue
        if not sources[name]:
            problems.append(f"'{name}' is fed by nothing")
        arriving = [source for source in sources[name] if source in shapes]
        misfits = [
            f"'{name}' {fault}, but '{source}' sends {shapes[source]}"
            for source in arriving
            if (fault := _misfit(node, shapes[source]))
        ]
        different = {shapes[source] for source in arriving}
        if not misfits and len(different) > 1:
            misfits = [f"'{name}' adds up signals of different shapes {sorted(different)}"]
        problems += misfits
    return shapes, problems


def sent_shape(node: Node, incoming: Shape) -> Shape:
    """The shape ``node`` sends when it receives ``incoming``."""
    match node:
        case Input() | Output():
            return node.shape
        case Linear(weight=weight) | Affine(weight=weight):
            return (weight.shape[0],)
        case Conv1d() | Conv2d():
            return (node.weight.shape[0], *node.output_size)
        case SumPool2d() | AvgPool2d():
            return (*incoming[:-2], *node.window.positions(incoming[-2:])) if len(incoming) == 3 else incoming
        case Flatten(input_shape=shape):
            start, end = flattened_axes(node)
            return (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
        case Scale() | Delay():
            return incoming
        case Subgraph():
            raise TypeError("a subgraph has no shape of its own; write it out first")
    return node.shape


def flattened_axes(node: Flatten) -> tuple[int, int]:
    """First and last axis that a Flatten joins, counted from 0."""
    axes = len(node.input_shape)
    return node.start % axes, node.end % axes


def _misfit(node: Node, incoming: Shape) -> str:
    """What ``node`` takes, where ``incoming`` is something else; empty where it fits."""
    match node:
        case Flatten(input_shape=wanted):
            pass
        case Linear(weight=weight) | Affine(weight=weight):
            wanted = (weight.shape[-1],)
        case Conv1d() | Conv2d():
            wanted = (node.weight.shape[1] * node.groups, *node.input_size)
        case SumPool2d() | AvgPool2d():
            if len(incoming) != 3:
                return "takes [channels, height, width]"
            if min(node.window.positions(incoming[1:])) < 1:
                return f"has a window of {node.kernel}, larger than its padded input"
            return ""
        case Scale(scale=values) | Delay(delay=values):
            wanted = values.shape or incoming
        case Input() | Subgraph():
            raise TypeError(f"no shape rule for {type(node).__name__}")
        case _:
            wanted = node.shape
    return "" if incoming == wanted else f"takes {wanted}"


def _parameter_problems(node: Node) -> list[str]:
    """What is wrong within one node."""
    arrays = {name: value for name, value in vars(node).items() if isinstance(value, np.ndarray)}
    problems = [f"holds values in {name} that are not finite" for name, a in arrays.items() if not np.isfinite(a).all()]
    if isinstance(node, Input | Output | Neuron) and (not node.shape or min(node.shape) < 1):
        problems.append(f"has the shape {node.shape}, it needs at least one axis and no empty one")
    if isinstance(node, Neuron):
        return problems + _neuron_problems(node, arrays)
    match node:
        case Linear(weight=weight) | Affine(weight=weight) if weight.ndim != 2:
            problems.append(f"has a weight of shape {weight.shape}, it must be [out, in]")
        case Linear(weight=weight) | Affine(weight=weight) if 0 in weight.shape:
            problems.append(f"has an empty weight of shape {weight.shape}")
        case Affine(weight=weight, bias=bias) if bias.shape != weight.shape[:1]:
            problems.append(f"has a bias of shape {bias.shape}, it must be [{weight.shape[0]}]")
        case Conv1d() | Conv2d():
            problems += _conv_problems(node)
        case SumPool2d() | AvgPool2d():
            if any(len(pair) != 2 for pair in (node.kernel, node.stride, node.padding)):
                problems.append("needs kernel, stride and padding as (height, width)")
            elif min(*node.kernel, *node.stride) < 1 or min(node.padding) < 0:
                problems.append("needs a kernel and stride of at least 1 and a padding of at least 0")
        case Flatten(input_shape=shape):
            axes = len(shape)
            if not axes or not (-axes <= node.start < axes and -axes <= node.end < axes):
                problems.append(f"flattens the axes {node.start} to {node.end} of {shape}, which has none such")
            elif flattened_axes(node)[0] > flattened_axes(node)[1]:
                problems.append(f"flattens the axes {node.start} to {node.end}, the first of which comes last")
        case _:
            pass
    return problems


def _neuron_problems(node: Neuron, arrays: Mapping[str, Float]) -> list[str]:
    problems = [
        f"has {name} of shape {a.shape}, it must be a scalar or {node.shape}"
        for name, a in arrays.items()
        if a.shape not in ((), node.shape)
    ]
    problems += [
        f"has {name} of {a.min()}, a time constant must be above 0 s"
        for name, a in arrays.items()
        if name.startswith("tau") and a.size and a.min() <= 0
    ]
    if not isinstance(node, LIF | CubaLIF | IF):
        return problems
    if node.reset not in RESETS:
        problems.append(f"has the reset '{node.reset}', use one of {', '.join(RESETS)}")
    if node.v_threshold.size and node.v_threshold.min() <= 0:
        problems.append(f"has a threshold of {node.v_threshold.min():g}, it must be above 0")
    if node.reset != "zero" and np.any(node.v_reset != 0):
        problems.append(f"has a v_reset, which the reset '{node.reset}' does not use (use reset 'zero', or v_reset 0)")
    return problems


def _conv_problems(node: Convolution) -> list[str]:
    axes = 1 if isinstance(node, Conv1d) else 2
    if node.weight.ndim != 2 + axes:
        kernel = "kernel" if axes == 1 else "height, width"
        return [f"has a weight of shape {node.weight.shape}, it must be [out, in/groups, {kernel}]"]
    window = node.window
    if any(len(each) != axes for each in (window.stride, window.padding, window.dilation, node.input_size)):
        return ["needs input_size, stride, padding and dilation as (height, width)"]
    if min(*window.stride, *window.dilation, node.groups) < 1 or min(window.padding) < 0:
        return ["needs stride, dilation and groups of at least 1 and a padding of at least 0"]
    if 0 in node.weight.shape:
        return [f"has an empty weight of shape {node.weight.shape}"]
    problems = []
    if node.weight.shape[0] % node.groups:
        problems.append(f"has {node.weight.shape[0]} output channels, which {node.groups} groups do not divide")
    if node.bias.shape != node.weight.shape[:1]:
        problems.append(f"has a bias of shape {node.bias.shape}, it must be [{node.weight.shape[0]}]")
    if min(node.output_size) < 1:
        size = node.input_size if axes == 2 else node.input_size[0]
        problems.append(f"has a kernel that reaches further than its padded input of {size}")
    return problems
