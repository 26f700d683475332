"""Networks that every target must reproduce, one per thing that could go wrong, and random inputs for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

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

T, B = 5, 3


class Zoo:
    """Builds networks from a seeded generator, so that each test's network and inputs are its own and repeat."""

    def __init__(self, name: str) -> None:
        self.rng = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))

    def weights(self, *shape: int, bits: int = 8) -> np.ndarray:
        half = 2 ** (bits - 1)
        return (self.rng.integers(-half, half, shape) * 2 ** (9 - bits)).astype(np.int32)

    def population(
        self, name: str, shape: tuple[int, ...], *synapses: tuple[str, Operation], bias: int = 0, **changes: object
    ) -> Population:
        mantissa = self.rng.integers(-bias, bias + 1, shape).astype(np.int32) if bias else np.zeros((), np.int32)
        named = tuple(Synapses(f"{source}_{name}_{i}", source, op) for i, (source, op) in enumerate(synapses))
        return replace(Population(name, shape, named, 4095, 400, 600, mantissa), **changes)

    def inputs(self, network: IntegerNetwork, steps: int = T, batch: int = B) -> dict[str, np.ndarray]:
        return {
            port.name: self.rng.integers(port.low, port.high + 1, (steps, batch, *port.shape))
            for port in network.inputs
        }


def network(ports: list[InputPort], populations: list[Population], *outputs: tuple[str, str]) -> IntegerNetwork:
    ends = tuple(OutputPort(name, source) for name, source in outputs)
    return IntegerNetwork(tuple(ports), tuple(populations), ends, 1e-3, {"classes": ["N", "V"]})


GRADED = InputPort("x", (12,), -127, 127)
WINDOW = InputPort("window", (2, 30), -127, 127)
IMAGE = InputPort("image", (2, 9, 7), -127, 127)
RHYTHM = InputPort("rhythm", (6,), -127, 127)
SPIKES = InputPort("x", (12,), 0, 1)


def dense(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12)))),
        z.population("b", (7,), ("a", Dense(z.weights(7, 20), 2))),
    ]
    return network([GRADED], p, ("y", "b"))


def spikes_in(z: Zoo) -> IntegerNetwork:
    return network([SPIKES], [z.population("a", (20,), ("x", Dense(z.weights(20, 12), 1)))], ("y", "a"))


def one_step(z: Zoo) -> IntegerNetwork:
    return dense(z)


def conv(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("c1", (4, 14), ("window", Conv1d(z.weights(4, 1, 5), -3, stride=2, padding=1, groups=2)), bias=90),
        z.population("c2", (6, 10), ("c1", Conv1d(z.weights(6, 4, 3), 0, dilation=2))),
        z.population("d", (5,), ("c2", Dense(z.weights(5, 60)))),
    ]
    return network([WINDOW], p, ("y", "d"))


def odd_stride(z: Zoo) -> IntegerNetwork:
    p = [z.population("c", (3, 9), ("window", Conv1d(z.weights(3, 2, 4), -2, stride=4, padding=3)))]
    return network([WINDOW], p, ("y", "c"))


def cuba(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12), -3)), du=900, dv=120),
        z.population("b", (9,), ("a", Dense(z.weights(9, 20))), du=0, dv=4095, vth=300),
    ]
    return network([GRADED], p, ("y", "b"))


def two_depths(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("c", (4, 15), ("window", Conv1d(z.weights(4, 2, 3), -3, stride=2, padding=1))),
        z.population("d", (10,), ("c", Dense(z.weights(10, 60))), ("rhythm", Dense(z.weights(10, 6), -2)), bias=300),
        z.population("r", (4,), ("d", Dense(z.weights(4, 10))), vth=None, dv=200),
    ]
    return network([WINDOW, RHYTHM], p, ("y", "r"))


def biases(z: Zoo) -> IntegerNetwork:
    """Large biases fire neurons before their first input arrives, where a target runs them too early."""
    p = [
        z.population("a", (16,), ("x", Dense(z.weights(16, 12), -4)), bias=4000, bias_exp=5),
        z.population("b", (8,), ("a", Dense(z.weights(8, 16))), bias=4000, bias_exp=7, dv=0),
        z.population("c", (8,), ("b", Dense(z.weights(8, 8))), bias=2000, bias_exp=4, du=2000),
    ]
    return network([GRADED], p, ("y", "c"))


