"""Quantization-aware training: its forward pass is the golden arithmetic, before and after training."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from cortexcore.errors import CortexCoreError, DataError, GraphError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.network import InputPort
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    Input,
    Linear,
    Output,
)
from cortexcore.export.prune import prune_weights
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.train.qat import FineTuning, QatNetwork, fine_tune
from cortexcore.train.qat.finish import to_graph, to_integer
from cortexcore.train.qat.neurons import wrap

DT = 1e-3


def scalar(*values):
    return tuple(np.asarray(v, float) for v in values)


def build(parts, edges, discretization="euler"):
    return Graph(parts, edges, DT, discretization)


def chain(*named):
    return build(dict(named), tuple((a, b) for (a, _), (b, _) in itertools.pairwise(named)))


def dense(rng, reset="zero", delay=False):
    return chain(
        ("x", Input((6,))),
        ("fc1", Affine(rng.normal(size=(12, 6)) / 4, rng.normal(size=12) / 9)),
        ("lif", LIF((12,), rng.uniform(3e-3, 9e-3, 12), *scalar(6, 0.01), rng.uniform(0.6, 1.5, 12), reset, delay)),
        ("fc2", Affine(rng.normal(size=(3, 12)), rng.normal(size=3) / 9)),
        ("li", LI((3,), *scalar(8e-3, 8, 0))),
        ("y", Output((3,))),
    )


def recurrent(rng):
    nodes = {
        "x": Input((6,)),
        "fc": Linear(rng.normal(size=(8, 6)) / 4),
        "lif": CubaLIF((8,), *scalar(4e-3, 8e-3, 8, 0, 1, 4), "subtract", True),
        "late": Delay(np.array(2 * DT)),
        "back": Affine(rng.normal(size=(8, 8)) / 2, rng.normal(size=8) / 8),
        "out": Linear(rng.normal(size=(3, 8))),
        "li": CubaLI((3,), *scalar(4e-3, 8e-3, 8, 0, 4)),
        "y": Output((3,)),
    }
    edges = (("x", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "late"))
    return build(nodes, (*edges, ("late", "out"), ("out", "li"), ("li", "y")), "exponential")


def convolutions(rng):
    return chain(
        ("x", Input((2, 16))),
        ("conv1", Conv1d(rng.normal(size=(4, 2, 5)) / 4, rng.normal(size=4) / 9, 16, 2, 2, 1)),
        ("if1", IF((4, 8), *scalar(1 / DT, 2), "subtract")),
        ("conv2", Conv1d(rng.normal(size=(4, 2, 3)), np.zeros(4), 8, dilation=2, groups=2)),
        ("lif2", LIF((4, 4), *scalar(8e-3, 8, 0, 1), "none")),
        ("flatten", Flatten((4, 4))),
        ("fc", Linear(rng.normal(size=(3, 16)))),
        ("out", LIF((3,), *scalar(8e-3, 8, 0, 1), "subtract")),
        ("y", Output((3,))),
    )


def images(rng):
    return chain(
        ("x", Input((1, 8, 8))),
        ("conv", Conv2d(rng.normal(size=(4, 1, 3, 3)) / 2, rng.normal(size=4) / 9, (8, 8), padding=(1, 1))),
        ("pool", AvgPool2d((2, 2), (2, 2))),
        ("lif", LIF((4, 4, 4), *scalar(8e-3, 8, 0, 1), "zero")),
        ("flatten", Flatten((4, 4, 4))),
        ("fc", Affine(rng.normal(size=(3, 64)), rng.normal(size=3))),
        ("li", LI((3,), *scalar(8e-3, 8, 0))),
        ("y", Output((3,))),
    )


GRAPHS = {
    "dense zero": dense,
    "dense subtract": lambda rng: dense(rng, "subtract"),
    "dense subtract late": lambda rng: dense(rng, "subtract", True),
    "dense none": lambda rng: dense(rng, "none"),
    "recurrent, current, delay": recurrent,
    "conv1d, dilated, grouped": convolutions,
    "conv2d, pooled": images,
}
SPIKING_OUTPUT = {"conv1d, dilated, grouped"}
cases = pytest.mark.parametrize("kind", GRAPHS)
widths = pytest.mark.parametrize("bits", [8, 4, 2])


def inputs_of(graph, batch=24, steps=9, seed=1):
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-9, 10, (steps, batch, *node.shape)) for name, node in graph.inputs.items()}


def tensors(inputs):
    return {name: torch.from_numpy(a) for name, a in inputs.items()}


def assert_golden(trained, inputs, network=None):
    """The forward pass equals the golden run of the integer network that it hands out."""
    network = network or to_integer(trained, inputs)
    golden = integer.run(network, inputs)
    with torch.no_grad():
        trace = trained(tensors(inputs), record=True)
    assert golden.u.keys() == trace.u.keys() and golden.spikes.keys() == trace.spikes.keys()
    for mine, theirs in ((trace.u, golden.u), (trace.v, golden.v), (trace.spikes, golden.spikes)):
        for name, values in theirs.items():
            assert np.array_equal(mine[name].numpy(), values), name
    for name, values in golden.outputs.items():
        assert np.array_equal(trace.outputs[name].numpy(), values)
    return golden


@cases
@widths
def test_forward_is_the_golden_arithmetic_before_and_after_training(kind, bits):
    graph = GRAPHS[kind](np.random.default_rng(5))
    inputs = inputs_of(graph)
    network = quantize(graph, QuantizationConfig(bits=bits, scale="mse"), inputs)
    trained = QatNetwork(graph, network)
    golden = assert_golden(trained, inputs, network)
    assert any(spikes.any() for spikes in golden.spikes.values()), "a silent network shows nothing"
    before = [p.detach().clone() for p in trained.parameters()]
    optimizer = torch.optim.AdamW(trained.parameters(), lr=0.03)
    for _ in range(5):
        (out,) = trained(tensors(inputs)).outputs.values()
        loss = (out[-1] if kind not in SPIKING_OUTPUT else out.sum(0)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trained.settle()
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.parameters(), strict=True))
    tuned = to_integer(trained, inputs)
    changed = [
        not np.array_equal(a.operation.weight, b.operation.weight)
        for p, q in zip(network.populations, tuned.populations, strict=True)
        for a, b in zip(p.synapses, q.synapses, strict=True)
    ]
    assert any(changed), "the integers themselves must have moved"
    assert_golden(trained, inputs_of(graph, seed=2), tuned)


@cases
def test_untrained_integers_are_those_of_quantize(kind):
    graph = GRAPHS[kind](np.random.default_rng(6))
    inputs = inputs_of(graph)
    network = quantize(graph, QuantizationConfig(bits=5), inputs)
    same = to_integer(QatNetwork(graph, network), inputs)
    for a, b in zip(network.populations, same.populations, strict=True):
        assert np.array_equal(a.bias, b.bias)
        assert all(
            np.array_equal(s.operation.weight, t.operation.weight) for s, t in zip(a.synapses, b.synapses, strict=True)
        )
        said, says = (n.metadata["quantization"]["populations"][a.name] for n in (network, same))
        assert said["bound"]["kind"] == says["bound"]["kind"]
        assert said["bias_error"] == pytest.approx(says["bias_error"], abs=1e-12)
        for name, layer in said["layers"].items():
            assert says["layers"][name] == pytest.approx(layer)


@cases
def test_the_written_graph_stands_for_the_integers(kind):
    graph = GRAPHS[kind](np.random.default_rng(7))
    inputs = inputs_of(graph)
    trained = QatNetwork(graph, quantize(graph, QuantizationConfig(bits=4, threshold_levels=4096), inputs))
    written = to_graph(trained)
    floats, golden = reference.run(written, inputs), integer.run(to_integer(trained, inputs), inputs)
    equal = [np.mean(golden.spikes[name] == spikes) for name, spikes in floats.spikes.items()]
    assert min(equal) > 0.97, "only decays and thresholds are rounded between the two"


def test_inputs_that_do_not_change_are_multiplied_once_and_exactly():
    graph = images(np.random.default_rng(8))
    still = {"x": np.broadcast_to(inputs_of(graph)["x"][0], (9, 24, 1, 8, 8))}
    network = quantize(graph, QuantizationConfig(bits=4), {"x": still["x"].copy()})
    trained = QatNetwork(graph, network)
    expanded = torch.from_numpy(still["x"][0].copy()).expand(9, 24, 1, 8, 8)
    golden, trace = integer.run(network, still), trained({"x": expanded}, record=True)
    assert np.array_equal(trace.v["li"].detach().numpy(), golden.v["li"])
    assert np.array_equal(trace.spikes["lif"].detach().numpy(), golden.spikes["lif"])


def test_currents_wrap_and_membranes_clip_as_in_the_golden_network():
    graph = dense(np.random.default_rng(9))
    inputs = {"x": inputs_of(graph)["x"] * 11_000_000 // 9}
    network = quantize(graph, QuantizationConfig(bits=8), {"x": inputs["x"] // 10_000}, {"x": (-100_000, 100_000)})
    wide = replace(network, inputs=(InputPort("x", (6,), -(2**24), 2**24),))
    trained = QatNetwork(graph, wide)
    golden = assert_golden(trained, inputs, wide)
    assert golden.current_wraps["lif"] > 0


def test_wrap_keeps_the_range_of_24_bits():
    values = torch.tensor([2.0**23, 2.0**23 + 1, -(2.0**23), -(2.0**23) - 1, 3 * 2.0**24 + 5, 0.0], dtype=torch.float64)
    assert wrap(values).tolist() == [2.0**23, 1 - 2.0**23, 2.0**23, 2.0**23 - 1, 5.0, 0.0]


def two_classes(graph, seed=0, count=256):
    """Inferences whose class shows in the first inputs."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    x = rng.integers(-4, 5, (8, count, *graph.nodes["x"].shape))
    x[:, np.arange(count), labels] += 6
    return {"x": x}, labels


