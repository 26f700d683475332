"""The golden network against a second implementation: plain Python integers, neuron by neuron, from the equations.

The equations are those in the docstring of ``export/integer.py``; nothing here knows of bounds, float products or
vectors. Hypothesis draws the networks, of every operation, neuron, reset and field that there is, on inputs at random
and at the extremes that the weights' signs make worst.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexcore.export import integer
from cortexcore.export.bounds import bounds
from cortexcore.export.integer_currents import drive
from cortexcore.export.network import (
    Conv1d,
    Conv2d,
    Dense,
    InputPort,
    IntegerNetwork,
    Operation,
    OutputPort,
    Population,
    Synapses,
)
from cortexcore.export.windows import Window
from cortexcore.targets.compiled import compile

STEPS, BATCH = 6, 2
Values = list[int]
"""What a source sends in one step, flattened in C order."""


def tz(x: int, factor: int) -> int:
    return -((-x * factor) // 4096) if x < 0 else (x * factor) // 4096


def wrap(x: int) -> int:
    """Into (−2^23, 2^23], by whole turns of 2^24."""
    return 2**23 - (2**23 - x) % 2**24


def shifted(x: int, exponent: int) -> int:
    return x * 2**exponent if exponent >= 0 else x // 2**-exponent


def pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def weighted_sum(op: Operation, x: Values, source: tuple[int, ...], neuron: tuple[int, ...], row: int) -> int:
    """Σ w·s of one neuron, at ``neuron`` in its population's shape and ``row`` in its flattened one."""
    if isinstance(op, Dense):
        return sum(int(w) * value for w, value in zip(op.weight[row], x, strict=True))
    out, per_group, *kernel = op.weight.shape
    channel, *position = neuron
    first = channel // (out // op.groups) * per_group
    stride, padding, dilation = pair(op.stride), pair(op.padding), pair(op.dilation)
    total = 0
    for c, *tap in itertools.product(range(per_group), *map(range, kernel)):
        at = [p * s + k * d - z for p, s, k, d, z in zip(position, stride, tap, dilation, padding, strict=True)]
        if all(0 <= i < size for i, size in zip(at, source[1:], strict=True)):
            place = first + c
            for i, size in zip(at, source[1:], strict=True):
                place = place * size + i
            total += int(op.weight[(channel, c, *tap)]) * x[place]
    return total


@dataclass
class Scalars:
    """One population's run: [T][neurons] each, what left its range, and u and v as they were before that."""

    u: list[Values] = field(default_factory=list)
    v: list[Values] = field(default_factory=list)
    s: list[Values] = field(default_factory=list)
    wraps: int = 0
    clips: int = 0
    raw_u: Values = field(default_factory=list)
    raw_v: Values = field(default_factory=list)


def of(value: object, index: tuple[int, ...]) -> int:
    return int(value[index]) if isinstance(value, np.ndarray) and value.ndim else int(value)  # type: ignore[call-overload]


def scalar_run(network: IntegerNetwork, inputs: dict[str, list[Values]]) -> dict[str, Scalars]:
    """One inference of the network on input name → [T][values]."""
    found = {p.name: Scalars() for p in network.populations}
    rest = {p.name: [0] * p.size for p in network.populations}
    for t in range(len(next(iter(inputs.values())))):
        for p in network.populations:
            record = found[p.name]
            u_before, v_before, s_before = (x[-1] if x else rest[p.name] for x in (record.u, record.v, record.s))
            sources = []
            for synapses in p.synapses:
                at = t - 1 if synapses.recurrent else t
                sent = inputs[synapses.source] if synapses.source in inputs else found[synapses.source].s
                shape = network.shape_of(synapses.source)
                sources.append((synapses.operation, sent[at] if at >= 0 else [0] * math.prod(shape), shape))
            u_now, v_now, s_now = [], [], []
            for row, index in enumerate(itertools.product(*map(range, p.shape))):
                a = sum(shifted(weighted_sum(op, x, shape, index, row), op.weight_exp) for op, x, shape in sources)
                u_raw = tz(u_before[row], 4096 - of(p.du, index) - 1) + a * 2**6
                u = wrap(u_raw)
                v_raw = tz(v_before[row], 4096 - of(p.dv, index)) + u + of(p.bias, index) * 2**p.bias_exp
                level = 0 if p.vth is None else of(p.vth, index) * 2**6
                if p.vth is not None and p.reset == "subtract" and p.reset_delay:
                    v_raw -= level * s_before[row]
                v = max(-(2**23) + 1, min(2**23 - 1, v_raw))
                record.wraps += u != u_raw
                record.clips += v != v_raw
                record.raw_u.append(u_raw)
                record.raw_v.append(v_raw)
                s = v if p.vth is None else int(v > level)
                if p.vth is not None and s and p.reset == "zero":
                    v = 0
                elif p.vth is not None and s and p.reset == "subtract" and not p.reset_delay:
                    v -= level
                u_now.append(u)
                v_now.append(v)
                s_now.append(s)
            record.u.append(u_now)
            record.v.append(v_now)
            record.s.append(s_now)
    return found


