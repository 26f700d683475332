"""The equivalent ANN: hand-computed layers, both runtimes against the NumPy arithmetic, what it costs."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError
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
from cortexcore.targets.ann.build import equivalent_ann
from cortexcore.targets.ann.cost import ann_cost
from cortexcore.targets.ann.network import Ann
from cortexcore.targets.ann.onnx_form import onnx_runner
from cortexcore.targets.ann.run import encode, run
from cortexcore.targets.ann.tflite_form import tflite_runner

ZERO = np.zeros((), np.int32)
STEPS, BATCH = 4, 16


def weights(*shape: int) -> np.ndarray:
    """Even, as Loihi's, within ±128. Without VNNI nothing saturates either: MLAS multiplies int8 by int8 exactly."""
    rng = np.random.default_rng(list(shape))
    return (2 * rng.integers(-64, 65, shape)).astype(np.int32)


def population(name: str, shape: tuple[int, ...], *links: tuple[str, Operation], **changes: object) -> Population:
    synapses = tuple(Synapses(f"{source}_{name}", source, op) for source, op in links)
    bias = np.random.default_rng(len(name)).integers(-4000, 4000, shape[0]).astype(np.int32)
    per_neuron = np.broadcast_to(bias.reshape(-1, *(1 for _ in shape[1:])), shape)
    return replace(Population(name, shape, synapses, 4095, 400, 600, per_neuron, 4), **changes)


def network(ports: list[InputPort], *populations: Population) -> IntegerNetwork:
    return IntegerNetwork(tuple(ports), populations, (OutputPort("y", populations[-1].name),), 1e-3)


