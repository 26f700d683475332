"""Loihi's costs: counts per core, energy and time against values worked out by hand, and sums that add up."""

from __future__ import annotations

import html

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.energy.constants import constant, constants
from cortexcore.targets.energy.loihi import ROWS, STATIC, layer_energy_j
from cortexcore.targets.energy.loihi_latency import ROWS as TIME_ROWS
from cortexcore.targets.energy.operations import count
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.mapping import chip_limits, count_activity, map_network
from cortexcore.targets.loihi.profile import loihi_profile
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report import profiles_html

ZERO = np.zeros((), np.int32)
CHIPS = ["loihi1", "loihi2"]
PICO = 1e-12


def close(value: float) -> object:
    """Equal but for the rounding of float64 sums."""
    return pytest.approx(value, rel=1e-9, abs=0)


def two_layers() -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """Three inputs, two neurons with a loop, one readout. In step 0 x = (1, 5, 0) and a[0] fires; in step 1 its spike
    comes back to a[1] alone. Each population has a core of its own, both on the first tile."""
    first = np.array([[20, 0, 2], [2, 2, 0]], np.int32)
    loop = np.array([[0, 2], [2, 2]], np.int32)
    feeds = (Synapses("w", "x", Dense(first)), Synapses("l", "a", Dense(loop), recurrent=True))
    a = Population("a", (2,), feeds, 4095, 0, 15, ZERO)
    r = Population("r", (1,), (Synapses("o", "a", Dense(np.array([[2, 0]], np.int32))),), 100, 0, None, ZERO)
    network = IntegerNetwork((InputPort("x", (3,), -9, 9),), (a, r), (OutputPort("y", "r"),), 1e-3)
    return network, {"x": np.array([[[1, 5, 0]], [[0, 0, 0]]])}


def chain(length: int) -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """Populations of one neuron, each feeding the next; all fire in the single step."""
    populations = []
    for i in range(length):
        feed = Synapses(f"s{i}", f"p{i - 1}" if i else "x", Dense(np.array([[4]], np.int32)))
        populations.append(Population(f"p{i}", (1,), (feed,), 4095, 0, 1, ZERO))
    port = InputPort("x", (1,), 0, 1)
    return IntegerNetwork((port,), tuple(populations), (OutputPort("y", f"p{length - 1}"),), 1e-3), {
        "x": np.ones((1, 1, 1), int)
    }


def mixed() -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """A convolution that Loihi 1 splits, a wide layer with a loop, a readout."""
    rng = np.random.default_rng(7)

    def weights(*shape: int) -> np.ndarray:
        return (rng.integers(-128, 128, shape) * 2 * (rng.random(shape) < 0.5)).astype(np.int32)

    c = Population("c", (30, 60), (Synapses("w", "x", Conv1d(weights(30, 2, 5), -2, 1, 2)),), 4095, 400, 300, ZERO)
    feeds = (Synapses("d", "c", Dense(weights(90, 1800))), Synapses("l", "b", Dense(weights(90, 90)), recurrent=True))
    b = Population("b", (90,), feeds, 900, 400, 900, ZERO)
    r = Population("r", (4,), (Synapses("o", "b", Dense(weights(4, 90))),), 4095, 200, None, ZERO)
    network = IntegerNetwork((InputPort("x", (2, 60), -127, 127),), (c, b, r), (OutputPort("y", "r"),), 1e-3)
    return network, {"x": rng.integers(-127, 128, (6, 3, 2, 60)) * (rng.random((6, 3, 2, 60)) < 0.3)}


def profiled(built: tuple[IntegerNetwork, dict[str, np.ndarray]], chip: str) -> Profile:
    return loihi_profile(built[0], LoihiConfig(chip=chip), built[1])  # type: ignore[arg-type]


