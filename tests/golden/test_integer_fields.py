"""What an integer network's fields hold, per-neuron fields and their bounds by hand, and how long one stays ready."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.bounds import bounds
from cortexcore.export.integer_currents import CHUNK
from cortexcore.export.network import Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses

WEIGHT = np.array([[2, 4], [6, -8], [10, 12]], np.int32)
NEURONS = Population("n", (3,), (Synapses("w", "x", Dense(WEIGHT)),), 4095, 4096, 4, np.zeros((), np.int32))


def alone(neurons: Population, port: InputPort | None = None) -> IntegerNetwork:
    return IntegerNetwork((port or InputPort("x", (2,), -5, 9),), (neurons,), (OutputPort("y", "n"),), 1e-3)


def image(**changes: object) -> IntegerNetwork:
    """A 2-d convolution from two channels of 5 × 4 to four of 3 × 4."""
    weight = np.ones((4, 2, 3, 2), np.int32)
    fields: dict[str, object] = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 2), **changes}
    op = Conv2d(**{"weight": weight, **fields})  # type: ignore[arg-type]
    neurons = replace(NEURONS, shape=(4, 3, 4), synapses=(Synapses("w", "x", op),))
    return alone(neurons, InputPort("x", (2, 5, 4), -5, 9))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"vth": np.array([1, 2], np.int32)}, r"vth of 'n' has shape \(2,\), it must be a whole number or \(3,\)"),
        ({"vth": np.array([1, 2, 2**17], np.int32)}, "vth of 'n' is from 1 to 131072, it must be from 0 to 131071"),
        ({"du": np.array([0, -1, 4095], np.int32)}, "du of 'n' is from -1 to 4095, it must be from 0 to 4095"),
        ({"dv": np.array([0.5, 1, 2])}, "dv of 'n' is of type float64, it must be whole numbers"),
        ({"reset": "soft"}, "'n' resets by 'soft', use one of zero, subtract, none"),
        ({"synapses": (Synapses("w", "x", Dense(WEIGHT * 1.0)),)}, "hold weights of type float64"),
    ],
)
def test_fields_outside_their_range_are_named(changes: dict[str, object], says: str) -> None:
    with pytest.raises(GraphError, match=says):
        alone(replace(NEURONS, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weight": np.ones((4, 2, 3), np.int32)}, r"need weights \[out, in/groups, height, width\]"),
        ({"stride": (0, 1)}, "positive stride"),
        ({"padding": (-1, 1)}, "no negative padding"),
        ({"groups": 2}, r"a kernel \(4, 2, 3, 2\) in 2 groups between \(2, 5, 4\) and \(4, 3, 4\)"),
        ({"dilation": (1, 1)}, r"a kernel \(4, 2, 3, 2\) in 1 groups"),
    ],
)
def test_a_convolution_that_does_not_fit_is_named(changes: dict[str, object], says: str) -> None:
    image()
    with pytest.raises(GraphError, match=says):
        image(**changes)


def test_currents_beyond_the_widest_integers_are_refused() -> None:
    """Σ|w|·2^31·2^13 of 2,065 weights of 254 is 2^63; of 1,000 it is below 2^62."""
    wide = InputPort("x", (2065,), 0, 2**31)
    weight = np.full((3, 2065), 254, np.int32)
    with pytest.raises(GraphError, match=r"into 'n' can reach 9\.23e\+18, it must stay below 2\^62"):
        alone(replace(NEURONS, synapses=(Synapses("w", "x", Dense(weight, 7)),)), wide)
    small = replace(wide, shape=(1000,))
    alone(replace(NEURONS, synapses=(Synapses("w", "x", Dense(weight[:, :1000], 7)),)), small)


def test_each_neuron_has_its_own_fields() -> None:
    """x = (1, 1) drives 6, −2 and 22 times 64. In the second step the first neuron has a quarter of its u left, the
    second all of its v, and the third, above its threshold of 20, starts anew."""
    du, dv, vth = (np.array(x, np.int32) for x in ((3071, 4095, 4095), (4096, 0, 0), (9, 9, 20)))
    trace = integer.run(alone(replace(NEURONS, du=du, dv=dv, vth=vth)), {"x": np.ones((2, 1, 2), int)})
    assert trace.u["n"][:, 0].tolist() == [[384, -128, 1408], [96 + 384, -128, 1408]]
    assert trace.v["n"][:, 0].tolist() == [[384, -128, 0], [480, -256, 0]]
    assert trace.spikes["n"][:, 0].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_without_reset_a_neuron_goes_on() -> None:
    neurons = replace(NEURONS, dv=0, vth=20, reset="none", reset_delay=True)
    trace = integer.run(alone(neurons), {"x": np.ones((3, 1, 2), int)})
    assert trace.v["n"][:, 0, 2].tolist() == [1408, 2816, 4224]
    assert trace.spikes["n"][:, 0, 2].tolist() == [1, 1, 1]


def test_a_bound_is_the_worst_neurons() -> None:
    """Inputs from −5 to 9: sums in [−30, 54], [−102, 94] and [−110, 198]. The last u is the widest: 198·64. Of v,
    the first keeps three quarters (54·4, −30·4), the second nothing, and the third, without leak, has no bound."""
    dv = np.array([1024, 4096, 4096], np.int32)
    found = bounds(alone(replace(NEURONS, dv=dv, vth=None)))["n"]
    assert found.sums == {"w": 198} and found.drive == 198 * 64 and found.u == (-110 * 64, 198 * 64)
    assert found.v == (-120 * 64, 216 * 64) and found.holds
    assert bounds(alone(replace(NEURONS, dv=dv, reset="none")))["n"].v == found.v
    endless = bounds(alone(replace(NEURONS, dv=np.array([1024, 4096, 0], np.int32), vth=None)))["n"]
    assert endless.v == (-np.inf, np.inf) and not endless.holds


def test_padding_counts_as_zero_in_two_axes() -> None:
    """Ones under inputs from 5 to 9: 12 taps inside, 4 in a corner; the bound holds for both, and zero."""
    network = image()
    network = alone(network.populations[0], InputPort("x", (2, 5, 4), 5, 9))
    trace = integer.run(network, {"x": np.full((1, 1, 2, 5, 4), 9)})
    assert bounds(network)["n"].u == (0, 12 * 9 * 64)
    assert trace.u["n"].max() == 12 * 9 * 64 and trace.u["n"].min() == 4 * 9 * 64


def test_a_wide_convolution_does_not_fill_the_memory() -> None:
    """All its patches at once would take 8·25·24·24·400 numbers of 4 bytes, 184 MB; its own states take 24 each."""
    op = Conv2d(np.ones((2, 8, 5, 5), np.int32), padding=(2, 2))
    neurons = replace(NEURONS, shape=(2, 24, 24), synapses=(Synapses("w", "x", op),))
    network = alone(neurons, InputPort("x", (8, 24, 24), 0, 1))
    x = {"x": np.ones((4, 100, 8, 24, 24), np.int8)}
    tracemalloc.start()
    integer.run(network, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * neurons.size * 400 + 10 * 4 * CHUNK


def test_a_network_is_made_ready_once_and_forgotten_with_it() -> None:
    network = alone(NEURONS)
    integer.run(network, {"x": np.ones((2, 1, 2), int)})
    ready = integer.prepared(network)
    assert ready is integer.prepared(network)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
