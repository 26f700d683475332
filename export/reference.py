"""The float reference: a graph's own equations in NumPy float64, against which torch and quantization are measured.

Whatever does not stand in a loop is computed for all steps and inferences at once; within a loop, what comes from
outside it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, GraphError
from cortexcore.export.dynamics import Dynamics, delay_steps, dynamics
from cortexcore.export.flow import neuron_order, read_by
from cortexcore.export.graph import Graph
from cortexcore.export.layers import linear
from cortexcore.export.nodes import Delay, Float, Neuron, Stateless

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class FloatTrace:
    """Everything a run of the float reference produced; nodes of subgraphs by their written-out names.

    Attributes:
        outputs: output name → float64 [T, B, *shape]: spikes 0/1, or v of a leaky integrator.
        spikes: spiking neuron → uint8 [T, B, *shape].
        v: neuron → float64 [T, B, *shape], after the reset.
        u: neuron with synaptic current → float64 [T, B, *shape].
        current_peak: neuron → the largest |g·u|, what a step's current adds to v.
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
    graph = graph.flat
    known = check_inputs(graph, inputs)
    records: dict[str, _Record] = {}
    order = neuron_order(graph)
    for group in _groups(graph, order):
        found = _run_loop(graph, group, known) if _is_loop(graph, group) else _run_alone(graph, group[0], known)
        for name, record in found.items():
            records[name], known[name] = record, record.sent
    outputs = {name: np.array(_arriving(graph, name, known)) for name in graph.outputs}
    return FloatTrace(
        outputs=outputs,
        spikes={n: r.sent.astype(np.uint8) for n, r in records.items() if r.factors.threshold is not None},
        v={n: r.v_after for n, r in records.items()},
        u={n: r.u for n, r in records.items() if r.factors.alpha is not None},
        current_peak={n: _largest(r.factors.gain * r.u) for n, r in records.items()},
        v_peak={n: _largest(r.v) for n, r in records.items()},
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


@dataclass(frozen=True, eq=False)
class _Record:
    """One neuron's states [T, B, *shape], filled step by step: ``v`` before the reset, ``sent`` spikes or v."""

    factors: Dynamics
    u: Float
    v: Float
    sent: Float

    @property
    def v_after(self) -> Float:
        """v after the reset; a delayed one shows in the next step's v."""
        f = self.factors
        if f.threshold is None or f.reset == "none" or f.reset_delay:
            return self.v
        if f.reset == "zero":
            return np.asarray(np.where(self.sent > 0, f.v_reset, self.v))
        return np.asarray(self.v - f.threshold * self.sent)


def _largest(values: Float) -> float:
    return float(max(values.max(), -values.min()))


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


def _is_loop(graph: Graph, group: tuple[str, ...]) -> bool:
    return len(group) > 1 or group[0] in read_by(graph, group[0])


def _run_alone(graph: Graph, name: str, known: dict[str, Float]) -> dict[str, _Record]:
    """A neuron outside any loop: its currents at once, then its own steps."""
    current = _arriving(graph, name, known)
    record = _record(graph, name, current.shape)
    f, neuron = record.factors, _Stepping(record)
    if f.alpha is None:
        record.u[:] = current
    else:
        for t in range(len(current)):
            neuron.filter(t, current[t])
    push = f.gain * record.u + f.drive
    for t in range(len(current)):
        neuron.step(t, push[t])
    return {name: record}


def _run_loop(graph: Graph, group: tuple[str, ...], known: dict[str, Float]) -> dict[str, _Record]:
    """The neurons of a loop, step by step; whatever does not depend on them is computed at once."""
    steps, batch = next(iter(known.values())).shape[:2]
    records = {name: _record(graph, name, (steps, batch, *graph.shapes[name])) for name in group}
    neurons = {name: _Stepping(record) for name, record in records.items()}
    for name in _before(graph, group):
        if name not in known and not set(group) & set(read_by(graph, name)):
            _signal(graph, name, known)
    pasts: dict[tuple[str, str], Float] = {}
    for t in range(steps):
        for i, name in enumerate(group):
            late = set(group[i:])
            current = _present(graph, name, name, t, late, records, known, pasts, {})
            f = records[name].factors
            neurons[name].step(t, f.gain * neurons[name].filter(t, current) + f.drive)
    return records


def _before(graph: Graph, group: tuple[str, ...]) -> list[str]:
    """The layers and delays between the loop's neurons and what they read."""
    found: list[str] = []
    waiting = list(group)
    while waiting:
        for source in graph.sources(waiting.pop()):
            if source not in found and isinstance(graph.nodes[source], Stateless | Delay):
                found.append(source)
                waiting.append(source)
    return found


def _arriving(graph: Graph, name: str, known: dict[str, Float]) -> Float:
    """The sum of what reaches ``name`` in every step [T, B, *shape]; ``known`` keeps what was computed on the way."""
    total: Float | None = None
    for source in graph.sources(name):
        signal = _signal(graph, source, known)
        total = signal if total is None else total + signal
    if total is None:
        raise GraphError(f"'{name}' is fed by nothing")
    return total


def _signal(graph: Graph, name: str, known: dict[str, Float]) -> Float:
    """What ``name`` sends in every step [T, B, *shape]; without recursion, as chains of layers may be long."""
    waiting = [name]
    while waiting:
        each = waiting[-1]
        node = graph.nodes[each]
        if each not in known and not isinstance(node, Stateless | Delay):
            raise TypeError(f"'{each}' is a {type(node).__name__}, whose signal is not known yet")
        missing = [source for source in graph.sources(each) if source not in known] if each not in known else []
        waiting += missing
        if missing:
            continue
        waiting.pop()
        if each not in known:
            x = _arriving(graph, each, known)
            if isinstance(node, Delay):
                known[each] = _delayed(x, delay_steps(node, graph.dt_s))
            elif isinstance(node, Stateless):
                y = linear(node, x.reshape(-1, *x.shape[2:]))
                known[each] = y.reshape(*x.shape[:2], *y.shape[1:])
    return known[name]


def _delayed(x: Float, steps: NDArray[np.int64]) -> Float:
    """``x`` [T, B, *shape] that many steps later, 0 before; ``steps`` scalar or [*shape]."""
    y = np.zeros_like(x)
    for count in np.unique(steps):
        if count < len(x):
            shifted = x[: len(x) - count]
            y[count:] = np.where(steps == count, shifted, y[count:]) if steps.ndim else shifted
    return y


def _present(
    graph: Graph,
    name: str,
    reader: str,
    t: int,
    late: set[str],
    records: Mapping[str, _Record],
    known: Mapping[str, Float],
    pasts: dict[tuple[str, str], Float],
    now: dict[str, Float],
) -> Float:
    """The sum of what reaches ``name`` on its way to neuron ``reader`` in step ``t`` [B, *shape].

    Args:
        late: the loop's neurons whose spikes of the step before ``reader`` reads.
        records: the loop's neurons; ``known``: every signal from outside the loop.
        pasts: (delay node, reader) → what has entered it so far; filled here.
        now: what this step has computed already.
    """
    total: Float | None = None
    for source in graph.sources(name):
        node = graph.nodes[source]
        if source in known:
            signal = known[source][t]
        elif source in records:
            before = t - 1 if source in late else t
            signal = records[source].sent[before] if before >= 0 else np.zeros_like(records[source].sent[0])
        else:
            if source not in now:
                x = _present(graph, source, reader, t, late, records, known, pasts, now)
                if isinstance(node, Delay):
                    past = pasts.setdefault((source, reader), np.zeros((len(next(iter(known.values()))), *x.shape)))
                    past[t] = x
                    now[source] = _taken_back(past, t, delay_steps(node, graph.dt_s))
                elif isinstance(node, Stateless):
                    now[source] = linear(node, x)
                else:
                    raise TypeError(f"'{source}' is a {type(node).__name__}, whose signal is not known yet")
            signal = now[source]
        total = signal if total is None else total + signal
    if total is None:
        raise GraphError(f"'{name}' is fed by nothing")
    return total


def _taken_back(past: Float, t: int, steps: NDArray[np.int64]) -> Float:
    """What entered a delay ``steps`` before ``t``; ``past`` [T, B, *shape]."""
    y: Float = np.zeros_like(past[t])
    for count in np.unique(steps[steps <= t]):
        np.copyto(y, past[t - count], where=steps == count)
    return y


def _record(graph: Graph, name: str, shape: tuple[int, ...]) -> _Record:
    node = graph.nodes[name]
    if not isinstance(node, Neuron):
        raise TypeError(f"'{name}' is a {type(node).__name__}, no neuron")
    factors = dynamics(node, graph.dt_s, graph.discretization)
    v = np.zeros(shape)
    return _Record(factors, np.zeros(shape), v, v if factors.threshold is None else np.zeros(shape))


class _Stepping:
    """One neuron being stepped through: leak, integrate, fire, reset."""

    def __init__(self, record: _Record) -> None:
        self.record = record
        self.v: Float = np.zeros(record.v.shape[1:])
        self.reset = _resetting(record.factors)

    def filter(self, t: int, i: Float) -> Float:
        """u of step ``t`` from the current ``i`` [B, *shape]; kept in the record."""
        f, u = self.record.factors, self.record.u
        if f.alpha is not None and f.input_gain is not None:
            i = f.input_gain * i
            i += f.alpha * u[t - 1] if t else 0.0
        u[t] = i
        return i

    def step(self, t: int, push: Float) -> None:
        """Step ``t`` with ``push`` = g·u + c [B, *shape]; keeps v and what is sent in the record."""
        f, record = self.record.factors, self.record
        v = np.multiply(f.beta, self.v, out=self.v)
        v += push
        if f.threshold is None:
            record.v[t] = v
            return
        if f.reset_delay and t:
            v -= f.threshold * record.sent[t - 1]
        record.v[t] = v
        fired = v > f.threshold
        record.sent[t] = fired
        self.reset(v, fired)


def _resetting(f: Dynamics) -> Callable[[Float, NDArray[np.bool_]], None]:
    """What a spike does to v at once, in place."""
    threshold = f.threshold

    def to_value(v: Float, fired: NDArray[np.bool_]) -> None:
        np.copyto(v, f.v_reset, where=fired)

    def subtract(v: Float, fired: NDArray[np.bool_]) -> None:
        if threshold is not None:
            v -= threshold * fired

    def nothing(v: Float, fired: NDArray[np.bool_]) -> None:
        """No reset, or one that comes with the next step's sum."""

    if f.reset == "zero":
        return to_value
    return subtract if f.reset == "subtract" and not f.reset_delay else nothing
