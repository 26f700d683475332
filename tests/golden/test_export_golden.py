"""The golden network against a second implementation: scalar Python written from the equations in DESIGN.md alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import DataError
from cortexcore.export import integer
from cortexcore.export.bounds import bounds
from cortexcore.export.network import (
    Conv1d,
    Dense,
    InputPort,
    IntegerNetwork,
    OutputPort,
    Population,
    Synapses,
)


def tz(x: int, factor: int) -> int:
    return -((-x * factor) // 4096) if x < 0 else (x * factor) // 4096


def wrap(x: int) -> int:
    while x > 2**23:
        x -= 2**24
    while x <= -(2**23):
        x += 2**24
    return x


def shifted(x: int, exponent: int) -> int:
    return x * 2**exponent if exponent >= 0 else x // 2**-exponent


def conv_sum(op: Conv1d, x: np.ndarray, o: int, position: int) -> int:
    per_group = op.weight.shape[1]
    first = (o // (op.weight.shape[0] // op.groups)) * per_group
    total = 0
    for c, k in itertools.product(range(per_group), range(op.weight.shape[2])):
        at = position * op.stride + k * op.dilation - op.padding
        if 0 <= at < x.shape[1]:
            total += int(op.weight[o, c, k]) * int(x[first + c, at])
    return total


def scalar_run(network: IntegerNetwork, inputs: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """One inference, neuron by neuron, in Python's unbounded integers."""
    steps = len(next(iter(inputs.values())))
    u = {p.name: np.zeros(p.shape, object) for p in network.populations}
    v = {p.name: np.zeros(p.shape, object) for p in network.populations}
    s = {p.name: np.zeros(p.shape, object) for p in network.populations}
    record = {kind: {p.name: [] for p in network.populations} for kind in ("u", "v", "s")}
    wraps = clips = 0
    for t in range(steps):
        previous = {name: spikes.copy() for name, spikes in s.items()}
        for p in network.populations:
            bias = np.broadcast_to(p.bias, p.shape)
            for index in np.ndindex(*p.shape):
                a = 0
                for synapses in p.synapses:
                    op = synapses.operation
                    if synapses.source in inputs:
                        values = inputs[synapses.source][t]
                        if synapses.recurrent:
                            values = inputs[synapses.source][t - 1] if t else np.zeros_like(values)
                    else:
                        values = (previous if synapses.recurrent else s)[synapses.source]
                    if isinstance(op, Dense):
                        row = int(np.ravel_multi_index(index, p.shape))
                        total = sum(int(w) * int(x) for w, x in zip(op.weight[row], values.reshape(-1), strict=True))
                    else:
                        total = conv_sum(op, values, *index)
                    a += shifted(total, op.weight_exp)
                raw = tz(u[p.name][index], 4096 - p.du - 1) + a * 64
                u[p.name][index] = wrap(raw)
                wraps += wrap(raw) != raw
                volt = tz(v[p.name][index], 4096 - p.dv) + u[p.name][index] + int(bias[index]) * 2**p.bias_exp
                threshold = 0 if p.vth is None else p.vth * 64
                if p.reset == "subtract" and p.reset_delay:
                    volt -= threshold * s[p.name][index]
                kept = max(-(2**23 - 1), min(2**23 - 1, volt))
                clips += kept != volt
                if p.vth is None:
                    v[p.name][index], s[p.name][index] = kept, kept
                    continue
                fired = int(kept > threshold)
                if p.reset == "zero":
                    kept = 0 if fired else kept
                elif not p.reset_delay:
                    kept -= threshold * fired
                v[p.name][index], s[p.name][index] = kept, fired
            for kind, state in (("u", u), ("v", v), ("s", s)):
                record[kind][p.name].append(state[p.name].astype(np.int64))
    stacked = {kind: {n: np.stack(rows) for n, rows in named.items()} for kind, named in record.items()}
    return {**stacked, "counts": {"wraps": np.array(wraps), "clips": np.array(clips)}}


