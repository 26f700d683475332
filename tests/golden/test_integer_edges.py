"""The golden arithmetic and its bounds exactly at their edges, each value worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.export import integer
from cortexcore.export.bounds import bounds
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses

NEURON = Population("n", (1,), (Synapses("w", "x", Dense(np.array([[2]], np.int32))),), 4095, 4096, 4, np.int32([0]))


def alone(neuron: Population, low: int, high: int, shape: tuple[int, ...] = (1,)) -> IntegerNetwork:
    return IntegerNetwork((InputPort("x", shape, low, high),), (neuron,), (OutputPort("y", "n"),), 1e-3)


def test_a_neuron_at_its_threshold_does_not_fire() -> None:
    """vth·2^6 = 256 is reached by 2·2·2^6 alone; one more from the bias passes it."""
    at, above = NEURON, replace(NEURON, bias=np.int32([1]))
    x = {"x": np.full((1, 1, 1), 2)}
    assert integer.run(alone(at, 0, 2), x).v["n"].item() == 256
    assert [integer.run(alone(p, 0, 2), x).spikes["n"].item() for p in (at, above)] == [0, 1]


@pytest.mark.parametrize(
    ("value", "u", "v", "wraps", "clips"),
    [
        (2**16, 2**23, 2**23 - 1, 0, 1),
        (2**16 + 1, -(2**23) + 128, -(2**23) + 128, 1, 0),
        (-(2**16), 2**23, 2**23 - 1, 1, 1),
        (-(2**16) + 1, -(2**23) + 128, -(2**23) + 128, 0, 0),
        (3 * 2**16, 2**23, 2**23 - 1, 1, 1),
    ],
)
def test_u_wraps_and_v_clips_where_lava_does(value: int, u: int, v: int, wraps: int, clips: int) -> None:
    """u = 2·value·2^6 keeps 2^23 and wraps −2^23 onto it (Lava 0.10, proc/lif/models.py: > and <=)."""
    trace = integer.run(alone(replace(NEURON, vth=None), -(2**20), 2**20), {"x": np.full((1, 1, 1), value)})
    assert (trace.u["n"].item(), trace.v["n"].item()) == (u, v)
    assert (trace.current_wraps["n"], trace.voltage_clips["n"]) == (wraps, clips)


@pytest.mark.parametrize(("delay", "steady"), [(False, 1216), (True, 1152)])
def test_the_bound_of_a_subtracting_neuron_is_reached(delay: bool, steady: int) -> None:
    """Leak ½, i = 640, θ = 64: v ← (v − θ)/2 + i rests at 1216, delayed v ← v/2 + i − θ at 1152."""
    neuron = replace(NEURON, dv=2048, vth=1, reset="subtract", reset_delay=delay)
    network = alone(neuron, 0, 5)
    trace = integer.run(network, {"x": np.full((40, 1, 1), 5)})
    before_reset = trace.v["n"].astype(int) + (0 if delay else 64 * trace.spikes["n"])
    assert bounds(network)["n"].v[1] == steady
    assert steady - 1 <= before_reset[-1].item() <= steady
    assert before_reset.max() <= steady


def test_the_bound_of_a_resetting_neuron_is_reached() -> None:
    """Leak ½, θ = 640: v at most 640/2 + 20·2^6 = 1600, from a v that just does not fire."""
    network = alone(replace(NEURON, dv=2048, vth=10), 0, 10)
    trace = integer.run(network, {"x": np.array([5, 10]).reshape(2, 1, 1)})
    before = 64 * 2 * 10 + trace.v["n"][0].item() // 2
    assert trace.spikes["n"].reshape(-1).tolist() == [0, 1]
    assert bounds(network)["n"].v[1] == before == 1600


def test_a_negative_exponent_rounds_the_bound_down_as_it_does_the_current() -> None:
    """−2·2^−8 is −1 after the shift, a unit below 0: the bound must hold it."""
    weak = Synapses("w", "x", Dense(np.array([[-2]], np.int32), -8))
    network = alone(replace(NEURON, synapses=(weak,)), 0, 1)
    assert integer.run(network, {"x": np.ones((1, 1, 1), int)}).u["n"].item() == -64 == bounds(network)["n"].u[0]


def test_a_delayed_reset_pulls_below_zero() -> None:
    """θ = 6400 is passed by 2·50·2^6 + 64; a step later v = 6464/2 − 2·2^6 + 64 − θ, and the bound is −64 − θ/2."""
    neuron = replace(NEURON, dv=2048, vth=100, reset="subtract", reset_delay=True, bias=np.int32([64]))
    network = alone(neuron, -1, 50)
    trace = integer.run(network, {"x": np.array([50, -1]).reshape(2, 1, 1)})
    assert trace.v["n"].reshape(-1).tolist() == [6464, 3232 - 128 + 64 - 6400]
    assert bounds(network)["n"].v[0] == -64 - 3200 <= trace.v["n"].min()


def test_padding_counts_as_zero_in_a_bound() -> None:
    """Inputs from 5 to 9 under a kernel of three 2s: 10 to 54 a position, less where padding takes part."""
    kernel = Synapses("w", "x", Conv1d(np.full((1, 1, 3), 2, np.int32), padding=1))
    network = alone(replace(NEURON, shape=(1, 4), synapses=(kernel,), bias=np.int32(0)), 5, 9, (1, 4))
    trace = integer.run(network, {"x": np.full((1, 1, 1, 4), 5)})
    assert trace.u["n"].reshape(-1).tolist() == [20 * 64, 30 * 64, 30 * 64, 20 * 64]
    assert bounds(network)["n"].u == (0, 54 * 64)


def test_the_bound_behind_a_readout_is_that_of_its_membrane() -> None:
    """A leaky integrator sends v, up to 2^23 − 1 = 8388607, not spikes."""
    behind = replace(NEURON, name="m", synapses=(Synapses("b", "n", Dense(np.array([[2]], np.int32))),))
    network = alone(replace(NEURON, vth=None), 0, 2)
    network = replace(network, populations=(*network.populations, behind))
    assert bounds(network)["m"].sums == {"b": 2 * (2**23 - 1)} and not bounds(network)["m"].holds


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