def decided(network, inputs):
    return integer.run(network, inputs).outputs["y"][-1].argmax(1)


def test_fine_tuning_learns_and_repeats_with_its_seed():
    graph = dense(np.random.default_rng(10))
    inputs, labels = two_classes(graph)
    config = QuantizationConfig(bits=3, scale="mse")
    how = FineTuning(epochs=6, batch=32, learning_rate=0.02, distillation=0.0)
    lines = []
    first = fine_tune(graph, config, inputs, labels, how, seed=4, progress=lines.append)
    second = fine_tune(graph, config, inputs, labels, how, seed=4)
    before = np.mean(decided(quantize(graph, config, inputs), inputs) == labels)
    others, their_labels = two_classes(graph, seed=1)
    assert np.mean(decided(first.network, others) == their_labels) > max(0.8, before + 0.2)
    assert first.losses == second.losses and len(lines) == 6 and first.losses[-1] < first.losses[0]
    for a, b in zip(first.network.populations, second.network.populations, strict=True):
        assert all(
            np.array_equal(s.operation.weight, t.operation.weight) for s, t in zip(a.synapses, b.synapses, strict=True)
        )
    said = first.network.metadata["quantization"]["qat"]
    assert said["epochs"] == 6 and said["twin_bits"] is None and len(said["losses"]) == 6


