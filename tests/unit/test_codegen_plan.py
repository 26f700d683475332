"""What the generator chooses: types, kernels, buffers, and the order of weights, on layers small enough to follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim.codegen.cost import CORES, event_driven
from cortexcore.firmware_sim.codegen.generate import generate
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.firmware_sim.codegen.weights import in_lanes, packed

ZERO = np.zeros((), np.int32)
HOST = CodegenOptions("event", "host")


def population(name: str, shape: tuple[int, ...], *synapses: Synapses, **changes: object) -> Population:
    return replace(Population(name, shape, synapses, 4095, 400, 600, ZERO), **changes)


def network(*populations: Population, port: InputPort | None = None, metadata: dict | None = None) -> IntegerNetwork:
    first = port or InputPort("x", (3,), 0, 1)
    return IntegerNetwork((first,), populations, (OutputPort("y", populations[-1].name),), 1e-3, metadata or {})


def dense(weight: list[list[int]], name: str = "w", source: str = "x", exponent: int = 0) -> Synapses:
    return Synapses(name, source, Dense(np.array(weight, np.int32), exponent))


def test_an_event_driven_table_has_a_row_per_source_without_the_common_power_of_two():
    (link,) = plan(network(population("a", (2,), dense([[2, 4, 6], [8, -2, 0]]))), HOST).links
    assert link.weight_bits == 8
    assert link.rows.tolist() == [[1, 4], [2, -1], [3, 0]]


def test_a_dense_table_has_a_row_per_target():
    (link,) = plan(network(population("a", (2,), dense([[2, 4, 6], [8, -2, 0]]))), replace(HOST, kernel="dense")).links
    assert link.rows.tolist() == [[1, 2, 3], [4, -1, 0]]


def test_weights_that_8_bits_do_not_hold_take_16():
    (link,) = plan(network(population("a", (1,), dense([[255, -1, 3]]))), HOST).links
    assert link.weight_bits == 16 and link.rows.dtype == np.int16


def test_packing_takes_what_fits_into_4_bits_alone():
    small = network(population("a", (1,), dense([[-16, 14, 2]])))
    large = network(population("a", (1,), dense([[-16, 16, 2]])))
    assert [plan(n, replace(HOST, pack=True)).links[0].weight_bits for n in (small, large)] == [4, 8]
    assert plan(small, HOST).links[0].weight_bits == 8


def test_packed_rows_hold_the_lower_half_first_and_end_on_a_byte():
    assert packed(np.array([[1, -1, 7], [-8, 0, 2]], np.int8)).tolist() == [[0xF1, 0x07], [0x08, 0x02]]


def test_lanes_exchange_the_inner_two_of_each_whole_four():
    assert in_lanes(np.arange(10)[None]).tolist() == [[0, 2, 1, 3, 4, 6, 5, 7, 8, 9]]


def test_populations_keep_their_channels_last():
    """c has 2 channels of 2 neurons; rows for it come as the channels of its first position, then of its second."""
    conv = Conv1d(np.array([[[2]], [[4]]], np.int32))
    c = population("c", (2, 2), Synapses("k", "x", conv))
    d = population("d", (1,), dense([[2, 4, 6, 8]], "w", "c"))
    links = plan(network(c, d, port=InputPort("x", (1, 2), 0, 1)), HOST).links
    assert links[0].rows.tolist() == [[1, 2]]
    assert links[1].rows.tolist() == [[1], [3], [2], [4]]


def test_sums_are_narrow_where_they_are_proven_to_hold():
    fits, too_many = [[127 * 2] * 258], [[127 * 2] * 259]
    assert 127 * 258 <= 2**15 - 1 < 127 * 259
    for weight, bits in ((fits, 16), (too_many, 32)):
        port = InputPort("x", (len(weight[0]),), 0, 1)
        (sums,) = plan(network(population("a", (1,), dense(weight)), port=port), HOST).layers[0].sums
        assert sums.bits == bits
    graded = InputPort("x", (3,), -1, 1)
    assert plan(network(population("a", (1,), dense([[2, 2, 2]])), port=graded), HOST).layers[0].sums[0].bits == 32


def test_connections_share_sums_where_no_right_shift_follows():
    a = population("a", (2,), dense([[2, 2, 2]] * 2, exponent=3))
    same = population("b", (1,), dense([[2, 2]], "p", "a", 1), dense([[4, 4]], "q", "a", 0))
    shifted = population("b", (1,), dense([[2, 2]], "p", "a", -3), dense([[2, 2]], "q", "a", -3))
    assert len(plan(network(a, same), HOST).layers[1].sums) == 1
    assert len(plan(network(a, shifted), HOST).layers[1].sums) == 2


def test_what_is_read_a_step_late_is_copied_only_where_the_source_has_moved_on():
    late = replace(dense([[2, 2]], "late", "a"), recurrent=True)
    loop = replace(dense([[2]], "loop", "b"), recurrent=True)
    a = population("a", (2,), dense([[2, 2, 2]] * 2))
    planned = plan(network(a, population("b", (1,), late, loop)), HOST)
    assert [sorted(layer.late) for layer in planned.layers] == [["list"], []]
    assert [link.late for link in planned.layers[1].sums[0].links] == [True, False]


def test_the_kernel_follows_the_expected_rate():
    c = population("c", (16, 13), Synapses("k", "x", Conv1d(np.full((16, 8, 5), 2, np.int32), 0, 2)))
    port = InputPort("x", (8, 30), 0, 1)
    chosen = [plan(network(c, port=port), CodegenOptions(rates={"x": rate})).links[0].event for rate in (0.1, 0.99)]
    assert chosen == [True, False]


def test_rows_of_a_convolution_come_by_tap_then_channel():
    """weight[out, in, tap] = 100·out + 10·in + tap + 1: two outputs, two inputs, three taps."""
    weight = np.array([[[1, 2, 3], [11, 12, 13]], [[101, 102, 103], [111, 112, 113]]], np.int32)
    c = population("c", (2, 4), Synapses("k", "x", Conv1d(weight)))
    net = network(c, port=InputPort("x", (2, 6), 0, 1))
    (link,) = plan(net, HOST).links
    assert link.rows.tolist() == [[1, 101], [11, 111], [2, 102], [12, 112], [3, 103], [13, 113]]
    (link,) = plan(net, replace(HOST, kernel="dense")).links
    assert link.rows.tolist() == [[1, 2, 3, 11, 12, 13], [101, 102, 103, 111, 112, 113]]


@pytest.mark.parametrize("core", sorted(CORES))
@pytest.mark.parametrize("kind", ["dense", "conv", "line"])
@pytest.mark.parametrize("sent", ["narrow", "wide"])
def test_without_spikes_the_event_driven_kernel_always_wins(core, kind, sent):
    assert event_driven(core, kind, sent, 0.0, 64)


def test_wrong_options_are_named():
    for changes, words in (
        ({"kernel": "sparse"}, "kernel is 'sparse'"),
        ({"core": "z80"}, "the core 'z80'"),
        ({"rate": 1.5}, "rate is 1.5"),
        ({"rates": {"a": -1}}, "the rate of 'a' is -1"),
    ):
        with pytest.raises(GraphError, match=words):
            CodegenOptions(**changes)


def test_memory_by_hand():
    """Tables: 2 rows of 3 weights and 3 biases of 16 bits, each on whole words. State: v, list and its count, sums."""
    a = population("a", (3,), dense([[2, 4]] * 3), bias=np.array([1, 2, 3], np.int32))
    planned = plan(network(a, port=InputPort("x", (2,), 0, 1)), HOST)
    assert memory(planned).tables == 8 + 8
    assert memory(planned).state == 12 + (4 + 8) + 8 + (4 + 4)


def test_the_same_model_gives_the_same_text():
    texts = [generate(network(population("a", (2,), dense([[2, 4, 6], [8, -2, 0]]))), None, HOST) for _ in range(2)]
    assert texts[0] == texts[1] and sorted(texts[0]) == ["model.c", "model.h"]