def readout(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12)))),
        z.population("r", (4,), ("a", Dense(z.weights(4, 20), -1)), vth=None, dv=0, bias=50),
    ]
    return network([GRADED], p, ("y", "r"), ("hidden", "a"))


def four_bits(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12, bits=4)))),
        z.population("b", (7,), ("a", Dense(z.weights(7, 20, bits=2), 3))),
    ]
    return network([GRADED], p, ("y", "b"))


def one_sign(z: Zoo) -> IntegerNetwork:
    """All weights of one sign, and −256 among them, which sign modes could clip."""
    negative = -np.abs(z.weights(9, 20)).astype(np.int32)
    negative[0, :3] = -256
    p = [
        z.population("a", (20,), ("x", Dense(np.abs(z.weights(20, 12)).clip(0, 254).astype(np.int32)))),
        z.population("b", (9,), ("a", Dense(negative)), bias=3000, bias_exp=3),
    ]
    return network([GRADED], p, ("y", "b"))


def recurrent(z: Zoo) -> IntegerNetwork:
    loop = Synapses("loop", "b", Dense(z.weights(14, 14)), recurrent=True)
    b = z.population("b", (14,), ("a", Dense(z.weights(14, 20))), bias=2000, bias_exp=4)
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12)))),
        replace(b, synapses=(*b.synapses, loop)),
        z.population("r", (3,), ("b", Dense(z.weights(3, 14))), vth=None, dv=300),
    ]
    return network([GRADED], p, ("y", "r"))


def recurrent_pair(z: Zoo) -> IntegerNetwork:
    back = Synapses("back", "b", Dense(z.weights(20, 14)), recurrent=True)
    a = z.population("a", (20,), ("x", Dense(z.weights(20, 12))), du=1500)
    p = [replace(a, synapses=(*a.synapses, back)), z.population("b", (14,), ("a", Dense(z.weights(14, 20))))]
    return network([GRADED], p, ("y", "b"))


def subtract(z: Zoo) -> IntegerNetwork:
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12))), reset="subtract"),
        z.population("b", (9,), ("a", Dense(z.weights(9, 20))), reset="subtract", reset_delay=True),
        z.population("c", (9,), ("b", Dense(z.weights(9, 9))), reset="subtract", reset_delay=True, dv=0, du=100),
    ]
    return network([GRADED], p, ("y", "c"))


def odd_weights(z: Zoo) -> IntegerNetwork:
    """Layers of one sign use all 8 bits: odd magnitudes up to 255."""
    up, down = z.rng.integers(0, 256, (20, 12)), -z.rng.integers(0, 256, (9, 20))
    p = [
        z.population("a", (20,), ("x", Dense(up.astype(np.int32)))),
        z.population("b", (9,), ("a", Dense(down.astype(np.int32), 1)), bias=4000, bias_exp=6),
    ]
    return network([GRADED], p, ("y", "b"))


def apart(z: Zoo) -> IntegerNetwork:
    """Parts that share nothing, one of them driven by its bias alone."""
    p = [
        z.population("a", (8,), ("x", Dense(z.weights(8, 12)))),
        z.population("b", (8,), ("rhythm", Dense(z.weights(8, 6), -1))),
        z.population("alone", (5,), bias=4000, bias_exp=4, dv=100, vth=900),
        z.population("c", (6,), ("b", Dense(z.weights(6, 8)))),
    ]
    return network([GRADED, RHYTHM], p, ("y", "a"), ("z", "c"), ("w", "alone"))


def late_input(z: Zoo) -> IntegerNetwork:
    """An input that is read one step late as well."""
    late = Synapses("late", "x", Dense(z.weights(9, 12), -2), recurrent=True)
    a = z.population("a", (9,), ("x", Dense(z.weights(9, 12), -2)), bias=300)
    return network([GRADED], [replace(a, synapses=(*a.synapses, late))], ("y", "a"))