def of_inference(inputs: dict[str, np.ndarray], b: int) -> dict[str, list[Values]]:
    return {name: x[:, b].reshape(len(x), -1).astype(object).tolist() for name, x in inputs.items()}


class Drawing:
    """Draws a network: its structure from hypothesis, its numbers from a generator that hypothesis seeds."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def one(self, *choices: object) -> object:
        return self.draw(st.sampled_from(choices))

    def weight(self, *shape: int) -> np.ndarray:
        low, high, step = self.one((-128, 128, 2), (-2, 2, 128), (0, 256, 1), (-255, 1, 1))
        return (self.rng.integers(low, high, shape) * step).astype(np.int32)

    def field(self, shape: tuple[int, ...], *choices: int) -> int | np.ndarray:
        """One value for all neurons, or one for each."""
        if self.one(True, False):
            return self.one(*choices)
        return self.rng.choice(choices, shape).astype(np.int32)

    def convolution(self, source: tuple[int, ...], exponent: int) -> tuple[Operation, tuple[int, ...]]:
        """An operation on ``source`` that fits it, and the shape it makes."""
        channels, *sizes = source
        axes = len(sizes)
        groups = channels if self.one(True, False) else 1
        kernel = tuple(int(self.rng.integers(1, min(3, size) + 1)) for size in sizes)
        stride = tuple(self.one(1, 2, 3) for _ in sizes)
        padding = tuple(self.one(0, 1, 2) for _ in sizes)
        dilation = tuple(self.one(1, 2) if 2 * (k - 1) < n else 1 for k, n in zip(kernel, sizes, strict=True))
        weight = self.weight(2 * groups, channels // groups, *kernel)
        shape = (2 * groups, *Window(kernel, stride, padding, dilation).positions(tuple(sizes)))
        if axes == 1:
            return Conv1d(weight, exponent, stride[0], padding[0], dilation[0], groups), shape
        return Conv2d(weight, exponent, stride, padding, dilation, groups), shape


@st.composite
def networks(draw: st.DrawFn) -> IntegerNetwork:
    """One to three populations: anything may read anything, at once or a step late."""
    d = Drawing(draw)
    shape = d.one((4,), (2, 6), (2, 4, 5))
    ranges = [(0, 1), (-127, 127), (3, 90), (-(2**31), 2**31 - 1)]
    ports = (InputPort("x", shape, *d.one(*ranges)), InputPort("z", (3,), *d.one(*ranges)))
    shapes = {port.name: port.shape for port in ports}
    exponents = d.one((-8, -5), (-5, 1), (-8, 1), (6, 7))
    kinds: list[tuple[str, tuple[int, ...], list[Synapses]]] = []
    for i in range(d.one(1, 2, 3)):
        name, source = f"p{i}", d.one(*shapes)
        exponent = int(d.rng.integers(exponents[0], exponents[1] + 1))
        if len(shapes[source]) > 1 and d.one(True, True, False):
            op, made = d.convolution(shapes[source], exponent)
        else:
            made = d.one((3,), (2, 2))
            op = Dense(d.weight(math.prod(made), math.prod(shapes[source])), exponent)
        kinds.append((name, made, [Synapses(f"{source}>{name}", source, op)]))
        shapes[name] = made
    for i, (name, made, synapses) in enumerate(kinds):
        for source in ("z", *(other for other, _, _ in kinds)):
            recurrent = source not in [port.name for port in ports] + [other for other, _, _ in kinds[:i]]
            if d.one(True, False, False):
                late = recurrent or d.one(True, False)
                op = Dense(d.weight(math.prod(made), math.prod(shapes[source])), int(d.rng.integers(*exponents)))
                synapses.append(Synapses(f"{source}>>{name}", source, op, late))
    populations = []
    for name, made, synapses in kinds:
        reset = d.one("zero", "subtract", "none")
        populations.append(
            Population(
                name,
                made,
                tuple(synapses),
                du=d.field(made, 4095, 4095, 0, 7, 2100),
                dv=d.field(made, 410, 410, 4095, 4096, 0, 1),
                vth=d.one(None, d.field(made, 0, 1, 500, 20000, 131071), d.field(made, 300, 4000)),
                bias=d.rng.integers(-4096, 4096, made if d.one(True, False) else ()).astype(np.int32)
                if d.one(True, False)
                else np.zeros((), np.int32),
                bias_exp=d.one(0, 3, 7),
                reset=reset,
                reset_delay=d.one(True, False),
            )
        )
    return IntegerNetwork(ports, tuple(populations), tuple(OutputPort(f"out {n}", n) for n, _, _ in kinds), 1e-3)


def random_inputs(network: IntegerNetwork, seed: int) -> dict[str, np.ndarray]:
    """Half of the values anywhere in the port's range, half at its ends."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for port in network.inputs:
        shape = (STEPS, BATCH, *port.shape)
        ends = rng.choice([port.low, port.high], shape)
        inputs[port.name] = np.where(rng.random(shape) < 0.5, rng.integers(port.low, port.high + 1, shape), ends)
    return inputs