def random_network(rng: np.random.Generator, wild: bool) -> IntegerNetwork:
    """conv → dense ⇄ dense → LI; ``wild`` makes weights and decays that wrap and clip."""
    exponents = (0, 8) if wild else (-3, 2)

    def weight(*shape: int) -> np.ndarray:
        return (rng.integers(-128, 128, shape) * 2).astype(np.int32)

    def exponent() -> int:
        return int(rng.integers(*exponents))

    def neuron(name: str, shape: tuple[int, ...], synapses: tuple[Synapses, ...], spiking: bool = True) -> Population:
        reset = str(rng.choice(["zero", "subtract"]))
        bias = rng.integers(-4095, 4096, shape if rng.random() < 0.5 else ()).astype(np.int32)
        return Population(
            name,
            shape,
            synapses,
            du=int(rng.choice([4095, rng.integers(0, 4096)])),
            dv=int(rng.choice([0, rng.integers(0, 4096)])),
            vth=int(rng.integers(0, 2**17 if wild else 2**11)) if spiking else None,
            bias=np.asarray(bias),
            bias_exp=int(rng.integers(0, 8 if wild else 3)),
            reset=reset,
            reset_delay=reset == "subtract" and bool(rng.random() < 0.5),
        )

    groups, dilation, padding = int(rng.choice([1, 2])), int(rng.integers(1, 3)), int(rng.integers(0, 3))
    op = Conv1d(weight(4, 2 // groups, 3), exponent(), int(rng.integers(1, 3)), padding, dilation, groups)
    length = (9 + 2 * op.padding - op.dilation * 2 - 1) // op.stride + 1
    flat = 4 * length
    return IntegerNetwork(
        (InputPort("x", (2, 9), -127, 127), InputPort("z", (3,), 0, 1)),
        (
            neuron("c", (4, length), (Synapses("conv", "x", op),)),
            neuron(
                "h",
                (5,),
                (
                    Synapses("ch", "c", Dense(weight(5, flat), exponent())),
                    Synapses("zh", "z", Dense(weight(5, 3), exponent())),
                    Synapses("hh", "h", Dense(weight(5, 5), exponent()), recurrent=True),
                    Synapses("oh", "o", Dense(weight(5, 2), exponent()), recurrent=True),
                ),
            ),
            neuron("o", (2,), (Synapses("ho", "h", Dense(weight(2, 5), exponent())),)),
            neuron("y", (2,), (Synapses("oy", "o", Dense(weight(2, 2), exponent())),), spiking=False),
        ),
        (OutputPort("spikes", "o"), OutputPort("v", "y")),
        1e-3,
    )


def random_inputs(rng: np.random.Generator, steps: int, batch: int) -> dict[str, np.ndarray]:
    return {
        "x": rng.integers(-127, 128, (steps, batch, 2, 9)),
        "z": rng.integers(0, 2, (steps, batch, 3)),
    }


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_golden_equals_scalar_equations(seed: int, wild: bool) -> None:
    rng = np.random.default_rng(seed)
    network, inputs = random_network(rng, wild), random_inputs(rng, 12, 2)
    trace = integer.run(network, inputs)
    wraps = clips = 0
    for b in range(2):
        wanted = scalar_run(network, {name: x[:, b] for name, x in inputs.items()})
        for p in network.populations:
            np.testing.assert_array_equal(trace.u[p.name][:, b], wanted["u"][p.name])
            np.testing.assert_array_equal(trace.v[p.name][:, b], wanted["v"][p.name])
            if p.vth is not None:
                np.testing.assert_array_equal(trace.spikes[p.name][:, b], wanted["s"][p.name])
        wraps, clips = wraps + wanted["counts"]["wraps"], clips + wanted["counts"]["clips"]
    assert sum(trace.current_wraps.values()) == wraps
    assert sum(trace.voltage_clips.values()) == clips
    np.testing.assert_array_equal(trace.outputs["v"], trace.v["y"])
    np.testing.assert_array_equal(trace.outputs["spikes"], trace.spikes["o"])


def test_the_wild_networks_wrap_and_clip() -> None:
    """Otherwise the comparison above would not reach wrapping and clipping."""
    wraps = clips = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        network, inputs = random_network(rng, wild=True), random_inputs(rng, 12, 2)
        trace = integer.run(network, inputs)
        wraps, clips = wraps + sum(trace.current_wraps.values()), clips + sum(trace.voltage_clips.values())
    assert wraps > 0 and clips > 0


def test_one_neuron_by_hand() -> None:
    """w·s = 100, vth = 150: v = 6400, then 6400·3072/4096 + 6400 = 11200 > 9600 fires, then again 6400."""
    population = Population(
        "n", (1,), (Synapses("w", "x", Dense(np.array([[100]], np.int32))),), 4095, 1024, 150, np.array(0, np.int32)
    )
    network = IntegerNetwork((InputPort("x", (1,), 0, 1),), (population,), (OutputPort("y", "n"),), 1e-3)
    trace = integer.run(network, {"x": np.ones((3, 1, 1), int)})
    assert trace.u["n"][:, 0, 0].tolist() == [6400, 6400, 6400]
    assert trace.v["n"][:, 0, 0].tolist() == [6400, 0, 6400]
    assert trace.spikes["n"][:, 0, 0].tolist() == [0, 1, 0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_bounds_hold_whatever_comes(seed: int) -> None:
    """Extreme and random inputs stay within the proven bounds; where they fit 24 bits nothing wraps or clips."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, wild=bool(rng.random() < 0.3))
    inputs = random_inputs(rng, 30, 4)
    inputs["x"][:, 1] = np.sign(inputs["x"][:1, 1]) * 127
    inputs["x"][:, 2], inputs["z"][:, 2] = 127, 1
    trace = integer.run(network, inputs)
    for name, found in bounds(network).items():
        if found.holds:
            assert trace.current_wraps[name] == 0 and trace.voltage_clips[name] == 0
            assert found.u[0] <= trace.u[name].min() and trace.u[name].max() <= found.u[1]
            assert found.v[0] <= trace.v[name].min() and trace.v[name].max() <= found.v[1]


def test_a_bound_is_reached() -> None:
    """The static bound is tight where the worst input exists: Σ|w|·127 on a dense layer without leak memory."""
    weight = np.array([[100, -100]], np.int32)
    population = Population("n", (1,), (Synapses("w", "x", Dense(weight)),), 4095, 4095, None, np.array(0, np.int32))
    network = IntegerNetwork((InputPort("x", (2,), -127, 127),), (population,), (OutputPort("y", "n"),), 1e-3)
    found = bounds(network)["n"]
    trace = integer.run(network, {"x": np.array([[[127, -127]]])})
    assert trace.u["n"].max() == found.u[1] == 200 * 127 * 64
    assert found.sums == {"w": 200 * 127}


def test_a_bound_beyond_24_bits_does_not_hold() -> None:
    weight = np.full((1, 600), 254, np.int32)
    population = Population("n", (1,), (Synapses("w", "x", Dense(weight)),), 4095, 100, None, np.array(0, np.int32))
    network = IntegerNetwork((InputPort("x", (600,), -127, 127),), (population,), (OutputPort("y", "n"),), 1e-3)
    assert bounds(network)["n"].sums == {"w": 600 * 254 * 127}
    assert not bounds(network)["n"].holds


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, "inputs are"),
        ({"x": np.zeros((1, 1, 3))}, "shape"),
        ({"x": np.zeros((0, 1, 2))}, "empty"),
        ({"x": np.full((1, 1, 2), 0.5)}, "not integers"),
        ({"x": np.full((1, 1, 2), np.nan)}, "not integers"),
        ({"x": np.full((1, 1, 2), 9)}, "the network takes"),
    ],
)
def test_unfit_inputs_are_named(inputs: dict[str, np.ndarray], says: str) -> None:
    weight = np.ones((1, 2), np.int32)
    population = Population("n", (1,), (Synapses("w", "x", Dense(weight)),), 4095, 100, 5, np.array(0, np.int32))
    network = IntegerNetwork((InputPort("x", (2,), -1, 1),), (population,), (OutputPort("y", "n"),), 1e-3)
    with pytest.raises(DataError, match=says):
        integer.run(network, inputs)