def wraps_once(z: Zoo) -> IntegerNetwork:
    """Currents just beyond 24 bits, and voltages at their clip."""
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12))), du=100, dv=0, vth=110000),
        z.population("b", (9,), ("a", Dense(z.weights(9, 20), 5)), du=3, dv=1, vth=30000),
    ]
    return network([replace(GRADED, low=-200, high=200)], p, ("y", "b"))


def wraps_often(z: Zoo) -> IntegerNetwork:
    """Sums far beyond 2^24 and currents far beyond 24 bits: 30-bit inputs, exponents, a read-back leaky integrator."""
    wide = InputPort("x", (12,), -(2**30), 2**30 - 1)
    loop = Synapses("loop", "r", Dense(z.weights(6, 6), -8), recurrent=True)
    r = z.population("r", (6,), ("c", Dense(z.weights(6, 24), 7)), vth=None, du=50)
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12), 3)), bias=4095, bias_exp=7),
        z.population("c", (4, 6), ("v", Conv1d(z.weights(4, 2, 3), 1, stride=2)), du=700, vth=50000),
        replace(r, synapses=(*r.synapses, loop)),
    ]
    return network([wide, InputPort("v", (2, 13), -(2**27), 2**27)], p, ("y", "a"), ("r", "r"))


def conv2d(z: Zoo) -> IntegerNetwork:
    """Strides and padding that differ between the axes, then groups, and a kernel as large as its image."""
    first = Conv2d(z.weights(4, 2, 3, 2), -3, stride=(2, 1), padding=(1, 2))
    p = [
        z.population("c1", (4, 5, 10), ("image", first), bias=90),
        z.population("c2", (6, 4, 4), ("c1", Conv2d(z.weights(6, 2, 2, 4), 0, stride=(1, 2), groups=2))),
        z.population("c3", (3, 1, 1), ("c2", Conv2d(z.weights(3, 6, 4, 4)))),
        z.population("d", (5,), ("c3", Dense(z.weights(5, 3), 1)), bias=900, bias_exp=3),
    ]
    return network([IMAGE], p, ("y", "d"))


def conv2d_dilated(z: Zoo) -> IntegerNetwork:
    """Dilation beyond the padding, one group per channel, and a part that reads the same image flat."""
    deep = Conv2d(z.weights(6, 1, 3, 2), -2, stride=(3, 2), padding=(2, 1), dilation=(2, 3), groups=2)
    p = [
        z.population("c", (6, 3, 3), ("image", deep), du=1200, dv=90),
        z.population("f", (6, 3, 3), ("image", Dense(z.weights(54, 126), -4))),
        z.population("r", (4,), ("c", Dense(z.weights(4, 54))), ("f", Dense(z.weights(4, 54))), vth=None, dv=500),
    ]
    return network([IMAGE], p, ("y", "r"), ("f", "f"))


def per_neuron(z: Zoo) -> IntegerNetwork:
    """Decays and thresholds of each neuron's own, of dense and convolved layers, some without current or leak."""

    def each(shape: tuple[int, ...], *values: int) -> np.ndarray:
        return z.rng.choice(values, shape).astype(np.int32)

    c, r = (4, 5, 10), (3,)
    first = Conv2d(z.weights(4, 2, 3, 2), -3, stride=(2, 1), padding=(1, 2))
    p = [
        z.population("c", c, ("image", first), du=each(c, 4095, 900), dv=each(c, 0, 400, 4096), vth=each(c, 300, 2000)),
        z.population("a", (9,), ("c", Dense(z.weights(9, 200))), vth=each((9,), 100, 900, 3000), reset="subtract"),
        z.population(
            "b",
            (8,),
            ("a", Dense(z.weights(8, 9))),
            dv=each((8,), 30, 600),
            vth=each((8,), 200, 500),
            reset="subtract",
            reset_delay=True,
        ),
        z.population("r", r, ("b", Dense(z.weights(3, 8))), du=each(r, 0, 100, 4095), dv=each(r, 0, 900), vth=None),
    ]
    return network([IMAGE], p, ("y", "r"))