def worst_inputs(network: IntegerNetwork, seed: int) -> dict[str, np.ndarray]:
    """Per input, the end that each value's weight into one neuron pushes furthest up, or in the second inference down.

    The neuron, of a population that reads the input, is drawn; a run of steps keeps pushing, then all turns around.
    """
    rng = np.random.default_rng(seed)
    turn = rng.integers(1, STEPS + 1)
    inputs = {}
    for port in network.inputs:
        pull = np.zeros(port.shape)
        readers = [(s.operation, p) for p in network.populations for s in p.synapses if s.source == port.name]
        if readers:
            op, p = readers[rng.integers(len(readers))]
            one = np.eye(math.prod(port.shape), dtype=np.int64).reshape(-1, *port.shape)
            columns = integer.apply(replaced_exponent(op), one, port.shape).reshape(len(one), p.size)
            pull = columns[:, rng.integers(p.size)].reshape(port.shape)
        up, down = np.where(pull > 0, port.high, port.low), np.where(pull > 0, port.low, port.high)
        late = np.arange(STEPS).reshape(-1, *(1 for _ in port.shape)) >= turn
        inputs[port.name] = np.stack([np.where(late, down, up), np.where(late, up, down)], axis=1)
    return inputs


def replaced_exponent(op: Operation) -> Operation:
    return op if isinstance(op, Dense) and op.weight_exp == 0 else type(op)(**{**vars(op), "weight_exp": 0})


FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@FEW
@given(networks(), st.integers(0, 2**32 - 1), st.booleans())
def test_the_golden_network_is_the_equations(network: IntegerNetwork, seed: int, worst: bool) -> None:
    inputs = worst_inputs(network, seed) if worst else random_inputs(network, seed)
    trace = integer.run(network, inputs)
    wanted = [scalar_run(network, of_inference(inputs, b)) for b in range(BATCH)]
    for p in network.populations:
        for b, scalars in enumerate(wanted):
            for kind, values in (("u", trace.u), ("v", trace.v), ("s", trace.spikes)):
                if p.name in values:
                    got = values[p.name][:, b].reshape(STEPS, -1)
                    np.testing.assert_array_equal(got, getattr(scalars[p.name], kind), f"{kind} of {p}")
        assert trace.current_wraps[p.name] == sum(w[p.name].wraps for w in wanted)
        assert trace.voltage_clips[p.name] == sum(w[p.name].clips for w in wanted)


@FEW
@given(networks(), st.integers(0, 2**32 - 1))
def test_steps_one_by_one_are_the_run(network: IntegerNetwork, seed: int) -> None:
    """Every population is an output, so that what each sends is compared."""
    inputs = random_inputs(network, seed)
    outputs = integer.run(network, inputs).outputs
    stepper = compile(network, "integer").stepper()
    stepper.start(BATCH)
    for t in range(STEPS):
        for name, values in stepper.step({port: x[t] for port, x in inputs.items()}).items():
            np.testing.assert_array_equal(values, outputs[name][t])


@settings(FEW, max_examples=30)
@given(networks(), st.integers(0, 2**32 - 1))
def test_onnx_is_the_golden_network_in_both_forms(network: IntegerNetwork, seed: int) -> None:
    """Its models leave out what bounds rule out, so that a wrong bound would show here too."""
    compiled, inputs = compile(network, "onnx"), random_inputs(network, seed)
    trace, result, stepper = integer.run(network, inputs), compiled.run(inputs, trace=True), compiled.stepper()
    for kind in ("spikes", "u", "v", "outputs"):
        for name, expected in getattr(trace, kind).items():
            np.testing.assert_array_equal(getattr(result, kind)[name], expected, f"{kind} of {name}")
    stepper.start(BATCH)
    for t in range(STEPS):
        for name, values in stepper.step({port: x[t] for port, x in inputs.items()}).items():
            np.testing.assert_array_equal(values, trace.outputs[name][t], f"step {t} of {name}")


