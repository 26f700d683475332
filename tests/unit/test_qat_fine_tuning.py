"""What fine-tuning minimises and how, by hand, and what it refuses."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from cortexcore.errors import CortexCoreError, DataError, GraphError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, Synapses
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, Input, Node, Output, Threshold
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.train.qat import FineTuned, FineTuning, QatNetwork, fine_tune
from cortexcore.train.qat.finish import to_graph, to_integer
from cortexcore.train.qat.rounding import fire
from cortexcore.train.qat.synapses import QatSynapses

DT = 1e-3
CONFIG = QuantizationConfig(bits=4)
LABELS = np.arange(24) % 3


def chain(**nodes: Node) -> Graph:
    return Graph(nodes, tuple(itertools.pairwise(nodes)), DT, "euler")


def neuron(shape: tuple[int, ...], spiking: bool = True) -> LIF | LI:
    tau, r, leak = np.array(8e-3), np.array(8.0), np.zeros(())
    return LIF(shape, tau, r, leak, np.ones(()), "zero") if spiking else LI(shape, tau, r, leak)


def classifier(classes: int = 3, spiking: bool = False, bias: float | None = None) -> Graph:
    rng = np.random.default_rng(3)
    biases = rng.normal(size=classes) / 4 if bias is None else np.full(classes, bias)
    return chain(
        x=Input((6,)),
        fc1=Affine(rng.normal(size=(12, 6)) / 4, rng.normal(size=12) / 9),
        lif=neuron((12,)),
        fc2=Affine(rng.normal(size=(classes, 12)), biases),
        out=neuron((classes,), spiking),
        y=Output((classes,)),
    )


def data(seed: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).integers(-9, 10, (9, 24, 6))}


def assert_golden(tuned: FineTuned, inputs: dict[str, np.ndarray]) -> None:
    golden = integer.run(tuned.network, inputs)
    with torch.no_grad():
        trace = tuned.trained({name: torch.from_numpy(x) for name, x in inputs.items()}, record=True)
    for name, v in golden.v.items():
        assert np.array_equal(trace.v[name].numpy(), v)


@pytest.mark.parametrize("classes", [1, 3])
def test_biases_that_are_alike_at_first_are_trained_apart(classes: int) -> None:
    """Quantization keeps one number for them, be it because there is only one neuron."""
    graph = classifier(classes, bias=0.25)
    assert quantize(graph, CONFIG, data()).population("out").bias.shape == ()
    tuned = fine_tune(graph, CONFIG, data(), LABELS % classes, FineTuning(epochs=4, batch=8, learning_rate=0.03))
    bias = tuned.network.population("out").bias
    assert bias.shape == (classes,) and len(set(bias.tolist())) == classes
    assert_golden(tuned, data(2))


def test_the_written_graph_keeps_thresholds_below_zero() -> None:
    """Quantization makes them biases, which the graph that fine-tuning hands back must not have twice."""
    rng = np.random.default_rng(4)
    graph = chain(
        x=Input((6,)),
        fc=Affine(rng.normal(size=(12, 6)), np.zeros(12)),
        step=Threshold((12,), np.linspace(-6, 2, 12)),
        y=Output((12,)),
    )
    trained = QatNetwork(graph, quantize(graph, QuantizationConfig(), data()))
    floats, golden = reference.run(to_graph(trained), data()), integer.run(to_integer(trained, data()), data())
    assert np.mean(floats.spikes["step"] == golden.spikes["step"]) > 0.99


def test_sums_that_float32_cannot_hold_are_exact() -> None:
    weight = np.array([[254, 254]], np.int32)
    synapses = QatSynapses(Synapses("fc", "x", Dense(weight)), weight.astype(np.float64), 8, 100_000, (2,))
    sent = np.random.default_rng(5).integers(95_000, 100_000, (99, 2))
    wanted = sent @ weight.T.astype(np.int64) * 64
    assert (wanted // 128).min() > 2**24 and (wanted // 128 % 2).any()
    assert np.array_equal(synapses(synapses.weight(), torch.from_numpy(sent)).detach().numpy(), wanted)


def values(graph: Graph, bits: int, decision: str) -> np.ndarray:
    """What the integer network tells the classes by, in float units, in plain NumPy."""
    network = quantize(graph, QuantizationConfig(bits=bits), data())
    v = integer.run(network, data()).outputs["y"] * network.metadata["quantization"]["populations"]["out"]["unit"] / 64
    return v[-1] if decision == "last" else v.mean(0)


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


@pytest.mark.parametrize("decision", ["last", "mean"])
def test_the_loss_is_the_cross_entropy_and_the_softened_divergence(decision: str) -> None:
    graph, share, heat = classifier(), 0.3, 3.0
    how = FineTuning(1, 24, distillation=share, temperature=heat, smoothing=0.0, decision=decision)  # type: ignore[arg-type]
    student, teacher = (values(graph, bits, decision) for bits in (4, 8))
    entropy = -log_softmax(student)[np.arange(24), LABELS].mean()
    soft, wanted = log_softmax(student / heat), log_softmax(teacher / heat)
    divergence = heat**2 * (np.exp(wanted) * (wanted - soft)).sum(1).mean()
    assert divergence > 0.01
    losses = fine_tune(graph, CONFIG, data(), LABELS, how).losses
    assert losses[0] == pytest.approx((1 - share) * entropy + share * divergence, rel=1e-5)


def test_the_learning_rate_falls_to_zero_over_half_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = torch.optim.AdamW.step

    def spied(self: torch.optim.AdamW) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", spied)
    fine_tune(classifier(), CONFIG, data(), LABELS, FineTuning(2, 12, learning_rate=0.01, distillation=0.0))
    assert rates == pytest.approx([0.01 * (1 + math.cos(math.pi * done)) / 2 for done in (0, 0.25, 0.5, 0.75)])


def test_masters_stay_within_the_grid() -> None:
    how = FineTuning(3, 8, learning_rate=5.0, distillation=0.0)
    trained = fine_tune(classifier(), CONFIG, data(), LABELS, how).trained
    masters = [s.master for name in ("lif", "out") for s in trained.stage(name).synapses]
    assert min(float(m.detach().min()) for m in masters) == -1.0
    assert max(float(m.detach().max()) for m in masters) == 1 - 32 / 256


def test_the_surrogate_is_the_fast_sigmoid_of_the_distance_in_thresholds() -> None:
    v = torch.tensor([0.0, 30.0, 64.0, 80.0, 200.0], dtype=torch.float64, requires_grad=True)
    level = torch.tensor(64.0, dtype=torch.float64)
    fire(v, level, level, 5.0).sum().backward()
    assert v.grad is not None
    wanted = [1 / (64 * (1 + 5 * abs(x - 64) / 64) ** 2) for x in (0, 30, 64, 80, 200)]
    assert v.grad.tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (classifier(5), "the teacher tells 5 classes by its membrane and the network 3 classes by its membrane"),
        (classifier(1), "the teacher tells 1 classes"),
        (classifier(3, spiking=True), "the teacher tells 3 classes by its spikes and the network 3 classes by"),
    ],
)
def test_a_teacher_that_decides_otherwise_is_refused(teacher: Graph, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        fine_tune(classifier(), CONFIG, data(), LABELS, FineTuning(1), teacher=teacher)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": 1.5}, "epochs 1.5 and batch 128 must be whole numbers"),
        ({"batch": "3"}, "batch '3' must be whole numbers"),
        ({"temperature": math.inf}, "must be finite"),
        ({"weight_decay": math.inf}, "must be finite"),
        ({"surrogate_slope": math.inf}, "must be finite"),
    ],
)
def test_options_out_of_their_range_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CortexCoreError, match=sentence):
        FineTuning(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [1e-300, 1e200])
def test_a_loss_that_is_no_number_stops_the_training(temperature: float) -> None:
    with pytest.raises(CortexCoreError, match="the loss of epoch 1 is"):
        fine_tune(classifier(), CONFIG, data(), LABELS, FineTuning(1, temperature=temperature))


@pytest.mark.parametrize("inputs", [np.full((9, 24, 6), "a"), np.full((9, 24, 6), 1j), np.full((9, 24, 6), None)])
def test_inputs_that_are_no_numbers_are_refused(inputs: np.ndarray) -> None:
    with pytest.raises(CortexCoreError, match=r"input 'x' holds .* no real numbers"):
        fine_tune(classifier(), CONFIG, {"x": inputs}, LABELS, FineTuning(1))


def test_what_cannot_be_written_as_a_graph_is_refused_before_it_is_trained() -> None:
    """Time constants that differ within a channel make a matrix of the kernel, which has no node of its own."""
    rng = np.random.default_rng(6)
    own = LIF((2, 6), rng.uniform(4e-3, 9e-3, (2, 6)), np.array(8.0), np.zeros(()), np.ones(()), "zero")
    graph = chain(
        x=Input((1, 6)),
        conv=Conv1d(rng.normal(size=(2, 1, 3)), np.zeros(2), 6, padding=1),
        lif=own,
        y=Output((2, 6)),
    )
    lines: list[str] = []
    inputs = {"x": data()["x"][:, :, None]}
    with pytest.raises(GraphError, match="'conv' is a matrix into neurons of shape"):
        fine_tune(graph, CONFIG, inputs, LABELS, FineTuning(1, decision="count"), progress=lines.append)
    assert not lines


def test_labels_that_are_no_array_are_refused() -> None:
    with pytest.raises(DataError, match="labels are no array"):
        fine_tune(classifier(), CONFIG, data(), [[1], [2, 3]], FineTuning(1))  # type: ignore[arg-type]