def no_reset(z: Zoo) -> IntegerNetwork:
    """Neurons that keep their membrane when they fire, with current and without, and one of them in a loop."""
    loop = Synapses("loop", "b", Dense(z.weights(9, 9)), recurrent=True)
    b = z.population("b", (9,), ("a", Dense(z.weights(9, 20))), reset="none", du=800, vth=900)
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12))), reset="none"),
        replace(b, synapses=(*b.synapses, loop)),
        z.population("c", (6,), ("b", Dense(z.weights(6, 9))), reset="none", dv=4096, vth=100),
    ]
    return network([GRADED], p, ("y", "c"))


def relayed(z: Zoo) -> IntegerNetwork:
    """What ``a`` sends reaches ``b`` two steps late through relays, and ``c`` one step late without anything else."""
    copy = Dense(254 * np.eye(20, dtype=np.int32))
    relay = {"dv": 4095, "vth": 100}
    b = z.population("b", (7,), ("a", Dense(z.weights(7, 20))))
    c = z.population("c", (5,))
    late_b = Synapses("late_b", "a_late2", Dense(z.weights(7, 20)), recurrent=True)
    late_c = Synapses("late_c", "a_late1", Dense(z.weights(5, 20)), recurrent=True)
    first, second = (z.population(name, (20,), **relay) for name in ("a_late1", "a_late2"))
    p = [
        z.population("a", (20,), ("x", Dense(z.weights(20, 12)))),
        replace(first, synapses=(Synapses("r1", "a", copy),)),
        replace(second, synapses=(Synapses("r2", "a_late1", copy, recurrent=True),)),
        replace(b, synapses=(*b.synapses, late_b)),
        replace(c, synapses=(late_c,)),
    ]
    return network([GRADED], p, ("y", "b"), ("z", "c"))


def pooled(z: Zoo) -> IntegerNetwork:
    """Sum pooling as quantization leaves it: a convolution per channel whose weights are all the same."""
    pool = Conv2d(np.full((4, 1, 2, 2), 254, np.int32), -1, stride=(2, 2), groups=4)
    p = [
        z.population("c", (4, 8, 6), ("image", Conv2d(z.weights(4, 2, 2, 2), -2)), bias=90),
        z.population("pool", (4, 4, 3), ("c", pool), vth=200),
        z.population("d", (5,), ("pool", Dense(z.weights(5, 48)))),
    ]
    return network([IMAGE], p, ("y", "d"))


def recurrent_cuba_bias(z: Zoo) -> IntegerNetwork:
    """A loop of neurons with synaptic current and reset to zero, driven by a bias too: published NIR bridges differ."""
    loop = Synapses("loop", "b", Dense(z.weights(14, 14), -1), recurrent=True)
    b = z.population("b", (14,), ("x", Dense(z.weights(14, 12), -4)), bias=1500, bias_exp=4, du=900, dv=300)
    p = [
        replace(b, synapses=(*b.synapses, loop)),
        z.population("y", (3,), ("b", Dense(z.weights(3, 14))), du=1800, dv=200, bias=900, bias_exp=3, vth=200),
    ]
    return network([GRADED], p, ("y", "y"))


def branches(z: Zoo) -> IntegerNetwork:
    """Branches 1, 2 and 4 populations deep that meet, one of them a convolution's, one read a step late."""
    late = Synapses("late", "a", Dense(z.weights(6, 20)), recurrent=True)
    short = Synapses("short", "c", Conv1d(z.weights(6, 4, 14)))
    a, b = (
        z.population("a", (20,), ("x", Dense(z.weights(20, 12)))),
        z.population("b", (9,), ("a", Dense(z.weights(9, 20)))),
    )
    d, e = (
        z.population("d", (9,), ("b", Dense(z.weights(9, 9), 1))),
        z.population("e", (6, 1), ("d", Dense(z.weights(6, 9)))),
    )
    p = [
        z.population("c", (4, 14), ("window", Conv1d(z.weights(4, 2, 4), -2, stride=2))),
        *(a, b, d),
        replace(e, synapses=(*e.synapses, short, late), bias=np.int32(400) * np.ones((6, 1), np.int32), bias_exp=3),
        z.population("r", (3,), ("e", Dense(z.weights(3, 6))), ("a", Dense(z.weights(3, 20), -2)), vth=None, dv=100),
    ]
    return network([GRADED, WINDOW], p, ("y", "r"))