def test_counts_per_core_by_hand():
    network, inputs = two_layers()
    trace = integer.run(network, inputs)
    counts = count_activity(map_network(network, "loihi1"), network, inputs, trace)
    assert list(counts.synops) == ["dense"]
    assert counts.synops["dense"][:, 0].tolist() == [[3, 1], [1, 0]]
    assert counts.active[:, 0].tolist() == [[2, 1], [1, 1]]
    assert counts.spikes[:, 0].tolist() == [[1, 0], [0, 0]]
    assert counts.received[:, 0].tolist() == [[2, 1], [1, 0]]
    assert counts.sent[:, 0].tolist() == [[1, 0], [1, 0]]
    assert counts.messages.tolist() == [[1, 1], [0, 0], [2, 0]]


@pytest.mark.parametrize("chip", CHIPS)
def test_counts_of_cores_add_up_to_those_of_populations(chip):
    network, inputs = mixed()
    mapping, trace = map_network(network, chip), integer.run(network, inputs)
    counts = count_activity(mapping, network, inputs, trace)
    assert len(mapping.of("c")) == (2 if chip == "loihi1" else 1)
    synops = sum(counts.synops.values())
    for layer in count(network, inputs, trace):
        cores = mapping.of(layer.name)
        here = slice(cores.start, cores.stop)
        assert np.array_equal(synops[:, :, here].sum(axis=2), layer.synops)
        assert np.array_equal(counts.active[:, :, here].sum(axis=2), layer.active)
        assert np.array_equal(counts.spikes[:, :, here].sum(axis=2), layer.spikes)
    assert np.array_equal(counts.received.sum(axis=(0, 1)), counts.messages.sum(axis=0))
    assert np.array_equal(counts.sent.sum(axis=(0, 1)), counts.messages[:-1].sum(axis=1))


def test_energy_by_hand():
    """5 synaptic operations, 6 updates of which 5 active, 2 messages of a's spike (to r and back), 2 from the host.

    The bands of layers add up: of a's 4 updates 3 are active and one fires, 295 pJ or 338.9 by the fit; of r's 2 both
    are active, 162 pJ or 145.6.
    """
    energy = profiled(two_layers(), "loihi1").energy
    assert energy["synaptic operations"].value == close(5 * 23.6 * PICO)
    assert energy["synaptic operations"].high == close(5 * 35.5 * PICO)
    assert energy["neuron updates"].value == close((5 * 81 + 1 * 52) * PICO)
    assert energy["neuron updates"].high == close((338.9 + 162) * PICO)
    assert energy["neuron updates"].low == close((295 + 145.6) * PICO)
    assert energy["spike messages"].value == close(2 * 1.7 * PICO)
    assert energy["spike messages"].high == close(2 * 111 * PICO)
    assert energy["hops between tiles"].value == 0
    assert energy["input injection"].value == close(2 * 1.7 * PICO)
    assert energy["dynamic"].value == close((118 + 457 + 3.4 + 3.4) * PICO)
    layers = profiled(two_layers(), "loihi1").layers
    assert layers["r"]["energy: input injection"].value == 0 and layers["r"]["energy: spike messages"].value == 0


def test_hops_by_hand():
    """33 cores: a spike changes the column of tiles 7 times on its way through the first row, and once goes from the
    end of that row to the start of the next, 7 columns and a row: 14·3.0 + 1·4.0 pJ, or 4.2 by the fit."""
    network, inputs = chain(33)
    mapping = map_network(network, "loihi1")
    counts = count_activity(mapping, network, inputs, integer.run(network, inputs))
    terms = layer_energy_j(mapping, counts)
    hops = [layer["hops between tiles"] for layer in terms.values()]
    assert sum(x.value for x in hops) == close(46.0 * PICO) and sum(x.high for x in hops) == close(46.2 * PICO)
    assert terms["p31"]["hops between tiles"].value == close(25.0 * PICO)
    assert sum(layer["spike messages"].value for layer in terms.values()) == close(32 * 1.7 * PICO)


def test_static_energy_by_hand():
    """Two of Loihi 1's cores: 2·104.375 mW / 128 = 1.630859375 mW, and at most a chip's 104.375 mW; of Loihi 2's
    2·232 mW / 74 = 6.27027… mW."""
    one, two = (profiled(two_layers(), chip) for chip in CHIPS)
    seconds = one.latency["per inference p50"]
    assert one.energy["static"].value == close(1.630859375e-3 * seconds.value)
    assert one.energy["static"].high == close(0.104375 * seconds.high)
    assert two.energy["static"].value == close(0.464 / 74 * two.latency["per inference p50"].value)


