"""The mapping to Loihi's cores, against numbers worked out by hand and a table that Intel's own compiler printed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import GraphError
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.energy.operations import fan_out
from cortexcore.targets.loihi.mapping import chip_limits, map_network, mapping_problems
from cortexcore.targets.loihi.mapping.links import links
from cortexcore.targets.loihi.mapping.memory import grid_bits, list_words, store

ZERO = np.zeros((), np.int32)
CHIPS = ["loihi1", "loihi2"]


def full(rows: int, columns: int, weight: int = 2) -> Dense:
    return Dense(np.full((rows, columns), weight, np.int32))


def population(name: str, shape: tuple[int, ...], *feeds: tuple[str, object], **changes: object) -> Population:
    synapses = tuple(Synapses(f"{source}-{name}-{i}", source, op) for i, (source, op) in enumerate(feeds))
    return replace(Population(name, shape, synapses, 4095, 300, 500, ZERO), **changes)


def network(*populations: Population, inputs: tuple[int, ...] = (3,)) -> IntegerNetwork:
    port = InputPort("x", inputs, -127, 127)
    return IntegerNetwork((port,), populations, (OutputPort("y", populations[-1].name),), 1e-3)


def test_bits_of_a_grid_by_hand():
    """Steps of 2^(9−bits) with a sign, 2^(8−bits) without: ±2·k is 8 bits, ±32·k 4 bits, 0…255 is 8, 0…254 is 7."""
    grids = {(-256, 254): 8, (-256, 224): 4, (0, 255): 8, (0, 254): 7, (-255, -1): 8, (-256, 0): 1, (-3, 2): 9}
    for values, bits in grids.items():
        assert grid_bits(np.array(values, np.int32)) == bits, values


def test_words_of_lists_by_hand():
    """16 bits each: 3·16 + 10 = 58 → 1 word; 4·16 + 10 = 74 → 2; 64·16 + 10 = 1034 → 17; 65 → 17 and 26 bits → 18.
    Of 1 bit: 54 + 10 bits fill a word."""
    assert [list_words(np.array([n]), 16) for n in (0, 1, 3, 4, 64, 65, 128)] == [0, 1, 1, 2, 17, 18, 34]
    assert list_words(np.array([3, 0, 4]), 16) == 3
    assert [list_words(np.array([n]), 1) for n in (54, 55)] == [1, 2]


@pytest.mark.parametrize(("sources", "neurons", "words"), [(10, 1, 10), (50, 10, 150), (100, 50, 1300)])
def test_dense_layers_take_the_words_that_lavas_compiler_prints(sources, neurons, words):
    """The Synapses column of PilotNet's dense layers: lava-dl, netx/pilotnet_snn/benchmark.ipynb, its printed table."""
    signed = Dense(np.resize(np.array([-2, 2], np.int32), (neurons, sources)))
    (core,) = map_network(network(population("d", (neurons,), ("x", signed)), inputs=(sources,)), "loihi2").cores
    assert (core.synapse_words, core.axons_in) == (words, sources)


def test_a_kernel_takes_the_words_that_lavas_compiler_prints():
    """The same table: 24 kernels of 3·3·3 weights in 81 entries; 76,032 neurons need 10 cores, one axon into each."""
    kernel = np.full((24, 3, 3, 3), 2, np.int32)
    kernel[0, 0, 0, 0] = -2
    net = network(population("c", (24, 99, 32), ("x", Conv2d(kernel, 0, (2, 2)))), inputs=(3, 200, 66))
    link = links(net)[0]
    kept = store(
        "c", link.fan(0, 24 * 99 * 32), 3072, link.bits, 0, link.kernel_weights(0, 24 * 99 * 32), chip_limits("loihi2")
    )
    assert (kept.format, kept.words, kept.weight_bits, kept.index_bits) == ("shared", 81, 8, 0)
    cores = map_network(net, "loihi2").cores
    assert len(cores) == 10 and {core.axons_in for core in cores} == {1}


def test_an_index_is_as_wide_as_the_core_needs():
    limits = chip_limits("loihi2")
    kept = {n: store("s", np.array([3]), n, 8, 0, None, limits) for n in (256, 257, 8192)}
    assert [x.index_bits for x in kept.values()] == [8, 9, 13]


def test_a_core_holds_the_kernels_of_its_own_channels():
    """3 channels of 10 positions and 5 taps: neurons 5 to 24 belong to all three, 10 to 19 to one, 10 to 20 to two."""
    link = links(network(population("c", (3, 10), ("x", Conv1d(np.full((3, 1, 5), 2, np.int32)))), inputs=(1, 14)))[0]
    assert [link.kernel_weights(*part) for part in ((5, 25), (10, 20), (10, 21), (0, 30))] == [15, 5, 10, 15]


