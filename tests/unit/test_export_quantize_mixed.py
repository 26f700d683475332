"""Scales that heed activity, and bits per layer under a budget."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from cortexcore.errors import QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import IF, LI, LIF, Conv1d, Flatten, Input, Linear, Node, Output
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.export.quantize.layers import SAMPLE, grid_layer
from cortexcore.export.quantize.mixed import JUDGED, _Search, choose_bits, weight_bytes
from cortexcore.export.quantize.prepare import prepare

RANGES = {"x": (0, 1)}


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def graph() -> Graph:
    """Convolution, a large and a small dense layer; half of the inputs hardly ever send."""
    rng = np.random.default_rng(4)
    large = rng.normal(size=(24, 60)) * 0.3
    nodes: dict[str, Node] = {
        "x": Input((2, 20)),
        "conv": Conv1d(rng.normal(size=(6, 2, 3)), np.zeros(6), 20, 2, 1),
        "a": LIF((6, 10), num(5e-3), num(5.0), num(0.0), num(1.0), "zero"),
        "f": Flatten((6, 10)),
        "large": Linear(large),
        "b": LIF((24,), num(5e-3), num(5.0), num(0.0), num(1.0), "zero"),
        "small": Linear(rng.normal(size=(4, 24))),
        "r": LI((4,), num(1e-2), num(1.0), num(0.0)),
        "y": Output((4,)),
    }
    names = list(nodes)
    return Graph(nodes, tuple(itertools.pairwise(names)), 1e-3, "euler")


def data(batch: int = 24) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    rate = np.where(np.arange(2) == 0, 0.5, 0.02)[:, None]
    return {"x": (rng.random((25, batch, 2, 20)) < rate).astype(np.int8)}


def noise(config: QuantizationConfig, inputs: dict[str, np.ndarray], weight: np.ndarray) -> float:
    """Mean squared error of the currents that one dense layer sends, over the inputs."""
    nodes: dict[str, Node] = {
        "x": Input((weight.shape[1],)),
        "fc": Linear(weight),
        "r": LI((len(weight),), num(1e-3), num(1.0), num(0.0)),
        "y": Output((len(weight),)),
    }
    names = list(nodes)
    bare = Graph(nodes, tuple(itertools.pairwise(names)), 1e-3, "euler")
    network = quantize(bare, config, inputs, RANGES)
    unit = network.metadata["quantization"]["populations"]["r"]["unit"] / 64
    got, wanted = integer.run(network, inputs).outputs["y"] * unit, reference.run(bare, inputs).outputs["y"]
    return float(np.mean(np.square(got - wanted)))


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_activity_heeds_what_inputs_send(bits: int) -> None:
    """Large weights of inputs that hardly send are clipped, and the currents come out closer than with any other."""
    rng = np.random.default_rng(bits)
    weight = rng.normal(size=(16, 40))
    weight[:, :8] *= 6
    rate = np.where(np.arange(40) < 8, 0.004, 0.4)
    inputs = {"x": (rng.random((50, 30, 40)) < rate).astype(np.int8)}
    errors = {s: noise(QuantizationConfig(bits, scale=s), inputs, weight) for s in ("max", "mse", "activity")}  # type: ignore[arg-type]
    assert errors["activity"] < 0.7 * errors["mse"] and errors["mse"] < errors["max"]


def test_activity_is_least_among_scales_and_exponents() -> None:
    """By brute force over finer scales and all exponents, the weighted error of the chosen scale is near the least."""
    rng = np.random.default_rng(0)
    weight, moments = rng.normal(size=(10, 30)), rng.uniform(0.0, 0.5, 30)
    layer = grid_layer("fc", weight, Linear(weight), QuantizationConfig(3, scale="activity"), moments)
    top = 1 / layer.ratio
    chosen = min(layer.error(top * 2 ** (i / 32), top) for i in range(32))

    def weighted(scale: float) -> float:
        got = np.clip(np.round(weight * scale / 64), -4, 3) * 64 / scale
        return float((np.maximum(moments, 1e-3 * moments.mean()) * np.square(got - weight)).sum()) * top**2

    assert chosen <= 1.02 * min(weighted(top * 2 ** (i / 100)) for i in range(0, 400))


def test_activity_weighs_a_kernel_by_channel() -> None:
    conv = Conv1d(np.zeros((4, 1, 3)), np.zeros(4), 5, groups=2)
    moments = np.array([[0.1, 0.3, 0.2, 0.2, 0.2], [0.5, 0.5, 0.5, 0.5, 0.5]])
    layer = grid_layer("c", conv.weight, conv, QuantizationConfig(scale="activity"), moments)
    assert layer.importance is not None
    np.testing.assert_allclose(layer.importance[:, 0, 0], [0.2, 0.2, 0.5, 0.5])


def test_activity_needs_calibration() -> None:
    with pytest.raises(QuantizationError, match="give calibration data"):
        quantize(graph(), QuantizationConfig(scale="activity"), None, RANGES)


WEIGHTS = {"conv": 36, "large": 1440, "small": 96}


def bytes_of(bits: dict[str, int]) -> int:
    return sum(math.ceil(WEIGHTS[layer] * count / 8) for layer, count in bits.items())


def test_a_budget_is_kept_with_less_harm_than_equal_bits() -> None:
    calibration = data()
    even = choose_bits(graph(), calibration, 1e9, config=QuantizationConfig(4), input_ranges=RANGES)
    assert even.config.overrides == dict.fromkeys(WEIGHTS, 4) and len(even.steps) == 1
    found = choose_bits(graph(), calibration, even.cost, input_ranges=RANGES)
    bits = dict(found.config.overrides)
    assert found.cost == bytes_of(bits) <= even.cost == found.budget
    assert found.least == bytes_of(dict.fromkeys(WEIGHTS, 2))
    assert found.steps[-1].harm < even.steps[0].harm and bits["small"] > bits["large"]
    assert found.steps[0].layer == "" and found.steps[0].cost == bytes_of(dict.fromkeys(WEIGHTS, 8))
    replayed = dict.fromkeys(WEIGHTS, 8)
    for step in found.steps[1:]:
        assert abs(step.bits - replayed[step.layer]) == 1
        replayed[step.layer] = step.bits
        assert step.cost == bytes_of(replayed)
    assert replayed == bits
    again = choose_bits(graph(), calibration, even.cost, input_ranges=RANGES)
    assert again.to_json() == found.to_json()
    json.dumps(found.to_json(), allow_nan=False)
    layers = quantize(graph(), found.config, calibration, RANGES).metadata["quantization"]["populations"]
    assert {n: f["bits"] for p in layers.values() for n, f in p["layers"].items()} == bits


def test_any_cost_can_be_budgeted() -> None:
    """With a cost that the large layer has none of, only the others give bits up."""
    found = choose_bits(
        graph(), data(8), 9.0, cost=lambda layer, bits: 0.0 if layer == "large" else bits, input_ranges=RANGES
    )
    assert found.cost == 9.0 and found.config.overrides["large"] == 8
    lines: list[str] = []
    choose_bits(graph(), data(8), 1e4, input_ranges=RANGES, progress=lines.append)
    assert len(lines) == 1 and lines[0].startswith("start: 1572 of the budget of 10000")


@pytest.mark.parametrize(("budget", "says"), [(300, "still costs 393"), (-1, "still costs 393"), (math.nan, "is nan")])
def test_budgets_out_of_reach(budget: float, says: str) -> None:
    with pytest.raises(QuantizationError, match=says):
        choose_bits(graph(), data(4), budget, input_ranges=RANGES)


def test_bits_of_a_layer_that_is_not_there() -> None:
    with pytest.raises(QuantizationError, match=r"no layer nope to override; there are \['conv', 'large', 'small'\]"):
        choose_bits(graph(), data(4), 1e4, config=QuantizationConfig(overrides={"nope": 3}), input_ranges=RANGES)


def test_bits_that_were_given_are_not_exceeded() -> None:
    config = QuantizationConfig(6, overrides={"small": 4})
    found = choose_bits(graph(), data(8), 900, config=config, input_ranges=RANGES)
    assert found.cost <= 900 and found.config.overrides["small"] <= 4
    assert all(found.config.overrides[layer] <= 6 for layer in WEIGHTS)


def test_a_budget_that_is_met_exactly_takes_and_gives_nothing() -> None:
    full = bytes_of(dict.fromkeys(WEIGHTS, 8))
    found = choose_bits(graph(), data(4), full, input_ranges=RANGES)
    assert len(found.steps) == 1 and found.cost == full
    assert weight_bytes({"a": 3})("a", 3) == 2


def test_bits_are_given_back_up_to_the_budget_itself() -> None:
    """From 8 bits the costly layer falls below the budget at once; the cheap one's bit then fits exactly."""
    prices = {"conv": 1.0, "large": 100.0, "small": 1.0}
    found = choose_bits(graph(), data(8), 614.0, cost=lambda layer, bits: prices[layer] * bits, input_ranges=RANGES)
    given = [step.cost for step in found.steps]
    assert found.cost == max(cost for cost in given if cost <= 614.0)


