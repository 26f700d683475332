"""What flows along a graph's edges: the shape every node sends, and everything that does not fit together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cortexcore.export.nodes import (
    LI,
    LIF,
    RESETS,
    Affine,
    Conv1d,
    CubaLIF,
    Flatten,
    Float,
    Input,
    Linear,
    Node,
    Output,
    Scale,
)

Shape = tuple[int, ...]


def infer_shapes(nodes: Mapping[str, Node], edges: tuple[tuple[str, str], ...]) -> tuple[dict[str, Shape], list[str]]:
    """The shape that each node sends, without time and batch, and a sentence for everything that does not fit.

    Inputs and neurons know their shape, all else follows from its sources; a loop without a neuron has none.

    Args:
        nodes: name → node.
        edges: (source, destination) pairs between existing nodes.

    Returns:
        name → shape for every node whose shape could be told, and the problems, empty in a sound graph; a layer
        that is broken in itself ends the search.
    """
    found = {name: _parameter_problems(node) for name, node in nodes.items()}
    problems = [f"'{name}' {problem}" for name, texts in found.items() for problem in texts]
    if any(texts and isinstance(nodes[name], Linear | Affine | Conv1d) for name, texts in found.items()):
        return {}, problems
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for source, destination in edges:
        sources[destination].append(source)
    shapes = {name: node.shape for name, node in nodes.items() if isinstance(node, Input | LIF | CubaLIF | LI)}
    waiting = [name for name in nodes if name not in shapes]
    while ready := [name for name in waiting if all(source in shapes for source in sources[name])]:
        for name in ready:
            incoming = shapes[sources[name][0]] if sources[name] else ()
            shapes[name] = sent_shape(nodes[name], incoming)
        waiting = [name for name in waiting if name not in shapes]
    problems += [f"'{name}' stands in a loop that holds no neuron" for name in waiting]
    problems += [f"output '{a}' feeds '{b}', an output feeds nothing" for a, b in edges if isinstance(nodes[a], Output)]
    for name, node in nodes.items():
        if isinstance(node, Input):
            problems += [f"input '{name}' is fed by '{source}'" for source in sources[name]]
            continue
        if not sources[name]:
            problems.append(f"'{name}' is fed by nothing")
        for source in sources[name]:
            if source in shapes and (fault := _misfit(node, shapes[source])):
                problems.append(f"'{name}' {fault}, but '{source}' sends {shapes[source]}")
        first = {shapes[source] for source in sources[name] if source in shapes}
        if isinstance(node, Scale) and len(first) > 1:
            problems.append(f"'{name}' adds up signals of different shapes {sorted(first)}")
    return shapes, problems


def sent_shape(node: Node, incoming: Shape) -> Shape:
    """The shape ``node`` sends when it receives ``incoming``."""
    match node:
        case Input(shape=shape) | Output(shape=shape) | LIF(shape=shape) | CubaLIF(shape=shape) | LI(shape=shape):
            return shape
        case Linear(weight=weight) | Affine(weight=weight):
            return (weight.shape[0],)
        case Conv1d():
            return (node.weight.shape[0], node.output_length)
        case Flatten(input_shape=shape):
            return (int(np.prod(shape)),)
        case Scale():
            return incoming
    raise TypeError(f"no shape rule for {type(node).__name__}")


def _misfit(node: Node, incoming: Shape) -> str:
    """What ``node`` takes, where ``incoming`` is something else; empty where it fits."""
    match node:
        case Output(shape=wanted) | LIF(shape=wanted) | CubaLIF(shape=wanted) | LI(shape=wanted):
            pass
        case Flatten(input_shape=wanted):
            pass
        case Linear(weight=weight) | Affine(weight=weight):
            wanted = (weight.shape[-1],)
        case Conv1d():
            wanted = (node.weight.shape[1] * node.groups, node.input_length)
        case Scale(scale=scale):
            wanted = scale.shape or incoming
        case _:
            raise TypeError(f"no shape rule for {type(node).__name__}")
    return "" if incoming == wanted else f"takes {wanted}"


def _parameter_problems(node: Node) -> list[str]:
    """What is wrong within one node."""
    arrays = {name: value for name, value in vars(node).items() if isinstance(value, np.ndarray)}
    problems = [f"holds values in {name} that are not finite" for name, a in arrays.items() if not np.isfinite(a).all()]
    if isinstance(node, Input | Output | LIF | CubaLIF | LI) and (not node.shape or min(node.shape) < 1):
        problems.append(f"has the shape {node.shape}, it needs at least one axis and no empty one")
    match node:
        case LIF() | CubaLIF() | LI():
            problems += _neuron_problems(node, arrays)
        case Linear(weight=weight) | Affine(weight=weight) if weight.ndim != 2:
            problems.append(f"has a weight of shape {weight.shape}, it must be [out, in]")
        case Affine(weight=weight, bias=bias) if bias.shape != weight.shape[:1]:
            problems.append(f"has a bias of shape {bias.shape}, it must be [{weight.shape[0]}]")
        case Conv1d():
            problems += _conv_problems(node)
        case _:
            pass
    return problems


def _neuron_problems(node: LIF | CubaLIF | LI, arrays: Mapping[str, Float]) -> list[str]:
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
    if not isinstance(node, LI) and node.reset not in RESETS:
        problems.append(f"has the reset '{node.reset}', use one of {', '.join(RESETS)}")
    return problems


def _conv_problems(node: Conv1d) -> list[str]:
    if node.weight.ndim != 3:
        return [f"has a weight of shape {node.weight.shape}, it must be [out, in/groups, kernel]"]
    if node.stride < 1 or node.dilation < 1 or node.groups < 1 or node.padding < 0:
        return ["needs stride, dilation and groups of at least 1 and a padding of at least 0"]
    problems = []
    if node.weight.shape[0] % node.groups:
        problems.append(f"has {node.weight.shape[0]} output channels, which {node.groups} groups do not divide")
    if node.bias.shape != node.weight.shape[:1]:
        problems.append(f"has a bias of shape {node.bias.shape}, it must be [{node.weight.shape[0]}]")
    if node.output_length < 1:
        problems.append(f"has a kernel that reaches further than its padded input of {node.input_length}")
    return problems