def test_a_shared_kernel_takes_one_axon_from_each_core():
    """9,000 neurons on two of Loihi 2's cores of 8,192 send to a convolution whose core reaches both."""
    first, second = Conv1d(np.full((3, 1, 1), 2, np.int32)), Conv1d(np.full((1, 3, 4), 2, np.int32), 0, 4)
    c = population("c", (3, 3000), ("x", first))
    cores = map_network(network(c, population("d", (1, 750), ("c", second)), inputs=(1, 3000)), "loihi2").cores
    assert [(core.population, core.axons_in, core.axons_out) for core in cores] == [
        ("c", 1, 1),
        ("c", 1, 1),
        ("d", 2, 0),
    ]


def test_the_smallest_format_is_kept():
    """8 neurons, 8-bit weights, on Loihi 1: a full list is 8·8 + 10 = 74 bits without indices and 8·14 + 10 = 122 with
    6 index bits, 2 words either way; 3 synapses take 1 word with indices, and 2 as a list of all 8."""
    limits = chip_limits("loihi1")
    kept = store("s", np.array([3, 3, 0]), 8, 8, 0, None, limits)
    assert (kept.format, kept.words, kept.count, kept.index_bits) == ("sparse", 2, 6, 6)
    kept = store("s", np.full(5, 40), 40, 8, 0, None, limits)
    assert (kept.format, kept.words, kept.index_bits) == ("dense", 5 * 6, 0)


def test_a_delay_takes_bits_of_every_synapse():
    """c reads b, one step before it, and a, two steps before: a delay of one step, one bit. On Loihi 1 a list of 56
    synapses of 8 bits takes 458 bits, 8 words, and 514 bits, 9 words, with it. On Loihi 2 three synapses of 16 bits
    take 58 bits, with 2 more each 64, with 3 more 67."""
    a, b = population("a", (3,), ("x", full(3, 3))), population("b", (3,), ("a", full(3, 3)))
    cores = map_network(network(a, b, population("c", (3,), ("b", full(3, 3)), ("a", full(3, 3)))), "loihi1").cores
    assert [s.delay_bits for s in cores[2].synapses] == [0, 1]
    limits = chip_limits("loihi1")
    assert [store("s", np.full(1, 56), 56, 8, bits, None, limits).words for bits in (0, 1)] == [8, 9]
    sparse = [store("s", np.array([3]), 9, 8, bits, None, chip_limits("loihi2")).words for bits in (0, 2, 3)]
    assert sparse == [1, 1, 2]


def test_one_core_each_by_hand():
    """Two of three inputs reach a through a weight that is not zero, and one of a's two neurons reaches b."""
    first = Dense(np.array([[20, -2, 0], [2, 2, 0]], np.int32))
    second = Dense(np.array([[2, 0], [4, 0], [-8, 0]], np.int32))
    mapping = map_network(network(population("a", (2,), ("x", first)), population("b", (3,), ("a", second))), "loihi1")
    a, b = mapping.cores
    assert (a.neurons, a.axons_in, a.axons_out, a.synapse_count, a.synapse_words) == (2, 2, 1, 4, 2)
    assert (b.neurons, b.axons_in, b.axons_out, b.synapse_count, b.synapse_words) == (3, 1, 0, 3, 1)
    assert (a.synapses[0].weight_bits, b.synapses[0].weight_bits, a.synapse_bytes) == (8, 8, 16)
    assert mapping.tiles == 1 and [core.groups for core in mapping.cores] == [1, 1]


def test_neurons_split_a_population():
    """1,025 neurons of Loihi 1's 1,024 a core: 512 and 513."""
    mapping = map_network(network(population("a", (1025,), ("x", full(1025, 3)))), "loihi1")
    assert [(core.first, core.last) for core in mapping.cores] == [(0, 512), (512, 1025)]


def test_synapse_memory_splits_a_population():
    """Loihi 2: 1,000 sources with 7 + 8 bits a synapse to 60 neurons take 910 bits, 15 words each, 15,000 of 12,000; to
    30 they take 460 bits, 8 words each."""
    mapping = map_network(network(population("a", (60,), ("x", full(60, 1000))), inputs=(1000,)), "loihi2")
    assert [core.synapse_words for core in mapping.cores] == [8000, 8000]