def test_harm_is_judged_on_inferences_from_the_whole_calibration() -> None:
    """The first inferences are silent, as where a recording starts: without the rest every choice would look alike."""
    inputs = data(256)
    inputs["x"][:, :JUDGED] = 0
    assert choose_bits(graph(), inputs, 1e9, input_ranges=RANGES).steps[0].harm > 0


def test_a_late_spike_harms_less_than_a_lost_one() -> None:
    search = _Search(prepare(spiking(1.0), {"x": ONES}, RANGES), {"x": ONES}, QuantizationConfig(), None)
    harms = [
        search._measured(quantize(spiking(weight), QuantizationConfig(), {"x": ONES}, RANGES))[0]
        for weight in (0.6, 0.2)
    ]
    # Of ten spikes at a weight of 1 a weight of 0.6 fires every second one, and one of 0.2 none but one in six.
    counts = [np.cumsum(reference.run(spiking(w), {"x": ONES}).outputs["y"][:, 0, 0]) for w in (1.0, 0.6, 0.2)]
    power = np.square(counts[0]).sum()
    assert harms == pytest.approx([np.square(each - counts[0]).sum() / power for each in counts[1:]])


ONES = np.ones((10, 1, 1), np.int8)


def spiking(weight: float) -> Graph:
    nodes: dict[str, Node] = {
        "x": Input((1,)),
        "fc": Linear(np.array([[weight]])),
        "n": IF((1,), num(1e3), num(0.9), "zero"),
        "y": Output((1,)),
    }
    return Graph(nodes, tuple(itertools.pairwise(nodes)), 1e-3, "euler")


