"""The modelled energy of a bit width: by hand on a counted network, and equal to the break-even model at 8 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import QuantizationError
from cortexcore.export.batches import SLICE
from cortexcore.export.graph import Graph
from cortexcore.export.integer import run
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import LIF, CubaLIF, Input, Linear, Output
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.targets.energy.bits import PRICING, joules, layer_energies_j
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.operations import count

FETCH, ADD, MUL8, MUL32 = 5e-12 / 32, 0.1e-12, 0.2e-12, 3.1e-12
UPDATE = MUL32 + 3 * ADD + 2 * 5e-12
"""Horowitz 2014, as in constants.json; an update reads and writes one 32-bit state."""


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def by_hand(bits: int) -> IntegerNetwork:
    """3 inputs in [−9, 9] into 2 neurons that spike every step and excite each other one step later."""
    weight, loop = np.array([[2, 0, 4], [0, 0, 6]], np.int32), np.array([[0, 2], [0, 0]], np.int32)
    n = Population(
        "n",
        (2,),
        (Synapses("in", "x", Dense(weight)), Synapses("loop", "n", Dense(loop), True)),
        du=4095,
        dv=0,
        vth=0,
        bias=np.array(4000, np.int32),
    )
    layers = {"in": {"bits": bits}, "loop": {"bits": 8}}
    metadata = {"quantization": {"populations": {"n": {"layers": layers}}}}
    return IntegerNetwork((InputPort("x", (3,), -9, 9),), (n,), (OutputPort("y", "n"),), 1e-3, metadata)


@pytest.mark.parametrize("bits", [8, 3])
def test_by_hand(bits: int) -> None:
    network = by_hand(bits)
    inputs = {"x": np.array([[[5, 1, 0]], [[0, 0, 7]], [[0, 0, 0]]])}
    trace = run(network, inputs)
    assert trace.spikes["n"].all()
    # "in": three values ≠ 0 meet 2 weights each; of these 1 + 0 + 2 are not zero, and graded.
    # "loop": both spikes of steps 0 and 1 arrive, 4 values meet 2 weights each; 2 of these are not zero.
    wanted = 6 * bits * FETCH + 3 * (ADD + MUL8) + 8 * 8 * FETCH + 2 * ADD + 3 * 2 * UPDATE
    assert joules(network, inputs, trace) == pytest.approx(wanted, rel=1e-12, abs=0)
    counts = replace(network, inputs=(InputPort("x", (3,), 0, 9),))  # graded in one direction alone
    assert joules(counts, inputs, trace) == pytest.approx(wanted, rel=1e-12, abs=0)
    per_bit, rest = layer_energies_j(network, inputs)
    assert per_bit["in"] * bits + per_bit["loop"] * 8 + rest == pytest.approx(wanted, rel=1e-12, abs=0)


def graph(current: bool) -> Graph:
    rng = np.random.default_rng(0)
    weight = rng.choice([-1.0, 1.0], (5, 4)) * rng.uniform(0.4, 1.0, (5, 4))
    one = num(1.0)
    neuron = (
        CubaLIF((5,), num(4e-3), num(8e-3), num(8.0), num(0), one, num(4.0), "zero")
        if current
        else LIF((5,), num(5e-3), num(5.0), num(0), one, "zero")
    )
    nodes = {"x": Input((4,)), "fc": Linear(weight), "n": neuron, "y": Output((5,))}
    return Graph(nodes, (("x", "fc"), ("fc", "n"), ("n", "y")), 1e-3, "euler")


@pytest.mark.parametrize("current", [False, True])
def test_at_8_bits_it_is_the_break_even_models_snn(current: bool) -> None:
    inputs = {"x": np.random.default_rng(1).integers(0, 2, (30, 7, 4))}
    network = quantize(graph(current), QuantizationConfig(), inputs)
    assert np.all(network.population("n").synapses[0].operation.weight)
    trace = run(network, inputs)
    snn = break_even(count(network, inputs, trace)).figures["SNN"].value
    assert joules(network, inputs, trace) / 7 == pytest.approx(snn, rel=1e-12, abs=0)


def test_it_says_what_it_is_and_wants_to_know_the_bits() -> None:
    assert PRICING.kind == "modelled" and "Horowitz" in PRICING.source and "nothing else" in PRICING.conditions
    network = by_hand(8)
    inputs = {"x": np.ones((2, 1, 3), np.int64)}
    with pytest.raises(QuantizationError, match="how many bits in, loop have"):
        joules(replace(network, metadata={}), inputs, run(network, inputs))


def test_signed_spikes_are_added_and_graded_values_multiplied() -> None:
    inputs = {"x": np.array([[[-1, 1, 1]]])}
    graded = by_hand(8)
    signed = replace(graded, inputs=(InputPort("x", (3,), -1, 1),))
    spent = [joules(network, inputs, run(network, inputs)) for network in (graded, signed)]
    assert spent[0] - spent[1] == pytest.approx(3 * MUL8, rel=1e-9, abs=0)


def test_the_mean_over_more_inferences_than_run_at_once() -> None:
    network = by_hand(8)
    one = np.array([[[5, 1, 0]], [[0, 0, 7]], [[0, 0, 0]]])
    wanted, others = layer_energies_j(network, {"x": one})
    per_bit, rest = layer_energies_j(network, {"x": np.repeat(one, 3 * SLICE, axis=1)})
    assert per_bit == pytest.approx(wanted, rel=1e-9, abs=0) and rest == pytest.approx(others, rel=1e-9, abs=0)