def test_distillation_alone_follows_the_twin():
    graph = dense(np.random.default_rng(11))
    inputs, labels = two_classes(graph)
    config = QuantizationConfig(bits=2)
    how = FineTuning(epochs=8, batch=32, learning_rate=0.02, distillation=1.0)
    tuned = fine_tune(graph, config, inputs, labels, how, seed=1)
    wanted = reference.run(graph, inputs).outputs["y"][-1].argmax(1)
    before = np.mean(decided(quantize(graph, config, inputs), inputs) == wanted)
    assert np.mean(decided(tuned.network, inputs) == wanted) > before


def test_pruned_weights_stay_zero():
    graph = prune_weights(dense(np.random.default_rng(12)), 0.5).graph
    inputs, labels = two_classes(graph)
    tuned = fine_tune(graph, QuantizationConfig(), inputs, labels, FineTuning(epochs=2, batch=32, learning_rate=0.02))
    for population in tuned.network.populations:
        for synapses in population.synapses:
            gone = graph.nodes[synapses.name].weight == 0
            assert gone.mean() == 0.5 and not synapses.operation.weight[gone].any()
            assert not tuned.graph.nodes[synapses.name].weight[gone].any()


def test_spike_counts_can_be_what_decides():
    graph = convolutions(np.random.default_rng(13))
    inputs = inputs_of(graph, batch=64)
    labels = np.random.default_rng(0).integers(0, 3, 64)
    how = FineTuning(epochs=3, batch=16, learning_rate=0.02, decision="count")
    tuned = fine_tune(graph, QuantizationConfig(bits=4), inputs, labels, how)
    assert tuned.losses[-1] < tuned.losses[0]
    with pytest.raises(CortexCoreError, match="spikes: use decision 'count'"):
        fine_tune(graph, QuantizationConfig(bits=4), inputs, labels, FineTuning())


