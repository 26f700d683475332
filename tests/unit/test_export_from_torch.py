"""PyTorch networks as graphs: names, nodes, the model left as it was, spikes where a weight equals a threshold."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from snntorch import utils  # noqa: E402
from torch import nn  # noqa: E402

from cortexcore.export import reference  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402
from cortexcore.export.nodes import (  # noqa: E402
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
    I,
    Scale,
    SumPool2d,
)


def hard(x: torch.Tensor) -> torch.Tensor:
    """A surrogate that answers in float64 where it is asked in float64."""
    return (x > 0).to(x.dtype)


def leaky(beta: object = 0.9, **options: object) -> nn.Module:
    return snn.Leaky(beta, init_hidden=True, **options)


class Everything(nn.Module):
    """Two inputs, convolution, batch normalisation, a branch, scales, Synaptic, readout; a module named as an input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv1d(4, 6, 5, stride=2, padding=2, groups=2), nn.BatchNorm1d(6)
        self.l1, self.flat, self.drop = leaky(reset_mechanism="zero"), nn.Flatten(), nn.Dropout(0.5)
        self.block, self.rhythm = nn.Sequential(nn.Linear(6 * 16, 10), nn.Identity()), nn.Linear(3, 10, bias=False)
        self.l2, self.syn = leaky(torch.linspace(0.2, 0.95, 10)), snn.Synaptic(0.7, 0.8, init_hidden=True)
        self.out, self.li = nn.Linear(10, 4), leaky(0.95, reset_mechanism="none", output=True)

    def forward(self, window: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        x = self.l1(self.bn(self.conv(window * 0.5)))
        x = self.l2(self.block(self.drop(self.flat(x))) + self.rhythm(0.5 * rhythm))
        _, mem = self.li(self.out(self.syn(x)))
        return mem


def test_names_and_nodes() -> None:
    graph = from_torch(Everything(), (np.zeros((1, 4, 32)), np.zeros((1, 3))), 1e-3, {"classes": ["N"]})
    assert list(graph.inputs) == ["window", "rhythm"] and list(graph.outputs) == ["y"]
    names = ["mul", "conv", "l1", "flat", "block_0", "mul_1", "rhythm_again", "l2", "syn", "out", "li"]
    assert list(graph.nodes) == ["window", "rhythm", *names, "y"]
    kinds = [Scale, Conv1d, LIF, Flatten, Affine, Scale, "Linear", LIF, CubaLIF, Affine, LI]
    for name, kind in zip(names, kinds, strict=True):
        assert type(graph.nodes[name]).__name__ == (kind if isinstance(kind, str) else kind.__name__)
    assert graph.sources("l2") == ["block_0", "rhythm_again"]
    assert graph.metadata == {"classes": ["N"]} and graph.dt_s == 1e-3 and graph.discretization == "euler"


@pytest.mark.parametrize(
    ("layer", "shape", "kind"),
    [
        (nn.Conv2d(2, 4, 3, padding="same", dilation=2, groups=2), (2, 8, 8), Conv2d),
        (nn.AvgPool1d(2), (2, 8), Conv1d),
        (nn.LPPool1d(1, 2), (2, 8), Conv1d),
        (nn.AvgPool2d(2), (2, 8, 8), AvgPool2d),
        (nn.LPPool2d(1, 2), (2, 8, 8), SumPool2d),
        (nn.AvgPool2d(2, divisor_override=1), (2, 8, 8), SumPool2d),
        (nn.BatchNorm1d(2), (2, 8), Conv1d),
        (nn.BatchNorm1d(2), (2,), Affine),
        (nn.BatchNorm2d(2), (2, 8, 8), Conv2d),
    ],
)
def test_layers_become(layer: nn.Module, shape: tuple[int, ...], kind: type) -> None:
    graph = from_torch(nn.Sequential(layer, leaky()), np.zeros((1, *shape)), 1e-3)
    assert isinstance(graph.nodes["0"], kind)


@pytest.mark.parametrize(
    ("neuron", "kind"),
    [
        (leaky(), LIF),
        (leaky(1.0), IF),
        (leaky(reset_mechanism="none", output=True), LI),
        (leaky(1.0, reset_mechanism="none", output=True), I),
        (snn.Synaptic(0.5, 0.5, init_hidden=True), CubaLIF),
        (snn.Synaptic(0.5, 0.5, init_hidden=True, reset_mechanism="none", output=True), CubaLI),
        (snn.Lapicque(beta=0.9, init_hidden=True), LIF),
    ],
)
def test_neurons_become(neuron: nn.Module, kind: type) -> None:
    graph = from_torch(nn.Sequential(nn.Linear(3, 3), neuron), np.zeros((1, 3)), 1e-3)
    assert type(graph.nodes["1"]) is kind and list(graph.outputs) == ["y"]


def test_integrators_add_their_input_as_it_is() -> None:
    graph = from_torch(nn.Sequential(nn.Linear(3, 3), leaky(1.0)), np.zeros((1, 3)), 4e-3)
    node = graph.nodes["1"]
    assert isinstance(node, IF) and float(node.r) * 4e-3 == 1.0


def test_delays_stand_where_nothing_closes_a_loop() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.n, self.up, self.k = nn.Linear(3, 3), leaky(), nn.Linear(3, 3), leaky()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            spikes, record = torch.zeros(x.shape[1:]), []
            for now in x:
                late, spikes = spikes, self.n(self.fc(now))
                record.append(self.k(self.up(late)))
            return torch.stack(record)

    graph = from_torch(Late(), np.zeros((3, 1, 3)), 1e-3)
    delay = graph.nodes["n_delay"]
    assert isinstance(delay, Delay) and float(delay.delay) == 1e-3
    assert graph.sources("up") == ["n_delay"] and graph.sources("n_delay") == ["n"]


def test_recurrent_layers_stand_beside_their_neuron() -> None:
    model = nn.Sequential(nn.Linear(3, 3), snn.RLeaky(0.5, linear_features=3, init_hidden=True))
    graph = from_torch(model, np.zeros((1, 3)), 1e-3)
    assert isinstance(graph.nodes["1_recurrent"], Affine)
    assert set(graph.sources("1")) == {"0", "1_recurrent"} and graph.sources("1_recurrent") == ["1"]


def test_batch_norm_leaves_the_layer_alone_where_another_reads_it() -> None:
    class Read(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.bn, self.n, self.k = nn.Linear(3, 3), nn.BatchNorm1d(3), leaky(), leaky()

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            i = self.fc(x)
            return {"a": self.n(self.bn(i)), "b": self.k(i)}

    graph = from_torch(Read(), np.zeros((1, 3)), 1e-3)
    assert graph.sources("n") == ["bn"] and graph.sources("k") == ["fc"] and set(graph.outputs) == {"a", "b"}


def test_a_shared_layer_and_what_nothing_reads() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.n, self.k, self.dead = nn.Linear(3, 3), leaky(), leaky(), nn.ReLU()

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.dead(x)
            return self.n(self.fc(x)), self.k(self.fc(x * 2) + x)

    graph = from_torch(Shared(), np.zeros((1, 3)), 1e-3)
    assert "dead" not in graph.nodes and graph.sources("k") == ["fc_again", "x"] and set(graph.outputs) == {"y0", "y1"}


def test_a_readout_returned_whole_is_its_membrane_or_what_is_chosen() -> None:
    model = nn.Sequential(nn.Linear(3, 2), leaky(reset_mechanism="none", output=True))
    whole, spikes = (from_torch(model, np.zeros((1, 3)), 1e-3, outputs=keep) for keep in (None, (0,)))
    assert isinstance(whole.nodes["1"], LI) and isinstance(spikes.nodes["1"], LIF)
    assert list(whole.outputs) == list(spikes.outputs) == ["y"]


def test_numbers_and_none_are_handed_on() -> None:
    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.n = nn.Linear(3, 3), snn.Leaky(0.9)

        def forward(self, x: torch.Tensor, steps: int, mem: Any = None) -> torch.Tensor:
            mem, record = self.n.reset_mem() if mem is None else mem, []
            for _ in range(steps):
                spikes, mem = self.n(self.fc(x), mem)
                record.append(spikes)
            return torch.stack(record)

    for sample in ((np.zeros((1, 3)), 4), {"x": np.zeros((1, 3)), "steps": 2, "mem": None}):
        assert set(from_torch(Steps(), sample, 1e-3).nodes) == {"x", "fc", "n", "y"}


def test_the_model_and_the_generators_are_left_as_they_were() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.bn, self.n, self.drop = nn.Linear(3, 3), nn.BatchNorm1d(3), leaky(), nn.Dropout(0.5)
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            utils.reset(self)
            self.calls += 1
            return torch.stack([self.n(self.drop(self.bn(self.fc(now)))) for now in x])

    model, other = Loop().train(), leaky()
    model.drop.eval()
    other(torch.ones(2, 3))
    model(torch.randn(4, 5, 3))
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    mem, elsewhere, forward = model.n.mem, other.mem, model.n.forward
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    drawn = (torch.rand(3), np.random.rand(), random.random())
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    from_torch(model, np.zeros((3, 1, 3)), 1e-3)
    assert model.training and model.bn.training and not model.drop.training
    assert model.n.mem is mem and other.mem is elsewhere and model.n.forward == forward and mem.requires_grad
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.rand(3), drawn[0]) and (np.random.rand(), random.random()) == drawn[1:]


def test_the_model_is_left_as_it_was_after_a_refusal() -> None:
    model = nn.Sequential(nn.Linear(5, 3), leaky()).train()
    forward = model[0].forward
    with pytest.raises(ValueError, match="fails on the shape"):
        from_torch(model, np.zeros((1, 3)), 1e-3)
    assert model.training and model[0].forward == forward


def test_surrogates_of_snntorch_in_float32() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 30), leaky(0.8), nn.Linear(30, 5), leaky(0.7))
    with torch.no_grad():
        model[0].weight *= 3
        model[2].weight *= 3
    x = np.random.default_rng(0).normal(size=(150, 3, 6)).astype(np.float32)
    trace = reference.run(from_torch(model, x[0], 1e-3), {"input": x})
    with torch.no_grad():
        spikes = np.stack([model(torch.tensor(now)).numpy() for now in x])
    assert 0.05 < spikes.mean() < 0.6
    np.testing.assert_array_equal(trace.outputs["y"], spikes)


@pytest.mark.parametrize("kind", ["leaky", "synaptic"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dt_s", [1e-3, 1e-4, 4e-3])
def test_no_spike_flips_where_a_weight_equals_the_threshold(kind: str, dtype: type, dt_s: float) -> None:
    """tau = dt/(1 − β) rounds; a gain one bit above 1 would fire at each first input."""
    rng = np.random.default_rng(1)
    betas = torch.tensor(
        np.concatenate([rng.uniform(0, 1, 400), np.arange(0, 100) / 100]).astype(dtype).astype(np.float64)
    )
    neuron = leaky(betas, spike_grad=hard)
    if kind == "synaptic":
        neuron = snn.Synaptic(betas.flip(0), betas, spike_grad=hard, init_hidden=True)
    model = nn.Sequential(nn.Linear(500, 500, bias=False), neuron).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(500))
    x = (rng.random((60, 3, 500)) < 0.2).astype(np.float64)
    trace = reference.run(from_torch(model, x[0], dt_s), {"input": x})
    neuron.reset_mem()
    with torch.no_grad():
        spikes = np.stack([model(torch.tensor(now)).numpy() for now in x])
    assert 0.01 < spikes.mean() < 0.9
    np.testing.assert_array_equal(trace.spikes["1"], spikes)
