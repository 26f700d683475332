"""The step form's memory: what is bound to it stays right, and what does not fit is told as anywhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.onnx.integer.exact import input_dtype, multiplies_in_int8

pytest.importorskip("onnx")


def spiking(high: int = 1) -> IntegerNetwork:
    weight = (np.random.default_rng(0).integers(-128, 128, (6, 9)) * 2).astype(np.int32)
    p = Population("p", (6,), (Synapses("w", "x", Dense(weight, 1)),), 700, 300, 500, np.zeros((), np.int32))
    return IntegerNetwork((InputPort("x", (9,), 0, high),), (p,), (OutputPort("y", "p"),), 1e-3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.bool_, np.float64])
@pytest.mark.parametrize("high", [1, 100, 200])
def test_every_type_of_input_steps_as_the_sequence_runs(dtype, high):
    network = spiking(high)
    x = np.random.default_rng(1).integers(0, min(high, 1 if dtype == np.bool_ else 127) + 1, (8, 2, 9)).astype(dtype)
    golden, stepper = integer.run(network, {"x": x.astype(int)}), compile(network, "onnx").stepper()
    stepper.start(2)
    for t in range(8):
        assert np.array_equal(stepper.step({"x": x[t]})["y"], golden.outputs["y"][t])
    assert 0 < golden.outputs["y"].mean() < 1


@pytest.mark.parametrize(
    "bad", [np.int8(-1), np.int8(2), np.uint8(255), np.uint8(2), np.int64(256), np.int64(257), np.float32(0.5)]
)
def test_values_out_of_range_are_told_and_leave_the_state_as_it_was(bad):
    network = spiking()
    x = np.random.default_rng(1).integers(0, 2, (4, 1, 9))
    golden, stepper = integer.run(network, {"x": x}).outputs["y"], compile(network, "onnx").stepper()
    for t in range(4):
        with pytest.raises(DataError, match="input 'x' holds values"):
            stepper.step({"x": np.full((1, 9), bad)})
        assert np.array_equal(stepper.step({"x": x[t].astype(np.int8)})["y"], golden[t])


def test_unfit_inputs_are_named():
    stepper = compile(spiking(), "onnx").stepper()
    for inputs, said in (
        ({"x": np.zeros((1, 8), np.int8)}, "shape"),
        ({"x": np.zeros((2, 9), np.uint8)}, "holds 2 inferences"),
        ({"z": np.zeros((1, 9), np.int8)}, "inputs are"),
    ):
        with pytest.raises(DataError, match=said):
            stepper.step(inputs)


def test_steppers_and_what_they_returned_do_not_share_memory():
    compiled = compile(spiking(), "onnx")
    one, other = compiled.stepper(), compiled.stepper()
    ones, zeros = np.ones((1, 9), np.int8), np.zeros((1, 9), np.int8)
    first = one.step({"x": ones})["y"]
    kept = first.copy()
    for _ in range(5):
        one.step({"x": ones})
        assert not other.step({"x": zeros})["y"].any()
    assert np.array_equal(first, kept) and kept.any()
    for _ in range(9):
        one.step({"x": zeros})
        assert np.array_equal(first, kept)
    one.start()
    assert np.array_equal(one.step({"x": ones})["y"], kept)


@pytest.mark.parametrize(("low", "high", "bad"), [(0, 200, -100), (5, 9, 3), (1, 1, 0), (0, 127, -1), (0, 255, -3)])
def test_eight_bits_that_the_port_does_not_hold_are_told(low, high, bad):
    """A negative int8 would read as a value from 128 up, and a port need not begin at 0."""
    network = replace(spiking(), inputs=(InputPort("x", (9,), low, high),))
    with pytest.raises(DataError, match="input 'x' holds values"):
        compile(network, "onnx").stepper().step({"x": np.full((1, 9), bad, np.int8)})


def test_products_in_int8_only_where_every_processor_has_them_exact():
    """x86 without VNNI adds two products of 8 bits in 16: 2·high·max|w| must fit, and no source may be negative."""
    weight = np.array([[254, -256]], np.int32)
    assert multiplies_in_int8(Dense(weight), (0, 1)) and multiplies_in_int8(Dense(weight), (0, 127))
    assert not multiplies_in_int8(Dense(weight), (0, 128)) and not multiplies_in_int8(Dense(weight), (-1, 1))
    assert not multiplies_in_int8(Dense(np.array([[255, 1]], np.int32)), (0, 1))
    assert not multiplies_in_int8(Dense(np.array([[2, 1]], np.int32)), (0, 256))
    assert [input_dtype(InputPort("x", (1,), *r)) for r in ((0, 1), (0, 255), (-1, 1), (0, 256), (-5, 70000))] == [
        "uint8",
        "uint8",
        "int8",
        "int16",
        "int32",
    ]