@FEW
@given(networks(), st.integers(0, 2**32 - 1), st.booleans())
def test_bounds_hold_whatever_comes(network: IntegerNetwork, seed: int, worst: bool) -> None:
    """By the scalar implementation, which knows no bound: where one holds nothing wraps, clips or passes it."""
    inputs = worst_inputs(network, seed) if worst else random_inputs(network, seed)
    proven = bounds(network)
    for b in range(BATCH):
        for name, found in scalar_run(network, of_inference(inputs, b)).items():
            bound = proven[name]
            if bound.holds:
                assert found.wraps == 0 and found.clips == 0
                assert bound.u[0] <= min(found.raw_u) and max(found.raw_u) <= bound.u[1]
                assert bound.v[0] <= min(found.raw_v) and max(found.raw_v) <= bound.v[1]


def test_the_drawn_networks_reach_every_case() -> None:
    """Otherwise the comparisons above would prove less than they say."""
    seen: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(networks(), st.integers(0, 2**32 - 1))
    def look(network: IntegerNetwork, seed: int) -> None:
        trace = integer.run(network, worst_inputs(network, seed))
        proven = bounds(network)
        for p in network.populations:
            arriving = drive(network, p)
            seen.update({f"drive in {arriving.number.__name__}", f"reset {p.reset} late {p.reset_delay}"})
            seen.update({f"sums in {c.weight.dtype}" for c in arriving.connections})
            seen.update({type(c.operation).__name__ for c in arriving.connections})
            if any(getattr(c.operation, "groups", 1) > 1 for c in arriving.connections):
                seen["groups"] += 1
            holds = "holds" if proven[p.name].holds else "does not hold"
            seen.update({f"readout {p.vth is None}", f"uniform {p.uniform}", f"current {p.has_current}", holds})
            seen.update({"wraps"} if trace.current_wraps[p.name] else {"no wraps"})
            seen.update({"clips"} if trace.voltage_clips[p.name] else {"no clips"})
            spikes = trace.spikes.get(p.name, np.zeros(1))
            seen.update({"fires"} if 0 < spikes.mean() < 1 else set())

    look()
    kinds = {"Dense", "Conv1d", "Conv2d", "groups"}
    kinds |= {"sums in float32", "sums in float64", "drive in float64"}
    states = {"readout True", "uniform True", "uniform False", "current True", "current False", "holds"}
    events = {"does not hold", "wraps", "no wraps", "clips", "no clips", "fires"}
    resets = {f"reset {reset} late {late}" for reset in ("zero", "subtract", "none") for late in (True, False)}
    rare = {case: seen[case] for case in kinds | states | events | resets if seen[case] < 5}
    assert not rare


@pytest.mark.parametrize(("inputs", "number"), [(60, np.float32), (300, np.float64), (20_000, np.int64)])
def test_wide_sums_are_exact_in_each_number_type(inputs: int, number: type) -> None:
    """Sums next to each type's edge, where one lost bit shows: all at the end of the range, and one short of it."""
    high = {np.float32: 2**10, np.float64: 2**31, np.int64: 2**31}[number]
    weight = np.full((2, inputs), 255, np.int32)
    weight[1, 1:] = 0
    neurons = Population("n", (2,), (Synapses("w", "x", Dense(weight, -8)),), 4095, 4096, None, np.zeros((), np.int32))
    network = IntegerNetwork((InputPort("x", (inputs,), 0, high),), (neurons,), (OutputPort("y", "n"),), 1e-3)
    assert drive(network, neurons).connections[0].weight.dtype == number
    x = np.full((STEPS, BATCH, inputs), high)
    x[1:, :, 0] -= np.arange(1, STEPS)[:, None]
    trace = integer.run(network, {"x": x})
    for b in range(BATCH):
        np.testing.assert_array_equal(trace.u["n"][:, b], scalar_run(network, of_inference({"x": x}, b))["n"].u)


def test_small_currents_are_not_lost_beside_huge_ones() -> None:
    """Σ a·2^6 reaches 2^60, where float64 holds multiples of 256 alone, and one spike adds 64 to it."""
    huge = Synapses("huge", "x", Dense(np.full((2, 258), 254, np.int32), 7))
    small = Synapses("small", "z", Dense(np.array([[1], [-1]], np.int32)))
    neurons = Population("n", (2,), (huge, small), 900, 4096, None, np.zeros((), np.int32))
    ports = (InputPort("x", (258,), -(2**31), 2**31), InputPort("z", (1,), 0, 1))
    network = IntegerNetwork(ports, (neurons,), (OutputPort("y", "n"),), 1e-3)
    rng = np.random.default_rng(0)
    inputs = {"x": rng.integers(2**31 - 9, 2**31, (STEPS, BATCH, 258)), "z": rng.integers(0, 2, (STEPS, BATCH, 1))}
    inputs["x"][::2] *= -1
    trace = integer.run(network, inputs)
    wanted = [scalar_run(network, of_inference(inputs, b))["n"] for b in range(BATCH)]
    for b in range(BATCH):
        np.testing.assert_array_equal(trace.u["n"][:, b], wanted[b].u)
    assert trace.current_wraps["n"] == sum(w.wraps for w in wanted) > 0
