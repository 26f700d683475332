"""The float reference: a graph's own equations in NumPy float64, against which torch and quantization are measured.

Whatever does not stand in a loop is computed for all steps and inferences at once, loops step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, GraphError
from cortexcore.export.flow import is_neuron, neuron_order, read_by
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Float, Input, Linear, Output, Scale

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FloatTrace:
    """Everything a run of the float reference produced.

    Attributes:
        outputs: output name → float64 [T, B, *shape]: spikes 0/1, or v of an LI.
        spikes: spiking neuron → uint8 [T, B, *shape].
        v: neuron → float64 [T, B, *shape], after the reset.
        u: CubaLIF → float64 [T, B, *shape].
        current_peak: neuron → the largest |(1 − β)·r·i|, what a step's current adds to v.
        v_peak: neuron → the largest |v| before its reset.
    """

    outputs: Mapping[str, Float]
    spikes: Mapping[str, NDArray[np.uint8]]
    v: Mapping[str, Float]
    u: Mapping[str, Float]
    current_peak: Mapping[str, float]
    v_peak: Mapping[str, float]


def run(graph: Graph, inputs: Mapping[str, Array]) -> FloatTrace:
    """Run a float graph from rest (v = u = 0).

    Args:
        graph: the graph.
        inputs: input name → numbers [T, B, *shape].

    Returns:
        the full trace.

    Raises:
        DataError: an input is missing, misshapen or not finite.
    """
    sent = check_inputs(graph, inputs)
    states: dict[str, _State] = {}
    order = neuron_order(graph)
    for group in _groups(graph, order):
        _run_group(graph, group, order, sent, states)
    outputs = {name: _arriving(graph, name, lambda source: sent[source]) for name in graph.outputs}
    return FloatTrace(
        outputs=outputs,
        spikes={n: sent[n].astype(np.uint8) for n in states if not isinstance(graph.nodes[n], LI)},
        v={n: state.v for n, state in states.items()},
        u={n: state.u for n, state in states.items() if isinstance(graph.nodes[n], CubaLIF)},
        current_peak={n: state.current_peak for n, state in states.items()},
        v_peak={n: state.v_peak for n, state in states.items()},
    )


def check_inputs(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Float]:
    """The inputs as float64, or a DataError that names what does not fit."""
    if set(inputs) != set(graph.inputs):
        raise DataError(f"the graph's inputs are {sorted(graph.inputs)}, got {sorted(inputs)}")
    checked: dict[str, Float] = {}
    for name, node in graph.inputs.items():
        try:
            values = np.asarray(inputs[name]).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"input '{name}' does not hold numbers") from error
        if values.ndim != len(node.shape) + 2 or values.shape[2:] != node.shape or not values.size:
            raise DataError(
                f"input '{name}' has shape {values.shape}, it must be [T, B, *{node.shape}] "
                "(at least one step and inference, then the input's own shape)"
            )
        if not np.isfinite(values).all():
            raise DataError(f"input '{name}' holds values that are not finite")
        checked[name] = values
    if len({values.shape[:2] for values in checked.values()}) > 1:
        shapes = ", ".join(f"'{n}' {v.shape[:2]}" for n, v in checked.items())
        raise DataError(f"all inputs must have the same steps and batch, got {shapes}")
    return checked


def decay(tau: Float, graph: Graph) -> Float:
    """β, the share of a state that is left after one step, from its time constant in seconds.

    Raises:
        GraphError: Euler with dt > tau, where the state would change its sign at each step.
    """
    if graph.discretization == "exponential":
        return np.asarray(np.exp(-graph.dt_s / tau))
    beta = np.asarray(1.0 - graph.dt_s / tau)
    if beta.min() < 0:
        raise GraphError(
            f"a time constant of {float(np.min(tau))} s is shorter than the step of {graph.dt_s} s, "
            "which Euler cannot follow: use a shorter step or the exponential discretization"
        )
    return beta


def linear(node: Linear | Affine | Conv1d | Flatten | Scale, x: Float) -> Float:
    """One node without state: ``x`` [N, *in] → [N, *out]."""
    match node:
        case Linear(weight=weight):
            return np.asarray(x @ weight.T)
        case Affine(weight=weight, bias=bias):
            return np.asarray(x @ weight.T + bias)
        case Conv1d():
            return convolve(x, node.weight, node.stride, node.padding, node.dilation, node.groups) + node.bias[:, None]
        case Flatten():
            return x.reshape(len(x), -1)
        case Scale(scale=scale):
            return np.asarray(x * scale)
    raise TypeError(f"no float arithmetic for {type(node).__name__}")


def convolve(x: Float, weight: Float, stride: int, padding: int, dilation: int, groups: int) -> Float:
    """Cross-correlation without bias: ``x`` [N, in, length], ``weight`` [out, in/groups, kernel] → [N, out, positions].

    The equation is in :class:`cortexcore.export.nodes.Conv1d`.
    """
    out, per_group, kernel = weight.shape
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, dilation * (kernel - 1) + 1, axis=2)
    taps = windows[:, :, ::stride, ::dilation]
    positions = taps.shape[2]
    taps = taps.reshape(len(x), groups, per_group, positions, kernel)
    columns = taps.transpose(1, 0, 3, 2, 4).reshape(groups, len(x) * positions, per_group * kernel)
    rows = weight.reshape(groups, out // groups, per_group * kernel)
    y = (columns @ rows.transpose(0, 2, 1)).reshape(groups, len(x), positions, -1)
    return y.transpose(1, 0, 3, 2).reshape(len(x), out, positions)


@dataclass
class _State:
    """One neuron's record while its group runs."""

    v: Float
    u: Float
    current_peak: float = 0.0
    v_peak: float = 0.0