def test_what_does_not_fit_is_refused():
    graph = dense(np.random.default_rng(14))
    inputs, labels = two_classes(graph)
    config = QuantizationConfig(bits=4)
    for wrong, sentence in ((labels[:-1], "labels of shape"), (labels - 1, "class indices start at 0")):
        with pytest.raises(DataError, match=sentence):
            fine_tune(graph, config, inputs, wrong)
    with pytest.raises(DataError, match="a label is 7"):
        fine_tune(graph, config, inputs, np.full(len(labels), 7))
    with pytest.raises(CortexCoreError, match="epochs 0"):
        FineTuning(epochs=0)
    with pytest.raises(CortexCoreError, match="learning_rate must be above 0"):
        FineTuning(learning_rate=-1)
    other = images(np.random.default_rng(0))
    with pytest.raises(QuantizationError, match="not quantized from this graph"):
        QatNetwork(graph, quantize(other, config, inputs_of(other)))
    trained = QatNetwork(graph, quantize(graph, config, inputs))
    with pytest.raises(DataError, match="not integers"):
        trained({"x": torch.rand(4, 2, 6)})
    with pytest.raises(DataError, match="holds values in"):
        trained({"x": torch.full((4, 2, 6), 500.0)})
    with pytest.raises(DataError, match="has shape"):
        trained({"x": torch.zeros(4, 2, 5)})
    with pytest.raises(DataError, match="the network's inputs are"):
        trained({"z": torch.zeros(4, 2, 6)})


def test_merged_layers_without_a_node_of_their_own_are_refused_as_a_graph():
    rng = np.random.default_rng(15)
    graph = convolutions(rng)
    nodes = {**graph.nodes, "lif2": LIF((4, 4), rng.uniform(4e-3, 9e-3, (4, 4)), *scalar(8, 0, 1), "none")}
    graph = Graph(nodes, graph.edges, DT, "euler")
    inputs = inputs_of(graph)
    trained = QatNetwork(graph, quantize(graph, QuantizationConfig(), inputs))
    assert_golden(trained, inputs)
    with pytest.raises(GraphError, match="'conv2' is a matrix"):
        to_graph(trained)


def test_bounds_are_proven_anew_or_said_to_be_calibrated():
    graph = dense(np.random.default_rng(16))
    inputs = inputs_of(graph)
    network = quantize(graph, QuantizationConfig(), inputs)
    assert network.metadata["quantization"]["populations"]["lif"]["bound"]["kind"] == "static"
    trained = QatNetwork(graph, network)
    with torch.no_grad():
        for parameter in trained.stage("lif").synapses[0].parameters():
            parameter.copy_(parameter.sign())
        trained.settle()
    with pytest.raises(QuantizationError, match="no static bound keeps lif"):
        to_integer(trained)
    small = {"x": inputs["x"] // 9}
    tuned = to_integer(trained, small)
    bound = tuned.metadata["quantization"]["populations"]["lif"]["bound"]
    golden = integer.run(tuned, small)
    assert bound["kind"] == "calibrated" and bound["value"] >= np.abs(golden.u["lif"]).max()
    assert bound["margin"] == pytest.approx(bound["limit"] / bound["value"])
    worst = -9 * np.sign(tuned.population("lif").synapses[0].operation.weight[0])
    with pytest.raises(QuantizationError, match="beyond 24 bits"):
        to_integer(trained, {"x": np.broadcast_to(worst, (99, 1, 6))})