def test_more_cores_than_pilotnet_took_draw_more_than_its_chip():
    """80 cores of Loihi 2, at 0.232 W of 74 each."""
    energy = (profile := profiled(chain(80), "loihi2")).energy
    seconds = profile.latency["per inference p50"]
    assert energy["static"].high == close(80 * 0.232 / 74 * seconds.high)


def test_what_is_derived_from_pilotnet():
    """The notebook's figures: 1.09 mJ, 16 steps, 408.91 fps, 74 cores, 3,168 neurons on the fullest; its layers have
    200·66·3 + 99·32·24 + 49·15·36 + 24·7·48 + 22·4·64 + 20·2·64 + 161 = 158,509 neurons."""
    neurons = 39600 + 76032 + 26460 + 8064 + 5632 + 2560 + 161
    assert neurons == 158509
    assert constant("pilotnet.neuron_step_j") == close(1.09e-3 / 16 / neurons)
    assert constant("pilotnet.core_step_j") == close(1.09e-3 / 16 / 74)
    assert constant("pilotnet.neuron_step_s") == close(1 / 408.91 / 16 / 3168)
    assert constant("pilotnet.core_static_w") == close(0.232 / 74)
    assert constant("frady.chip_static_w") == close(3.34 / 32)
    assert constant("frady.core_static_w") == close(3.34 / 32 / 128)


def test_pilotnets_energy_stands_beside_loihi_2_and_outside_the_sum():
    """3 neurons or 2 cores in 2 steps: 6·429.786… pJ = 2.5787 nJ, and 4·0.92060… µJ = 3.6824 µJ."""
    energy = profiled(two_layers(), "loihi2").energy
    scaled = energy["dynamic, scaled from PilotNet"]
    assert (scaled.low, scaled.high) == (close(6 * 1.09e-3 / 16 / 158509), close(4 * 1.09e-3 / 16 / 74))
    assert "not part of the sum" in scaled.conditions
    assert "dynamic, scaled from PilotNet" not in profiled(two_layers(), "loihi1").energy


def test_latency_of_loihi_1_by_hand():
    """Four steps: a computes in the 2nd and 3rd, r in the 3rd and 4th, where both its neurons' currents are not zero;
    3.5 ns a synaptic operation, 8.4 and 5.3 ns an update, 113 ns the barrier of one tile."""
    busiest = [2 * 5.3, 3 * 3.5 + 2 * 8.4, 3.5 + 8.4 + 5.3, 2 * 5.3]
    latency = profiled(two_layers(), "loihi1").latency
    assert latency["per inference p50"].value == close(sum(busiest) * 1e-9 + 4 * 113e-9)
    assert latency["per step p99"].value <= (max(busiest) + 113) * 1e-9


def test_the_slow_end_of_loihi_1s_latency_by_hand():
    """The same steps by SANA-FE's fit: 3.8 ns a synaptic operation, 9.7 and 6 an update, 30 a spike, 20 a message in,
    5.1 one out, 0.6 µs the barrier of one tile. In its first step a has 3 operations, 2 active neurons, a spike, 2
    messages in and 1 out; in its second 1 operation, an active and an inactive neuron, and the message to itself."""
    first, second = 3 * 3.8 + 2 * 9.7 + 30 + 2 * 20 + 5.1, 3.8 + 9.7 + 6 + 20 + 5.1
    latency = profiled(two_layers(), "loihi1").latency
    assert latency["per inference p50"].high == close((12 + first + second + 12 + 4 * 600) * 1e-9)


def test_latency_of_loihi_2_by_hand():
    """The same four steps with synaptic operations 5 times and updates twice as fast, and 200 ns a step."""
    busiest = [2 * 2.65, 3 * 0.7 + 2 * 4.2, 0.7 + 4.2 + 2.65, 2 * 2.65]
    latency = profiled(two_layers(), "loihi2").latency
    assert latency["per inference p50"].value == close(sum(busiest) * 1e-9 + 4 * 200e-9)


