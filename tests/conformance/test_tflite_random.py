"""Random wirings on TFLite: what no named network combines, such as wide inputs read late, or loops of convolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.export import integer
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
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target
from cortexcore.targets.tflite.config import TfliteConfig

RESETS = [("zero", False), ("subtract", False), ("subtract", True), ("none", False)]
HIGHS = [1, 127, 2**15, 2**24 + 3, 2**31 - 1]
SHAPES = [(6,), (2, 11), (2, 6, 5)]


class Wiring:
    """One random network; every choice is drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.shapes: dict[str, tuple[int, ...]] = {}
        ports = [self.port(f"x{i}") for i in range(self.rng.integers(1, 3))]
        populations: list[Population] = []
        for i in range(self.rng.integers(1, 5)):
            populations.append(self.population(f"p{i}"))
            if i and self.rng.random() < 0.4:
                to = int(self.rng.integers(i))
                back = self.dense(f"back{i}", f"p{i}", populations[to].shape, recurrent=True)
                populations[to] = replace(populations[to], synapses=(*populations[to].synapses, back))
        outputs = tuple(OutputPort(f"y/{p.name}", p.name) for p in populations)
        self.network = IntegerNetwork(tuple(ports), tuple(populations), outputs, 1e-3)

    def port(self, name: str) -> InputPort:
        high = int(self.rng.choice(HIGHS))
        self.shapes[name] = SHAPES[self.rng.integers(len(SHAPES))]
        return InputPort(name, self.shapes[name], int(self.rng.choice([0, -high, -high - 1])), high)

    def weights(self, *shape: int) -> np.ndarray:
        bits = int(self.rng.integers(1, 9))
        odd = self.rng.integers(0, 256, shape)
        even = self.rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape) * 2 ** (9 - bits)
        return (odd if self.rng.random() < 0.15 else even).astype(np.int32)

    def dense(self, name: str, source: str, shape: tuple[int, ...], recurrent: bool) -> Synapses:
        weight = self.weights(int(np.prod(shape)), int(np.prod(self.shapes[source])))
        return Synapses(name, source, Dense(weight, int(self.rng.integers(-8, 8))), recurrent)

    def operation(self, source: tuple[int, ...]) -> tuple[Operation, tuple[int, ...]]:
        """A dense layer or a convolution that fits the source, and the shape that it gives."""
        exponent = int(self.rng.integers(-8, 8))
        if len(source) == 1 or self.rng.random() < 0.3:
            size = int(self.rng.integers(1, 9))
            return Dense(self.weights(size, int(np.prod(source))), exponent), (size,)
        axes = len(source) - 1
        groups = int(self.rng.choice([1, source[0]]))
        kernel = tuple(int(k) for k in self.rng.integers(1, 3, axes))
        weight = self.weights(groups * int(self.rng.integers(1, 3)), source[0] // groups, *kernel)
        stride, padding, dilation = (
            tuple(int(n) for n in self.rng.integers(a, b, axes)) for a, b in ((1, 4), (1, 3), (1, 3))
        )
        op: Operation = (
            Conv2d(weight, exponent, stride, padding, dilation, groups)
            if axes == 2
            else Conv1d(weight, exponent, stride[0], padding[0], dilation[0], groups)
        )
        return op, (len(weight), *op.window.positions(source[1:]))

    def field(self, shape: tuple[int, ...], *values: int) -> int | np.ndarray:
        return (
            self.rng.choice(values, shape).astype(np.int32)
            if self.rng.random() < 0.25
            else int(self.rng.choice(values))
        )

    def population(self, name: str) -> Population:
        source = str(self.rng.choice(list(self.shapes)))
        op, shape = self.operation(self.shapes[source])
        synapses = [Synapses(f"{source}_{name}", source, op)]
        for i in range(self.rng.integers(0, 3)):
            other, late = str(self.rng.choice(list(self.shapes))), bool(self.rng.random() < 0.5)
            synapses.append(self.dense(f"{name}_{i}", other, shape, late))
        self.shapes[name] = shape
        if self.rng.random() < 0.4:
            synapses.append(self.dense(f"{name}_loop", name, shape, recurrent=True))
        bias = self.rng.integers(-4096, 4096, shape) if self.rng.random() < 0.5 else np.zeros(())
        reset, delay = RESETS[self.rng.integers(len(RESETS))]
        return Population(
            name,
            shape,
            tuple(synapses),
            self.field(shape, 4095, 4095, 0, 1, 900),
            self.field(shape, 0, 1, 400, 4095, 4096),
            None if self.rng.random() < 0.2 else self.field(shape, 0, 1, 600, 5000, 131071),
            bias.astype(np.int32),
            int(self.rng.integers(0, 8)),
            reset,
            delay,
        )


@pytest.mark.parametrize("seed", range(40))
def test_equals_the_golden_arithmetic(seed):
    if get_target("tflite").unavailable():
        pytest.skip(get_target("tflite").unavailable())
    wiring = Wiring(seed)
    network, rng = wiring.network, wiring.rng
    inputs = {port.name: rng.integers(port.low, port.high + 1, (6, 2, *port.shape)) for port in network.inputs}
    golden = integer.run(network, inputs)
    compiled = compile(network, "tflite", TfliteConfig(steps=1 + seed % 4, xnnpack=seed % 2 == 0))
    result = compiled.run(inputs, trace=True)
    for kind in ("spikes", "u", "v", "outputs"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)
    stepper = compiled.stepper()
    stepper.start(2)
    for t in range(6):
        outputs = stepper.step({name: values[t] for name, values in inputs.items()})
        assert all(np.array_equal(outputs[name], expected[t]) for name, expected in golden.outputs.items()), t


def test_the_wirings_reach_what_they_are_for():
    """Inputs and loops that are read late, every operation, and inputs wider than float32."""
    networks = [Wiring(seed).network for seed in range(40)]
    late = [s for n in networks for p in n.populations for s in p.synapses if s.recurrent]
    assert sum(s.source.startswith("x") for s in late) > 5 and sum(s.source.startswith("p") for s in late) > 20
    kinds = {type(s.operation) for n in networks for p in n.populations for s in p.synapses}
    assert kinds == {Dense, Conv1d, Conv2d}
    assert sum(port.high > 2**24 for n in networks for port in n.inputs) > 10