def inputs(net: IntegerNetwork, steps: int = STEPS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return {p.name: rng.integers(p.low, p.high + 1, (steps, BATCH, *p.shape)) for p in net.inputs}


def dense() -> IntegerNetwork:
    a = population("a", (20,), ("x", Dense(weights(20, 12))))
    return network([InputPort("x", (12,), -127, 127)], a, population("b", (7,), ("a", Dense(weights(7, 20), 2))))


def spike_trains() -> IntegerNetwork:
    return network([InputPort("x", (12,), 0, 1)], population("a", (20,), ("x", Dense(weights(20, 12), 1)), vth=40))


def convolutions() -> IntegerNetwork:
    """Groups, stride, padding, dilation, then a dense layer that flattens, then one that a kernel reads."""
    return network(
        [InputPort("x", (2, 30), -127, 127)],
        population("c1", (4, 15), ("x", Conv1d(weights(4, 1, 5), -3, stride=2, padding=2, groups=2))),
        population("c2", (6, 11), ("c1", Conv1d(weights(6, 4, 3), 0, dilation=2)), vth=90),
        population("d", (4, 9), ("c2", Dense(weights(36, 66))), vth=90),
        population("c3", (4, 9), ("d", Conv1d(weights(4, 2, 3), 0, padding=1, groups=2)), vth=90),
        population("r", (5,), ("c3", Dense(weights(5, 36))), vth=None),
    )


def images() -> IntegerNetwork:
    return network(
        [InputPort("x", (2, 9, 7), -127, 127)],
        population("c1", (4, 5, 7), ("x", Conv2d(weights(4, 2, 3, 3), -3, (2, 1), (1, 1))), vth=3000),
        population("c2", (8, 5, 6), ("c1", Conv2d(weights(8, 1, 1, 2), 0, groups=4)), vth=90),
        population("d", (3,), ("c2", Dense(weights(3, 240)))),
    )


def namesakes() -> IntegerNetwork:
    """Synapses that go by their population's name, as a quantized layer and its neurons may."""
    net = network(
        [InputPort("x", (6,), -127, 127)],
        population("a", (2, 4), ("x", Dense(weights(8, 6)))),
        population("b", (3,), ("a", Dense(weights(3, 8)))),
    )
    named = [replace(p, synapses=tuple(replace(s, name=p.name) for s in p.synapses)) for p in net.populations]
    return replace(net, populations=tuple(named))


def branches() -> IntegerNetwork:
    """Three connections meet: two are added to the sum of the first, each on the grid that all of them share."""
    return network(
        [InputPort("window", (2, 12), -127, 127), InputPort("rhythm", (6,), -127, 127)],
        population("c", (4, 12), ("window", Conv1d(weights(4, 2, 3), -3, padding=1))),
        population(
            "d",
            (10,),
            ("c", Dense(weights(10, 48), 3)),
            ("rhythm", Dense(weights(10, 6), -2)),
            ("window", Dense(weights(10, 24), -2)),
            vth=9000,
        ),
        population("r", (4,), ("d", Dense(weights(4, 10))), vth=None),
    )


NETWORKS = {f.__name__: f for f in (dense, spike_trains, convolutions, images, branches, namesakes)}
INTERPRETERS = ("tflite_runtime.interpreter", "ai_edge_litert.interpreter")


def interpreter(module: str) -> object:
    return pytest.importorskip(module).Interpreter


def off(ann: Ann, encoded: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> dict[str, int]:
    """Layer → most units between a runtime and the NumPy arithmetic on the inputs that the runtime's layer had."""
    worst = {}
    for layer in ann.layers:
        alone = replace(ann, layers=(layer,), inputs=tuple(t for t in (*ann.inputs, *ann.layers) if t is not layer))
        expected = run(alone, {**encoded, **found})[layer.name]
        worst[layer.name] = int(np.abs(expected.astype(int) - found[layer.name]).max())
    return worst


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_computes_the_same(name: str) -> None:
    """Products alone to the unit, its sums within one: QLinearAdd scales each summand before it adds."""
    net = NETWORKS[name]()
    ann = equivalent_ann(net, inputs(net))
    encoded = encode(ann, inputs(net))
    found = onnx_runner(ann, trace=True)(encoded)
    sums = {layer.name for layer in ann.layers if len(layer.connections) > 1}
    for layer, units in off(ann, encoded, found).items():
        assert units <= (1 if layer in sums else 0)
    assert len(np.unique(found[ann.layers[-1].name])) > 5


@pytest.mark.parametrize("module", INTERPRETERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_tflite_computes_the_same_but_for_its_rounding(name: str, module: str) -> None:
    """One unit: TFLite scales by a 31-bit fixed-point number and rounds half away from zero. Where connections are
    added, one unit of each share, which the output's finer grid multiplies."""
    net = NETWORKS[name]()
    ann = equivalent_ann(net, inputs(net))
    encoded = encode(ann, inputs(net))
    found = tflite_runner(ann, interpreter(module), BATCH, trace=True)(encoded)
    for layer, (_, units) in zip(ann.layers, off(ann, encoded, found).items(), strict=True):
        shares = len(layer.connections)
        assert units <= (1 if shares == 1 else 1 + shares * np.ceil(layer.part.scale / layer.grid.scale))


def test_a_layer_by_hand() -> None:
    """Weights 4 and −2 halve no further than they must; x = 2 held, threshold 8: ReLU((8, −4) / 8) = (1, 0), and the
    largest activation is the top of int8."""
    a = Population("a", (2,), (Synapses("w", "x", Dense(np.array([[4], [-2]], np.int32))),), 4095, 0, 8, ZERO)
    net = network([InputPort("x", (1,), 0, 2)], a)
    x = {"x": np.full((5, 1, 1), 2)}
    ann = equivalent_ann(net, x)
    assert encode(ann, x)["x"].tolist() == [[127]]
    assert run(ann, encode(ann, x))["a"].tolist() == [[127, -128]]
    assert ann.layers[0].grid.scale == np.float32(1 / 255) and ann.layers[0].grid.zero == -128
    assert ann.layers[0].connections[0].operation.weight.tolist() == [[4], [-2]]


def test_an_input_is_its_mean_over_the_steps() -> None:
    net = spike_trains()
    x = inputs(net)
    ann = equivalent_ann(net, x)
    rate = (encode(ann, x)["x"].astype(int) + 128) * ann.inputs[0].grid.scale
    assert np.abs(rate - x["x"].mean(axis=0)).max() <= ann.inputs[0].grid.scale / 2 + 1e-6


def test_biases_reach_the_output() -> None:
    """Every neuron's bias, 4000·2^4 / 2^6 = 1000, over the threshold of 500 is 2; nothing arrives."""
    bias = np.full(3, 4000, np.int32)
    a = Population("a", (3,), (Synapses("w", "x", Dense(weights(3, 2))),), 4095, 0, 500, bias, 4)
    x = {"x": np.zeros((2, 1, 2), int)}
    ann = equivalent_ann(network([InputPort("x", (2,), -9, 9)], a), x)
    real = (run(ann, encode(ann, x))["a"].astype(int) + 128) * ann.layers[0].grid.scale
    assert real == pytest.approx(np.full((1, 3), 2.0), rel=1e-6)


def test_weights_that_do_not_fit_are_halved_and_symmetric() -> None:
    for given, kept in (([[-256, 254]], [-127, 127]), ([[255, 3]], [64, 1]), ([[-128, 5]], [-127, 5])):
        a = Population("a", (1,), (Synapses("w", "x", Dense(np.array(given, np.int32))),), 4095, 0, 8, ZERO)
        net = network([InputPort("x", (2,), 0, 1)], a)
        ann = equivalent_ann(net, {"x": np.ones((1, 1, 2), int)})
        assert ann.layers[0].connections[0].operation.weight.tolist() == [kept]


def test_what_is_left_out_is_said() -> None:
    loop = Synapses("loop", "a", Dense(weights(20, 20)), recurrent=True)
    (a, b) = dense().populations
    uneven = population("c", (4, 3), ("x", Conv1d(weights(4, 1, 10))), bias=np.arange(12, dtype=np.int32).reshape(4, 3))
    net = IntegerNetwork(
        (InputPort("x", (12,), -127, 127), InputPort("z", (1, 12), -9, 9)),
        (
            replace(a, synapses=(*a.synapses, loop)),
            b,
            replace(uneven, synapses=(Synapses("w", "z", uneven.synapses[0].operation),)),
            Population("alone", (2,), (), 4095, 0, 8, np.int32(5) * np.ones((), np.int32)),
            population("last", (2,), ("alone", Dense(weights(2, 2))), ("b", Dense(weights(2, 7)))),
        ),
        (OutputPort("y", "last"), OutputPort("z", "alone")),
        1e-3,
    )
    ann = equivalent_ann(net, inputs(net))
    assert ann.notes == (
        "1 of 2 connections into 'a' have no place in one pass",
        "the bias of 'c' is averaged per channel",
        "'alone' is left out: nothing feeds it forward",
        "1 of 2 connections into 'last' have no place in one pass",
    )
    assert [layer.name for layer in ann.layers] == ["a", "b", "c", "last"] and ann.outputs == ("last",)
    assert set(onnx_runner(ann)(encode(ann, inputs(net)))) == {"last"}


def test_a_network_without_a_forward_connection_has_none() -> None:
    loop = (Synapses("loop", "a", Dense(weights(3, 3)), recurrent=True),)
    net = network([InputPort("x", (2,), 0, 1)], Population("a", (3,), loop, 4095, 0, 8, ZERO))
    with pytest.raises(GraphError, match="no equivalent ANN: every connection of its populations is recurrent"):
        equivalent_ann(net, {"x": np.zeros((2, 1, 2), int)})


@pytest.mark.parametrize("x", [np.zeros((0, 1, 12), int), np.zeros((2, 0, 12), int), np.zeros((2, 1, 11), int)])
def test_unfit_inputs_are_named(x: np.ndarray) -> None:
    with pytest.raises(DataError, match="input 'x'"):
        equivalent_ann(dense(), {"x": x})


def test_a_batch_in_pieces_is_the_batch_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = images()
    whole = equivalent_ann(net, inputs(net))
    expected = run(whole, encode(whole, inputs(net)))
    monkeypatch.setattr("cortexcore.targets.ann.products.CHUNK", 3000)
    for name, values in run(whole, encode(whole, inputs(net))).items():
        assert np.array_equal(values, expected[name])
    for piece, layer in zip(equivalent_ann(net, inputs(net)).layers, whole.layers, strict=True):
        assert piece.grid.scale == pytest.approx(layer.grid.scale, rel=1e-6)


def test_silence_is_no_division_by_zero() -> None:
    net = network([InputPort("x", (12,), -1, 1)], population("a", (4,), ("x", Dense(weights(4, 12))), bias=ZERO))
    x = {"x": np.zeros((3, 2, 12), int)}
    ann = equivalent_ann(net, x)
    assert run(ann, encode(ann, x))["a"].tolist() == [[-128] * 4] * 2


def test_the_cost_by_hand() -> None:
    """x = (3, 0): of 2·2 + 2 weights that meet values, −5·3 and 5·3 are not 0; ReLU leaves (0, 15), which meets 6."""
    first, last = np.array([[-5, 1], [5, 0]], np.int32), np.array([[7, 6]], np.int32)
    net = network(
        [InputPort("x", (2,), 0, 3)],
        Population("a", (2,), (Synapses("w", "x", Dense(first)),), 4095, 0, 8, ZERO),
        Population("b", (1,), (Synapses("v", "a", Dense(last)),), 4095, 0, None, ZERO),
    )
    x = {"x": np.array([[[3, 0]]])}
    ann = equivalent_ann(net, x)
    cost = ann_cost(ann, encode(ann, x))
    assert (cost.macs, cost.effective_macs, cost.sparsity) == (6, 3, 0.5)
    assert cost.parameter_bytes == 6 + 4 * 3 and cost.activation_bytes == 2 + 2


def test_costs_are_means_over_the_passes() -> None:
    """Of two passes, one meets two weights and one none."""
    net = network(
        [InputPort("x", (2,), 0, 3)],
        Population("a", (1,), (Synapses("w", "x", Dense(np.array([[5, 7]], np.int32))),), 4095, 0, 8, ZERO),
    )
    x = {"x": np.array([[[3, 1], [0, 0]]])}
    ann = equivalent_ann(net, x)
    cost = ann_cost(ann, encode(ann, x))
    assert (cost.macs, cost.effective_macs, cost.sparsity) == (2, 1.0, 0.5)


@pytest.mark.parametrize(("threshold", "scale"), [(0, 1.0), (1, 1.0), (2, 0.5), (8, 0.125)])
def test_a_weight_is_worth_its_share_of_the_threshold(threshold: int, scale: float) -> None:
    a = Population("a", (1,), (Synapses("w", "x", Dense(np.array([[4]], np.int32))),), 4095, 0, threshold, ZERO)
    ann = equivalent_ann(network([InputPort("x", (1,), 0, 1)], a), {"x": np.ones((1, 1, 1), int)})
    assert ann.layers[0].connections[0].scale == scale


def test_operations_are_neurobenchs() -> None:
    """The same ANN as a PyTorch model with its int8 values: NeuroBench counts what we count."""
    torch = pytest.importorskip("torch")
    models, workload = import_module("neurobench.models"), import_module("neurobench.metrics.workload")
    benchmark = import_module("neurobench.benchmarks").Benchmark
    net = dense()
    ann = equivalent_ann(net, inputs(net))
    encoded = encode(ann, inputs(net))
    stack = []
    for layer in ann.layers:
        (c,) = layer.connections
        linear = torch.nn.Linear(c.operation.weight.shape[1], len(c.operation.weight))
        linear.weight.data = torch.from_numpy(c.operation.weight.astype(np.float32))
        linear.bias.data = torch.from_numpy(c.bias.astype(np.float32))
        unit = ann.grid_of(c.source).scale * c.scale / layer.grid.scale
        stack += [linear, rounding(unit), torch.nn.ReLU()]
    data = torch.from_numpy(encoded["x"].astype(np.float32) - ann.inputs[0].grid.zero)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data, torch.zeros(BATCH)), BATCH)
    metrics = [[], [workload.SynapticOperations, workload.ActivationSparsity]]
    found = benchmark(models.TorchModel(torch.nn.Sequential(*stack)), loader, [], [], metrics).run(quiet=True)
    cost = ann_cost(ann, encoded)
    assert found["SynapticOperations"]["Dense"] == cost.macs
    assert found["SynapticOperations"]["Effective_MACs"] == cost.effective_macs
    assert found["ActivationSparsity"] == cost.sparsity


def rounding(unit: float) -> object:
    torch = import_module("torch")

    class Module(torch.nn.Module):
        def forward(self, x: object) -> object:
            return (x * np.float32(unit)).round().clip(-128, 255)

    return Module()