def test_axons_in_split_a_population():
    """5,000 inputs, each to one of 50 neurons: two cores read 2,500 each."""
    weight = np.kron(np.eye(50, dtype=np.int32), np.full((1, 100), 2, np.int32))
    mapping = map_network(network(population("a", (50,), ("x", Dense(weight))), inputs=(5000,)), "loihi1")
    assert [core.axons_in for core in mapping.cores] == [2500, 2500]


def test_axons_out_split_what_sends():
    """b takes 5 cores on Loihi 1, so that each of a's 1,000 neurons needs 5 axons: 5,000 of 4,096, hence two cores."""
    a, b = population("a", (1000,), ("x", full(1000, 3))), population("b", (4200,), ("a", full(4200, 1000)))
    cores = map_network(
        network(a, replace(b, synapses=(replace(b.synapses[0], operation=_thin(4200, 1000)),))), "loihi1"
    ).cores
    assert [core.axons_out for core in cores if core.population == "a"] == [2500, 2500]
    assert sum(core.population == "b" for core in cores) == 5


def _thin(rows: int, columns: int) -> Dense:
    """Each source reaches five neurons, one in each fifth of the rows."""
    weight = np.zeros((rows, columns), np.int32)
    for fifth in range(5):
        weight[fifth * (rows // 5) + np.arange(columns) % (rows // 5), np.arange(columns)] = 2
    return Dense(weight)


def test_multicast_needs_one_axon_per_neuron():
    """On Loihi 2 the 60 neurons that read all 1,000 of a take two cores, and each of a's neurons still one axon."""
    a, b = population("a", (1000,), ("x", full(1000, 3))), population("b", (60,), ("a", full(60, 1000)))
    cores = map_network(network(a, b), "loihi2").cores
    assert [core.population for core in cores] == ["a", "b", "b"] and cores[0].axons_out == 1000


def test_a_neuron_that_reads_too_much_is_refused_with_numbers():
    net = network(population("a", (2,), ("x", full(2, 5000))), inputs=(5000,))
    for chip in CHIPS:
        (problem,) = mapping_problems(net, chip)
        assert problem.node == "a"
        assert "reads 5,000 values" in problem.reason and "takes 4,096" in problem.reason
        assert "at most 4,096" in problem.remedy
    with pytest.raises(GraphError, match="target 'loihi' cannot take this network: 'a': a neuron of it reads 5,000"):
        map_network(net, "loihi1")


def test_a_kernel_too_large_for_a_core_is_refused_with_numbers():
    """2 channels of 96,001 taps of 8 bits: 12,001 words each."""
    kernel = np.full((2, 1, 96001), 2, np.int32)
    kernel[0, 0, 0] = -2
    net = network(population("a", (2, 1), ("x", Conv1d(kernel))), inputs=(1, 96001))
    (problem,) = mapping_problems(net, "loihi2")
    assert "take 12,001 words of 64 bits" in problem.reason and "has 12,000" in problem.reason


@pytest.mark.parametrize("chip", CHIPS)
def test_as_many_axons_as_a_core_takes_fit_and_one_more_does_not(chip):
    fits, over = (network(population("a", (1,), ("x", full(1, n))), inputs=(n,)) for n in (4096, 4097))
    (core,) = map_network(fits, chip).cores
    assert core.axons_in == 4096
    (problem,) = mapping_problems(over, chip)
    assert "reads 4,097 values" in problem.reason


def test_a_kernel_that_fills_a_core_fits():
    """96,000 taps of 8 bits: 12,000 words."""
    kernel = np.full((1, 1, 96000), 2, np.int32)
    kernel[0, 0, 0] = -2
    (core,) = map_network(network(population("a", (1, 1), ("x", Conv1d(kernel))), inputs=(1, 96000)), "loihi2").cores
    assert core.synapse_words == 12000


def test_a_network_too_large_for_the_chip_is_refused_with_numbers():
    """131,073 neurons on Loihi 1's 128·1,024: 129 cores of 128, 0.8 % and hence 1 % too many."""
    net = network(population("a", (131073,), ("x", full(131073, 1))), inputs=(1,))
    (problem,) = mapping_problems(net, "loihi1")
    assert "needs about 129 cores ('a' 129), and Loihi 1 has 128: 1 % too many" in problem.reason
    assert problem.remedy and mapping_problems(net, "loihi2") == []
    assert mapping_problems(network(population("a", (131072,), ("x", full(131072, 1))), inputs=(1,)), "loihi1") == []


def test_more_populations_than_cores_are_refused():
    """129 populations of one neuron, a core each."""
    populations = [population(f"p{i}", (1,), (f"p{i - 1}" if i else "x", full(1, 1))) for i in range(129)]
    (problem,) = mapping_problems(network(*populations, inputs=(1,)), "loihi1")
    assert "about 129 cores" in problem.reason and "Loihi 1 has 128" in problem.reason


def test_a_pruned_kernel_that_reads_too_much_is_refused_by_what_it_reads():
    """Of 64,000 taps 5,000 are left, fewer words as single synapses than the kernel, but an axon each."""
    kernel = np.zeros((2, 1, 64000), np.int32)
    kernel[1, 0, :5000], kernel[:, 0, -1] = 2, -2
    net = network(population("a", (2, 1), ("x", Conv1d(kernel))), inputs=(1, 64000))
    (problem,) = mapping_problems(net, "loihi2")
    assert "needs 5,001 axons in" in problem.reason and "has 4,096" in problem.reason


def test_a_neuron_with_too_many_axons_out_is_refused_with_numbers():
    """One neuron feeds 125 cores through 33 connections: 4,125 axons."""
    rows = 125 * 1024
    feeds = [("a", full(rows, 1)) for _ in range(33)]
    net = network(population("a", (1,), ("x", full(1, 3))), population("b", (rows,), *feeds))
    (problem,) = mapping_problems(net, "loihi1")
    assert problem.node == "a" and "needs 4,125 axons out" in problem.reason and "has 4,096" in problem.reason


def test_cores_fill_tiles_in_order_and_rows_of_the_mesh():
    limits = chip_limits("loihi1")
    assert [limits.tile(i) for i in (0, 3, 4, 31, 32, 127)] == [(0, 0), (0, 0), (1, 0), (7, 0), (0, 1), (7, 3)]


def test_neurons_of_several_settings_are_groups():
    du = np.array([4095, 4095, 100], np.int32)
    mapping = map_network(network(population("a", (3,), ("x", full(3, 3)), du=du)), "loihi2")
    assert mapping.cores[0].groups == 2


def test_every_limit_is_cited_and_graded():
    for chip in CHIPS:
        limits = chip_limits(chip)
        named = set(limits.__dataclass_fields__) - {"title", "sources"}
        assert set(limits.sources) == named
        assert all(source.endswith(("[R]", "[P]", "[P2]", "[D]", "[A]")) for source in limits.sources.values())
    with pytest.raises(GraphError, match="chip is 'loihi3', it must be one of loihi1, loihi2"):
        chip_limits("loihi3")


@st.composite
def networks(draw) -> IntegerNetwork:
    """An input of spatial shape, a convolution or not, dense layers with zeros, and perhaps a loop."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.floats(0, 1))

    def weights(*shape: int) -> np.ndarray:
        return (rng.integers(-128, 128, shape) * 2 * (rng.random(shape) < density)).astype(np.int32)

    length, channels = draw(st.integers(3, 90)), draw(st.integers(1, 4))
    op = Conv1d(weights(draw(st.integers(1, 30)), channels, 3), 0, draw(st.integers(1, 2)), draw(st.integers(0, 2)))
    shape = (len(op.weight), *op.window.positions((length,)))
    populations = [population("c", shape, ("x", op))]
    for i in range(draw(st.integers(0, 3))):
        source, size = populations[-1], draw(st.integers(1, 1500))
        populations.append(population(f"d{i}", (size,), (source.name, Dense(weights(size, source.size)))))
    last = populations[-1]
    if draw(st.booleans()) and last.size < 400:
        loop = Synapses("loop", last.name, Dense(weights(last.size, last.size)), recurrent=True)
        populations[-1] = replace(last, synapses=(*last.synapses, loop))
    return network(*populations, inputs=(channels, length))


@settings(deadline=None, max_examples=40)
@given(networks(), st.sampled_from(CHIPS))
def test_cores_keep_their_limits_and_lose_nothing(net, chip):
    problems = mapping_problems(net, chip)
    if problems:
        assert all(p.reason and p.remedy for p in problems)
        return
    mapping = map_network(net, chip)
    assert mapping.cores == map_network(net, chip).cores
    limits = mapping.limits
    assert len(mapping.cores) <= limits.cores
    for core in mapping.cores:
        assert 0 < core.neurons <= limits.neurons and core.synapse_words <= limits.synapse_words
        assert core.axons_in <= limits.axons_in and core.axons_out <= limits.axons_out
    for p in net.populations:
        cores = [core for core in mapping.cores if core.population == p.name]
        assert [core.first for core in cores] == [0, *(core.last for core in cores[:-1])] and cores[-1].last == p.size
        met = sum(int(fan_out(s.operation, net.shape_of(s.source))[1].sum()) for s in p.synapses)
        assert sum(s.count for core in cores for s in core.synapses) == met
