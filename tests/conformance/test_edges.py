"""Where u just wraps, v just meets its clip, and sums just outgrow a type: a bound that is off by one shows here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target

WRAP = 2**17
"""An input of this reaches u = 2^23 through a weight of 1."""
ONE = Dense(np.ones((1, 1), np.int32))


def single(operation: Dense, port: InputPort, *more: Synapses, **changes: object) -> IntegerNetwork:
    synapses = (Synapses("w", "x", operation), *more)
    p = replace(
        Population("p", (len(operation.weight),), synapses, 4095, 4096, None, np.zeros((), np.int32)), **changes
    )
    return IntegerNetwork((port,), (p,), (OutputPort("y", "p"),), 1e-3)


def agree(target: str, network: IntegerNetwork, x: np.ndarray) -> None:
    if get_target(target).unavailable():
        pytest.skip(get_target(target).unavailable())
    golden, result = integer.run(network, {"x": x}), compile(network, target).run({"x": x}, trace=True)
    for kind in ("outputs", "u", "v"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("high", [WRAP - 1, WRAP, WRAP + 1, 2 * WRAP, 2 * WRAP + 1])
@pytest.mark.parametrize("du", [4095, 4094, 1, 0])
@pytest.mark.parametrize("synapses", [1, 2])
def test_synapses_that_just_wrap_or_clip(target: str, high: int, du: int, synapses: int) -> None:
    first = np.array([-high, high, high - 1, 1 - high, 0, high]).reshape(6, 1, 1)
    later = np.random.default_rng(high).choice([-high, 1 - high, -1, 0, 3, high - 1, high], (60, 1, 1))
    more = [Synapses(f"w{i}", "x", ONE) for i in range(1, synapses)]
    network = single(ONE, InputPort("x", (1,), -high, high), *more, du=du)
    agree(target, network, np.concatenate([np.repeat(first, 8, axis=1), np.repeat(later, 8, axis=1)]))


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("bias", [0, 63, -63, 64, -64, 4095])
def test_a_bias_that_just_clips(target: str, bias: int) -> None:
    high = WRAP - 1
    x = np.array([-high, high, high - 1]).reshape(3, 1, 1)
    network = single(ONE, InputPort("x", (1,), -high, high), bias=np.array(bias, np.int32))
    agree(target, network, x)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("weight", [254, 255])
@pytest.mark.parametrize("exponent", [-8, 0])
def test_sums_on_either_side_of_what_float32_holds(target: str, weight: int, exponent: int) -> None:
    """Odd sums around 2^24 and 2^25, which float32 would round."""
    for high in (2**16 // 255 * 255, 2**17, 2**18 - 1):
        operation = Dense(np.array([[weight, 1 + weight % 2]], np.int32), exponent)
        x = np.random.default_rng(high).integers(high - 99, high + 1, (40, 1, 2)) | 1
        x = np.minimum(x, high)
        agree(target, single(operation, InputPort("x", (2,), 0, high)), x)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("dv", [0, 1, 3, 1365, 4095])
def test_a_voltage_near_its_clip_decays_exactly(target: str, dv: int) -> None:
    """v·(4096 − dv) takes 35 bits."""
    high = WRAP - 1
    x = np.array([high, 0, 1, 0, -1, -high, 0, 7, 0, -high, -high]).reshape(11, 1, 1)
    for bias in (0, 1, -4095):
        agree(target, single(ONE, InputPort("x", (1,), -high, high), dv=dv, bias=np.array(bias, np.int32)), x)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("high", [30, 127, 300])
def test_a_decay_on_either_side_of_what_float32_holds(target: str, high: int) -> None:
    """|v| up to three times the current and 2731/4096 of it left: products of 23, 26 and 27 bits."""
    bias = np.array(3, np.int32)
    rng = np.random.default_rng(high)
    x = rng.integers(high // 2, high + 1, (60, 400, 1)) * rng.choice([-1, 1], (1, 400, 1))
    agree(target, single(ONE, InputPort("x", (1,), -high, high), dv=1365, bias=bias), x)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_currents_that_no_float_adds_up(target: str) -> None:
    """One connection's currents reach 2^61, another's count by 2^6: their sum needs 55 bits, and only its last 24."""
    high = 2**31 - 1
    wide = Dense(np.full((1, 512), 255, np.int32), 7)
    fine = Synapses("fine", "x", Dense(np.arange(512, dtype=np.int32).reshape(1, 512) % 7 - 3, -8))
    rng = np.random.default_rng(0)
    x = np.concatenate([np.full((1, 2, 512), high), rng.integers(high - 5, high + 1, (6, 2, 512))])
    agree(target, single(wide, InputPort("x", (512,), 0, high), fine), x)