def _groups(graph: Graph, order: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Neurons in runs: one alone, or all from the first to the last of a loop."""
    position = {name: i for i, name in enumerate(order)}
    reach = [max([i, *(position.get(s, i) for s in read_by(graph, name))]) for i, name in enumerate(order)]
    groups: list[tuple[str, ...]] = []
    start = 0
    while start < len(order):
        end = start
        while (further := max(reach[start : end + 1])) > end:
            end = further
        groups.append(order[start : end + 1])
        start = end + 1
    return groups


def _run_group(
    graph: Graph, group: tuple[str, ...], order: tuple[str, ...], sent: dict[str, Float], states: dict[str, _State]
) -> None:
    """All steps of one group: currents at once where no loop is, else step by step."""
    steps, batch = next(iter(sent.values())).shape[:2]
    position = {name: i for i, name in enumerate(order)}
    looped = any(source in group for name in group for source in read_by(graph, name))
    for name in group:
        shape = (steps, batch, *graph.shapes[name])
        states[name] = _State(np.zeros(shape), np.zeros(shape))
        if looped:
            sent[name] = np.zeros(shape)
    currents = {} if looped else {group[0]: _arriving(graph, group[0], lambda source: sent[source])}
    for name in group:
        sent.setdefault(name, np.zeros_like(states[name].v))
    for t in range(steps):
        for name in group:
            if looped:

                def now(source: str, t: int = t, reader: str = name) -> Float:
                    late = is_neuron(graph, source) and position[source] >= position[reader]
                    if not late:
                        return sent[source][t : t + 1]
                    return sent[source][t - 1 : t] if t else np.zeros_like(sent[source][:1])

                current = _arriving(graph, name, now)[0]
            else:
                current = currents[name][t]
            _step(graph, name, current, t, sent[name], states[name])


def _arriving(graph: Graph, name: str, signal: Callable[[str], Float], known: dict[str, Float] | None = None) -> Float:
    """The sum of what reaches ``name`` [T, B, *shape], with ``signal`` for inputs and neurons."""
    known = {} if known is None else known
    total: Float | None = None
    for source in graph.sources(name):
        node = graph.nodes[source]
        if source not in known:
            match node:
                case Linear() | Affine() | Conv1d() | Flatten() | Scale():
                    x = _arriving(graph, source, signal, known)
                    y = linear(node, x.reshape(-1, *x.shape[2:]))
                    known[source] = y.reshape(*x.shape[:2], *y.shape[1:])
                case Input() | LIF() | CubaLIF() | LI():
                    known[source] = signal(source)
                case Output():
                    raise GraphError(f"output '{source}' feeds '{name}'; an output feeds nothing")
        total = known[source] if total is None else total + known[source]
    if total is None:
        raise GraphError(f"'{name}' is fed by nothing")
    return total


def _step(graph: Graph, name: str, i: Float, t: int, sent: Float, state: _State) -> None:
    """Leak, integrate, fire, reset: step ``t`` of one neuron from its current ``i`` [B, *shape]."""
    node = graph.nodes[name]
    rest = np.zeros_like(i)
    v, u, s = (state.v[t - 1], state.u[t - 1], sent[t - 1]) if t else (rest, rest, rest)
    match node:
        case CubaLIF():
            alpha = decay(node.tau_syn, graph)
            i = alpha * u + (1 - alpha) * node.w_in * i
            state.u[t] = i
            beta = decay(node.tau_mem, graph)
        case LIF() | LI():
            beta = decay(node.tau, graph)
        case _:
            raise TypeError(f"{type(node).__name__} is no neuron")
    state.current_peak = max(state.current_peak, float(np.abs((1 - beta) * node.r * i).max()))
    v = beta * v + (1 - beta) * (node.v_leak + node.r * i)
    if isinstance(node, LI):
        state.v_peak = max(state.v_peak, float(np.abs(v).max()))
        state.v[t] = sent[t] = v
        return
    if node.reset == "subtract" and node.reset_delay:
        v = v - node.v_threshold * s
    state.v_peak = max(state.v_peak, float(np.abs(v).max()))
    fired = (v > node.v_threshold).astype(np.float64)
    if node.reset == "zero":
        v = v * (1 - fired)
    elif node.reset == "subtract" and not node.reset_delay:
        v = v - node.v_threshold * fired
    state.v[t], sent[t] = v, fired