def test_the_slow_end_is_never_quicker_than_the_simulated_costs():
    """A convolution on Loihi 2, which the fit has at 3.1 ns a synaptic operation and Davies at 3.5: one operation and
    20 ns a message in, PilotNet's 48.25 ns the neuron in each of two steps, and 0.6 µs the barrier."""
    feed = Synapses("w", "x", Conv1d(np.array([[[2]]], np.int32)))
    p = Population("a", (1, 1), (feed,), 4095, 0, 15, ZERO)
    network = IntegerNetwork((InputPort("x", (1, 1), 0, 1),), (p,), (OutputPort("y", "a"),), 1e-3)
    latency = loihi_profile(network, LoihiConfig(), {"x": np.ones((1, 1, 1, 1), int)}).latency
    neuron = 1 / 408.91 / 16 / 3168
    assert latency["per inference p50"].high == close((3.5 + 20 + 2 * 600) * 1e-9 + 2 * neuron)


def test_the_barrier_grows_with_the_tiles_in_use():
    """9 tiles of 32: 113 + (465 − 113)·8/31 ns, and 1.8 µs at most. In the first of 34 steps all idle; in each other a
    neuron of the chain takes one synaptic operation, is active and fires, with a message in and, but for the last, out.
    """
    network, inputs = chain(33)
    latency = loihi_profile(network, LoihiConfig(chip="loihi1"), inputs).latency
    barrier = 113 + 352 * 8 / 31
    assert latency["per inference p50"].value == close((33 * (3.5 + 8.4 + barrier) + 5.3 + barrier) * 1e-9)
    busiest = 3.8 + 9.7 + 30 + 20 + 5.1
    assert latency["per inference p50"].high == close((32 * busiest + busiest - 5.1 + 6 + 34 * 1800) * 1e-9)


def test_a_loop_over_two_populations_takes_two_steps_of_the_chip_for_each():
    """a and b send each other spikes. a computes in the chip's 2nd and 4th step, b in the 3rd and 5th, both active: one
    synaptic operation and one update, 0.7 + 4.2 ns; in the 1st step both idle. Twice 2 neurons in 2 steps: 8
    updates, 4 of them active."""
    there, back = Dense(np.array([[2]], np.int32)), Dense(np.array([[2]], np.int32))
    feeds = (Synapses("w", "x", there), Synapses("l", "b", back, recurrent=True))
    a = Population("a", (1,), feeds, 4095, 0, 1, ZERO)
    b = Population("b", (1,), (Synapses("v", "a", there),), 4095, 0, 15, ZERO)
    network = IntegerNetwork((InputPort("x", (1,), 0, 1),), (a, b), (OutputPort("y", "b"),), 1e-3)
    profile = loihi_profile(network, LoihiConfig(), {"x": np.ones((2, 1, 1), int)})
    assert profile.energy["neuron updates"].value == close((4 * 81 + 4 * 52) * PICO)
    assert profile.latency["per inference p50"].value == close((2.65 + 4 * 4.9 + 5 * 200) * 1e-9)


@pytest.mark.parametrize("built", [two_layers, mixed], ids=["two_layers", "mixed"])
@pytest.mark.parametrize("chip", CHIPS)
def test_everything_adds_up(built, chip):
    profile = profiled(built(), chip)
    for part in ("value", "low", "high"):
        terms = [getattr(profile.energy[term], part) for term in ROWS]
        assert getattr(profile.energy["dynamic"], part) == close(sum(terms))
        whole = getattr(profile.energy["dynamic"], part) + getattr(profile.energy["static"], part)
        assert getattr(profile.energy["total"], part) == close(whole)
        for term in (*ROWS, "dynamic"):
            layers = sum(getattr(layer[f"energy: {term}"], part) for layer in profile.layers.values())
            assert getattr(profile.energy[term], part) == pytest.approx(layers, rel=1e-9, abs=1e-30)
    assert sum(layer["decides"].value for layer in profile.layers.values()) == close(1.0)
    for figure in (*profile.energy.values(), *profile.latency.values()):
        assert figure.kind == "modelled" and figure.low <= figure.value <= figure.high