def recurrent_ring(z: Zoo) -> IntegerNetwork:
    """A loop over three populations, one with a loop of its own, and a reader of all of them."""
    back = Synapses("back", "c", Dense(z.weights(12, 8), 1), recurrent=True)
    own = Synapses("own", "b", Dense(z.weights(10, 10)), recurrent=True)
    a = z.population("a", (12,), ("x", Dense(z.weights(12, 12))), bias=2000, bias_exp=3)
    b = z.population("b", (10,), ("a", Dense(z.weights(10, 12))), du=1200, reset="subtract", reset_delay=True)
    p = [
        replace(a, synapses=(*a.synapses, back)),
        replace(b, synapses=(*b.synapses, own)),
        z.population("c", (8,), ("b", Dense(z.weights(8, 10)))),
        z.population("d", (4,), *((name, Dense(z.weights(4, n))) for name, n in (("a", 12), ("b", 10), ("c", 8)))),
    ]
    return network([GRADED], p, ("y", "d"))


def few_weights(z: Zoo) -> IntegerNetwork:
    """Dense layers that are mostly zeros, one row and one whole layer of nothing else among them."""
    first, second = z.weights(20, 12), z.weights(9, 20)
    first[z.rng.random(first.shape) < 0.8] = 0
    second[1:] *= z.rng.random(second[1:].shape) < 0.3
    second[0] = 0
    p = [
        z.population("a", (20,), ("x", Dense(first)), bias=90),
        z.population("b", (9,), ("a", Dense(second)), ("x", Dense(np.zeros((9, 12), np.int32)))),
    ]
    return network([GRADED], p, ("y", "b"))


def deep_snn(z: Zoo) -> IntegerNetwork:
    """The seed's sizes: 2500 binary inputs, 256 and 128 hidden neurons, 2 classes."""
    p = [
        z.population("l1", (256,), ("x", Dense(z.weights(256, 2500), -3)), vth=600, dv=410),
        z.population("l2", (128,), ("l1", Dense(z.weights(128, 256), -3)), vth=120, dv=410),
        z.population("l3", (2,), ("l2", Dense(z.weights(2, 128), -3)), vth=60, dv=410),
    ]
    return network([InputPort("x", (2500,), 0, 1)], p, ("y", "l3"))


ZOO: dict[str, Callable[[Zoo], IntegerNetwork]] = {
    f.__name__: f
    for f in (
        dense,
        spikes_in,
        one_step,
        conv,
        odd_stride,
        cuba,
        two_depths,
        biases,
        readout,
        four_bits,
        one_sign,
        recurrent,
        recurrent_pair,
        subtract,
        odd_weights,
        apart,
        late_input,
        wraps_once,
        wraps_often,
        conv2d,
        conv2d_dilated,
        per_neuron,
        no_reset,
        relayed,
        pooled,
        recurrent_cuba_bias,
        branches,
        recurrent_ring,
        few_weights,
        deep_snn,
    )
}


@pytest.fixture(params=sorted(ZOO))
def animal(request: pytest.FixtureRequest) -> tuple[str, IntegerNetwork, dict[str, np.ndarray]]:
    """A network's name, the network, and inputs for it."""
    zoo = Zoo(request.param)
    built = ZOO[request.param](zoo)
    return request.param, built, zoo.inputs(built, steps=1 if request.param == "one_step" else T)


@pytest.fixture
def build() -> Callable[[str], tuple[Zoo, IntegerNetwork]]:
    """Any of the networks by name, and the generator to draw inputs for it from."""

    def make(name: str) -> tuple[Zoo, IntegerNetwork]:
        zoo = Zoo(name)
        return zoo, ZOO[name](zoo)

    return make
