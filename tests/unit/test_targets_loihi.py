"""The Loihi target: what it refuses, what it notes, and the Lava processes that it lowers to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.loihi.check import check, depths, message_bits, microcode, sign_mode
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.plan import compress, lower, unroll
from cortexcore.targets.loihi.timing import timing

ZERO = np.zeros((), np.int32)


def population(name: str, size: int, *synapses: Synapses, **changes: object) -> Population:
    return replace(Population(name, (size,), synapses, 4095, 300, 500, ZERO), **changes)


def synapses(
    name: str, source: str, rows: int, columns: int, weight: int = 2, exponent: int = 0, **k: bool
) -> Synapses:
    return Synapses(name, source, Dense(np.full((rows, columns), weight, np.int32), exponent), **k)


def network(*populations: Population, high: int = 127, width: int = 3) -> IntegerNetwork:
    port = InputPort("x", (width,), -high, high)
    return IntegerNetwork((port,), populations, (OutputPort("y", populations[-1].name),), 1e-3)


def chain(**changes: object) -> IntegerNetwork:
    a = population("a", 2, synapses("w", "x", 2, 3), **changes)
    return network(a, population("b", 2, synapses("v", "a", 2, 2)))


def reasons(net: IntegerNetwork) -> list[tuple[str, str]]:
    problems = check(net).problems
    assert all(p.remedy for p in problems)
    return [(p.node, p.reason) for p in problems]


def test_all_problems_at_once():
    odd = replace(synapses("w", "x", 2, 3), operation=Dense(np.array([[3, -2, 0]] * 2, np.int32)))
    net = network(population("a", 2, odd), population("b", 2, synapses("v", "a", 2, 2)), high=2**24)
    assert [node for node, _ in reasons(net)] == ["x", "w"]
    with pytest.raises(
        GraphError, match=r"'x': values in .* exceed 24 bits.*'w': weights in \[-2, 3\] leave the 8-bit"
    ):
        compile(net, "loihi")


def test_branches_of_unequal_depth_wait():
    a, b = population("a", 2, synapses("w", "x", 2, 3)), population("b", 2, synapses("v", "a", 2, 2))
    late = synapses("late", "a", 2, 2, recurrent=True)
    c = population("c", 2, synapses("long", "b", 2, 2), synapses("short", "a", 2, 2), late)
    net = network(a, b, c)
    assert depths(net) == {"a": 1, "b": 2, "c": 3}
    assert {s["name"]: s["delay"] for s in lower(net).structure["synapses"]} == {
        "a/0": 0,
        "b/0": 0,
        "c/0": 0,
        "c/1": 1,
        "c/2": 2,
    }
    assert check(net).ok
    assert check(net).notes == tuple(
        f"'{name}' waits {steps} steps more than a connection's one, by Loihi's synaptic delays"
        for name, steps in (("short", 1), ("late", 2))
    )


def test_a_wait_beyond_six_bits_is_refused():
    chain_of = [population("p0", 1, synapses("w0", "x", 1, 3))]
    for i in range(1, 66):
        chain_of.append(population(f"p{i}", 1, synapses(f"w{i}", f"p{i - 1}", 1, 1)))
    last = replace(chain_of[-1], synapses=(*chain_of[-1].synapses, synapses("short", "p0", 1, 1)))
    found = reasons(network(*chain_of[:-1], last))
    assert found == [
        ("short", "it bridges 64 connections of a longer branch, and a synapse delays by at most 63 steps")
    ]
    short = replace(chain_of[-2], synapses=(*chain_of[-2].synapses, synapses("short", "p0", 1, 1)))
    assert check(network(*chain_of[:-2], short)).ok


def test_an_input_may_reach_any_depth():
    b = population("b", 2, synapses("v", "a", 2, 2), synapses("late", "x", 2, 3))
    net = network(population("a", 2, synapses("w", "x", 2, 3)), b)
    assert check(net).ok and not check(net).notes
    sources = lower(net).structure["sources"]
    assert [(s["name"], s["input"], s["depth"], s["late"]) for s in sources] == [
        ("x@1", "x", 1, False),
        ("x@2", "x", 2, False),
    ]


def test_a_loop_over_several_populations_slows_the_chip_down():
    a = population("a", 2, synapses("w", "x", 2, 3), synapses("back", "b", 2, 2, recurrent=True))
    own = synapses("own", "b", 2, 2, recurrent=True)
    net = network(a, population("b", 2, synapses("v", "a", 2, 2), own))
    report = check(net)
    assert report.ok and timing(net).every == 2
    assert report.notes[:3] == (
        "'a' is not a hardware LIF: needs Loihi 2 microcode (it computes at one of 2 steps)",
        "'b' is not a hardware LIF: needs Loihi 2 microcode (it computes at one of 2 steps)",
        "a loop spans 2 connections, so the chip takes 2 steps for each of ours",
    )
    structure = lower(net).structure
    assert {p["process"] for p in structure["populations"]} == {"MicrocodeLIF"}
    assert [s["delay"] for s in structure["synapses"]] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"vth": None, "reset": "subtract"}, None),
        ({"reset": "subtract"}, "reset 'subtract'"),
        ({"reset": "subtract", "reset_delay": True}, "reset 'subtract', delayed"),
        ({"reset": "none"}, "reset 'none'"),
        ({"dv": 4096}, "dv of 4096, beyond 12 bits"),
        ({"vth": np.array([5, 6], np.int32)}, "du, dv or vth of each neuron's own"),
    ],
)
def test_what_is_no_hardware_lif_is_marked(changes, reason):
    """In the check, in the artifact, and as a refusal where the chip has no microcode."""
    net = network(population("a", 2, synapses("w", "x", 2, 3), **changes))
    said = f"'a' is not a hardware LIF: needs Loihi 2 microcode ({reason})"
    assert check(net).ok and check(net).notes == (() if reason is None else (said,))
    assert microcode(net.populations[0], timing(net)) == ([] if reason is None else [reason])
    process = lower(net).structure["populations"][0]["process"]
    assert process == ("LIFReset" if reason is None else "MicrocodeLIF")
    old = [(p.node, p.reason) for p in check(net, "loihi1").problems]
    assert old == ([] if reason is None else [("a", f"{reason}, which no LIF of Loihi 1 has")])
    if reason is not None:
        with pytest.raises(GraphError, match="take the chip 'loihi2'"):
            compile(net, "loihi", LoihiConfig(chip="loihi1"))


def test_a_leaky_integrator_sends_no_spikes():
    a = population("a", 2, synapses("w", "x", 2, 3), vth=None)
    found = reasons(network(a, population("b", 2, synapses("v", "a", 2, 2))))
    assert found == [("v", "'a' is a leaky integrator, which sends no spikes")]


@pytest.mark.parametrize(
    ("weights", "mode"),
    [
        ([-256, 254], "mixed"),
        ([0, 0], "mixed"),
        ([0, 255], "excitatory"),
        ([-255, -1], "inhibitory"),
        ([-3, 2], None),
        ([-256, -1], None),
    ],
)
def test_sign_modes_hold_the_weights_or_refuse_them(weights, mode):
    assert sign_mode(np.array(weights, np.int32)) == mode
    first = replace(synapses("w", "x", 1, 3), operation=Dense(np.array([[*weights, 0]], np.int32)))
    found = reasons(network(population("a", 1, first)))
    assert bool(found) == (mode is None)


def test_message_bits():
    assert [message_bits(*r) for r in ((0, 1), (-127, 127), (-128, 127), (0, 255), (-129, 0), (0, 0))] == [
        0,
        8,
        8,
        9,
        9,
        1,
    ]
    assert reasons(network(population("a", 1, synapses("w", "x", 1, 3)), high=2**24))[0][0] == "x"


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 3, 2, 2), (3, 1, 1, 4)])
def test_an_unrolled_convolution_is_the_convolution(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-2, 3, (4, 4 // groups, 3)) * 2).astype(np.int32)
    op = Conv1d(weight, 0, stride, padding, dilation, groups)
    data, indices, indptr = unroll(op, (11,))
    dense = np.zeros((len(indptr) - 1, 44), np.int64)
    for row in range(len(dense)):
        dense[row, indices[indptr[row] : indptr[row + 1]]] = data[indptr[row] : indptr[row + 1]]
    x = rng.integers(-9, 9, (5, 4, 11))
    assert np.array_equal(x.reshape(5, -1) @ dense.T, integer.apply(op, x, (4, 11)).reshape(5, -1))
    assert 0 not in data


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [((1, 1), (0, 0), (1, 1), 1), ((2, 3), (3, 1), (2, 1), 2), ((1, 2), (0, 2), (1, 4), 4)],
)
def test_an_unrolled_convolution_of_two_axes_is_the_convolution(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-2, 3, (4, 4 // groups, 3, 2)) * 2).astype(np.int32)
    op = Conv2d(weight, 0, stride, padding, dilation, groups)
    data, indices, indptr = unroll(op, (7, 6))
    dense = np.zeros((len(indptr) - 1, 4 * 7 * 6), np.int64)
    for row in range(len(dense)):
        np.add.at(dense[row], indices[indptr[row] : indptr[row + 1]], data[indptr[row] : indptr[row + 1]])
    x = rng.integers(-9, 9, (5, 4, 7, 6))
    assert np.array_equal(x.reshape(5, -1) @ dense.T, integer.apply(op, x, (4, 7, 6)).reshape(5, -1))
    assert 0 not in data


def test_graded_inputs_are_noted_for_the_chip_without_them():
    net = network(population("a", 2, synapses("w", "x", 2, 3)))
    binary = replace(net, inputs=(InputPort("x", (3,), 0, 1),))
    assert check(net, "loihi1").notes[0].startswith("'x' sends graded values, which spikes of Loihi 1 do not carry")
    assert not check(net).notes and not check(binary, "loihi1").notes


def test_a_dense_layer_is_sparse_where_that_is_smaller():
    """CSR stores two numbers per weight and one per row, and one more."""
    full, few = np.full((4, 6), 2, np.int32), np.zeros((4, 6), np.int32)
    few[1, [0, 5]], few[3, 2] = (2, -4), 6
    data, indices, indptr = compress(few)
    assert data.tolist() == [2, -4, 6] and indices.tolist() == [0, 5, 2] and indptr.tolist() == [0, 0, 2, 2, 3]
    half = few.copy()
    half[0] = 2  # 9 weights: 2·9 + 5 = 23 numbers of 24
    dense = half.copy()
    dense[2, 0] = 2
    kinds = []
    for weight in (full, few, half, dense):
        lowered = lower(network(population("a", 4, Synapses("w", "x", Dense(weight))), width=6))
        kinds.append(lowered.structure["synapses"][0]["kind"])
    assert kinds == ["dense", "sparse", "sparse", "dense"]


def test_an_output_may_not_have_the_name_of_a_trace():
    net = network(population("a", 2, synapses("w", "x", 2, 3)))
    named = replace(net, outputs=(OutputPort("u/a", "a"),))
    assert reasons(named) == [("u/a", "an output has the name of a trace")]


def test_the_digest_sees_structure_and_arrays():
    net = chain()
    same, other = lower(chain()), lower(chain(dv=301))
    biased = lower(chain(bias=np.ones((2,), np.int32)))
    assert lower(net).sha256 == same.sha256
    assert len({x.sha256 for x in (same, other, biased)}) == 3


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_the_waiting_time_is_checked(seconds):
    with pytest.raises(GraphError, match="positive number of seconds"):
        LoihiConfig(seconds)


def test_there_are_two_chips():
    with pytest.raises(GraphError, match="chip is 'loihi3', it must be one of loihi1, loihi2"):
        LoihiConfig(chip="loihi3")


def test_it_runs_whole_sequences_only():
    with pytest.raises(GraphError, match="whole sequences; stream with 'onnx' or 'integer'"):
        compile(chain(), "loihi").stepper()