@pytest.mark.parametrize("chip", CHIPS)
def test_occupancy_adds_up(chip):
    network, _ = mixed()
    *rows, total = profiled(mixed(), chip).occupancy
    assert total["population"] == "total" and {row["population"] for row in rows} == {"c", "b", "r"}
    for column in ("axons in", "neuron groups", "neurons", "synapse memory", "axons out"):
        assert sum(row[column].value * row["cores"].value for row in rows) == total[column].value, column
    for column in ("cores", "synapses together"):
        assert sum(row[column].value for row in rows) == total[column].value, column
    assert total["neurons"].value == sum(p.size for p in network.populations)
    assert all(0 < row["fullest"].value <= 100 for row in rows)
    assert all(
        isinstance(cell, str) or (isinstance(cell, Figure) and cell.source) for row in rows for cell in row.values()
    )


def test_cores_that_are_equally_full_share_a_row():
    """2,048 neurons on two cores of Loihi 1: 1,024 each, of 3 synapses, together 6,144."""
    feed = Synapses("w", "x", Dense(np.full((2048, 3), 2, np.int32)))
    p = Population("a", (2048,), (feed,), 4095, 0, 15, ZERO)
    network = IntegerNetwork((InputPort("x", (3,), 0, 1),), (p,), (OutputPort("y", "a"),), 1e-3)
    row, total = loihi_profile(network, LoihiConfig(chip="loihi1"), {"x": np.ones((1, 1, 3), int)}).occupancy
    assert [row[name].value for name in ("neurons", "cores", "axons in", "synapses together")] == [1024, 2, 3, 6144]
    assert [total[name].value for name in ("neurons", "cores", "axons in")] == [2048, 2, 6]
    assert row["fullest"].value == 100 and "by its neurons" in row["fullest"].conditions


@pytest.mark.parametrize("chip", CHIPS)
def test_every_constant_is_cited_where_it_is_used(chip):
    profile = profiled(two_layers(), chip)
    for term, names in ROWS.items():
        for name in names:
            row = constants()[name]
            assert f"{row.source} [{row.grade}]" in profile.energy[term].source
            assert f"{name} = " in profile.energy[term].conditions
    for name in STATIC[chip]:
        assert constants()[name].source in profile.energy["static"].source
    for name in ("horowitz.int8_mul_j", "horowitz.int32_add_j", "horowitz.int32_mul_j", "horowitz.cache_word_j"):
        row = constants()[name]
        assert f"{row.source} [{row.grade}]" in profile.break_even["SNN"].source
        assert f"{name} = {row.value:.4g} J" in profile.break_even["SNN"].conditions
    published = constants()["yan.break_even_rate"]
    assert f"{published.source} [{published.grade}]" == profile.break_even["break-even spike rate, published"].source
    for figure in profile.latency.values():
        assert all(constants()[name].source in figure.source and name in figure.conditions for name in TIME_ROWS[chip])


@pytest.mark.parametrize("chip", CHIPS)
def test_every_citation_is_on_the_page(chip):
    page = html.unescape(profiles_html([profiled(two_layers(), chip)], "two layers"))
    for name in {*STATIC[chip], *TIME_ROWS[chip], *(name for names in ROWS.values() for name in names)}:
        row = constants()[name]
        assert name in page and row.source in page and row.conditions in page, name
    for name, source in chip_limits(chip).sources.items():
        assert source in page, name
    assert all(column in page for column in ("axons in", "axons out", "synapse memory", "stored as"))


def test_what_does_not_fit_the_chip_is_not_profiled():
    weight = np.full((1, 5000), 2, np.int32)
    p = Population("a", (1,), (Synapses("w", "x", Dense(weight)),), 4095, 0, 15, ZERO)
    network = IntegerNetwork((InputPort("x", (5000,), 0, 1),), (p,), (OutputPort("y", "a"),), 1e-3)
    with pytest.raises(GraphError, match="reads 5,000 values"):
        loihi_profile(network, LoihiConfig(), {"x": np.zeros((1, 1, 5000), int)})
    with pytest.raises(GraphError, match="reads 5,000 values"):
        compile(network, "loihi")