def test_what_never_was_active_counts_a_little_even_where_nothing_was() -> None:
    weight = np.random.default_rng(1).normal(size=(3, 5))
    config = QuantizationConfig(2, scale="activity")
    silent = grid_layer("fc", weight, Linear(weight), config, np.zeros(5))
    assert silent.error(1 / silent.ratio, 1 / silent.ratio) > 0


def test_an_error_counts_every_weight_of_large_layers_and_of_even_kernels() -> None:
    """Errors of currents add up over a layer's weights, and a sample of them meets every tap of a kernel."""
    weight = np.random.default_rng(2).normal(size=(3, 5))
    config, moments = QuantizationConfig(3, scale="activity"), np.ones(5)
    one, two = (grid_layer("fc", w, Linear(w), config, moments) for w in (weight, np.vstack([weight, weight])))
    assert two.error(50.0, 50.0) == pytest.approx(2 * one.error(50.0, 50.0))
    taps = np.zeros((SAMPLE, 1, 2))
    taps[:, :, 1] = np.random.default_rng(3).normal(size=(SAMPLE, 1))
    kernel = Conv1d(taps, np.zeros(SAMPLE), 4)
    assert grid_layer("c", taps, kernel, QuantizationConfig(3, scale="mse"), None).error(50.0, 50.0) > 0


def test_weights_that_just_fit_take_no_further_exponent() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        weight = rng.normal(size=(2, 3))
        layer = grid_layer("fc", weight, Linear(weight), QuantizationConfig(), None)
        assert [layer.exponent(2.0**e / layer.ratio) for e in (-3, 0, 5)] == [-3, 0, 5]
