"""Layers and neurons that a graph cannot keep: one sentence each, that names the module and the remedy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402

from cortexcore.errors import GraphError  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402


def leaky(beta: object = 0.9, **options: object) -> nn.Module:
    return snn.Leaky(beta, init_hidden=True, **options)


def refused(model: nn.Module, says: str, shape: tuple[int, ...] = (3,)) -> str:
    with pytest.raises(GraphError, match=says) as caught:
        from_torch(model, np.zeros((1, *shape)), 1e-3)
    return str(caught.value)


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (nn.ReLU(), (3,), "'0' is a ReLU, which has no counterpart"),
        (nn.LSTM(3, 3), (3,), "'0' is a LSTM, which has no counterpart"),
        (nn.MaxPool1d(2), (3, 8), "MaxPool1d, whose maximum no linear node computes .use AvgPool"),
        (nn.MaxPool2d(2), (3, 8, 8), "MaxPool2d, whose maximum"),
        (nn.AdaptiveMaxPool2d(2), (3, 8, 8), "AdaptiveMaxPool2d, whose maximum"),
        (nn.AdaptiveAvgPool2d(2), (3, 8, 8), "is an AdaptiveAvgPool2d, which has no counterpart"),
        (nn.Linear(4, 2), (3, 4), "put nn.Flatten"),
        (nn.Linear(5, 2), (3,), r"'0' is a Linear that fails on the shape \(3,\)"),
        (nn.Conv1d(3, 2, 2, padding="same"), (3, 8), "unequally"),
        (nn.Conv2d(3, 2, (2, 3), padding="same"), (3, 8, 8), "unequally"),
        (nn.Conv1d(3, 2, 3, padding=1, padding_mode="circular"), (3, 8), "use padding_mode='zeros'"),
        (nn.Conv1d(3, 2, 3), (8,), "takes .channels, length"),
        (nn.Conv2d(3, 2, 3), (8, 8), "takes .channels, height, width"),
        (nn.AvgPool1d(3, ceil_mode=True), (3, 8), "use ceil_mode=False"),
        (nn.AvgPool2d(3, ceil_mode=True), (3, 8, 8), "use ceil_mode=False"),
        (nn.AvgPool1d(3, padding=1, count_include_pad=False), (3, 8), "use count_include_pad=True"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), (3, 8, 8), "use count_include_pad=True"),
        (nn.AvgPool2d(3, divisor_override=5), (3, 8, 8), "use divisor_override=1"),
        (nn.AvgPool2d(2), (8, 8), r"receives \(8, 8\), it takes .channels, height, width"),
        (nn.LPPool1d(2, 2), (3, 8), "use norm_type=1, the sum"),
        (nn.LPPool2d(2, 2), (3, 8, 8), "use norm_type=1, the sum"),
        (nn.LPPool2d(1, 3, ceil_mode=True), (3, 8, 8), "use ceil_mode=False"),
        (nn.Flatten(0), (3,), "use start_dim=1"),
        (nn.BatchNorm1d(3, track_running_stats=False), (3,), "use track_running_stats=True"),
        (nn.GroupNorm(1, 3), (3,), "is a GroupNorm"),
    ],
)
def test_layers(layer: nn.Module, shape: tuple[int, ...], says: str) -> None:
    refused(nn.Sequential(layer, leaky()), says, shape)


@pytest.mark.parametrize(
    ("neuron", "says"),
    [
        (leaky(-0.5), "'1' has a beta of -0.5, it must lie in .0, 1"),
        (leaky(1.2), "has a beta of 1.2, it must lie in .0, 1. .clamp it"),
        (leaky(float("nan")), "has a beta with values that are not finite"),
        (leaky(torch.tensor([0.5, 1.0, 0.9])), "never leaks: beta = 1 has no time constant where others leak"),
        (leaky(torch.ones(7) * 0.5), "has a beta of shape .7,., which does not broadcast to .3,"),
        (leaky(threshold=-1.0), "'1' has a threshold of -1, .*use a threshold above 0"),
        (leaky(threshold=0.0), "has a threshold of 0, "),
        (leaky(threshold=torch.tensor([1.0, float("inf"), 1.0])), "has a threshold with values that are not finite"),
        (leaky(reset_delay=False), "'1' subtracts its threshold at once"),
        (leaky(state_quant=lambda x: x), "state_quant=False"),
        (snn.Leaky(0.9, init_hidden=True, spike_grad=lambda x: (x >= 0).float()), "hard forward step"),
        (snn.Leaky(0.9, init_hidden=True, spike_grad=torch.sigmoid), "hard forward step"),
        (snn.Synaptic(1.0, 0.9, init_hidden=True), "alpha = 1 has no time constant"),
        (snn.Synaptic(1.5, 0.9, init_hidden=True), "has an alpha of 1.5, it must lie"),
        (snn.Synaptic(0.5, 1.0, init_hidden=True), "never leaks: beta = 1 .*synaptic current"),
        (
            snn.Synaptic(0.5, 0.9, init_hidden=True, reset_mechanism="zero"),
            "drops the input of the step after a spike .use reset_delay=False",
        ),
        (snn.RLeaky(0.5, linear_features=3, init_hidden=True, reset_mechanism="zero"), "use reset_delay=False"),
        (
            snn.RSynaptic(0.5, 0.5, linear_features=3, init_hidden=True, reset_mechanism="zero"),
            r"after a spike \(use a Synaptic with reset_delay=False whose spikes return through a Linear in forward\)",
        ),
        (snn.RLeaky(0.5, linear_features=3, init_hidden=True, reset_delay=False), "subtracts its threshold at once"),
        (snn.RSynaptic(0.5, 0.5, linear_features=3, init_hidden=True, reset_delay=False), "fails at or ignores"),
        (
            snn.RSynaptic(0.5, 0.5, linear_features=3, init_hidden=True, reset_mechanism="zero", reset_delay=False),
            r"in an RSynaptic \(use a Synaptic",
        ),
        (snn.Lapicque(beta=0.9, init_hidden=True, reset_mechanism="zero"), "use snntorch.Leaky"),
        (snn.Lapicque(beta=0.2, init_hidden=True), "keeps -0.609438 of its membrane .*beta of at least 0.37"),
        (snn.Alpha(0.9, 0.8, init_hidden=True), "is an Alpha, which has no counterpart .use snntorch's Leaky"),
    ],
)
def test_neurons(neuron: nn.Module, says: str) -> None:
    refused(nn.Sequential(nn.Linear(3, 3), neuron), says)


@pytest.mark.filterwarnings("ignore:Inhibition")
def test_inhibition() -> None:
    refused(nn.Sequential(nn.Linear(3, 3), leaky(inhibition=True)), "inhibition=False")


def test_a_derived_neuron() -> None:
    class Mine(snn.Leaky):
        def forward(self, input_: torch.Tensor, mem: object = None) -> torch.Tensor:
            return super().forward(2 * input_)

    refused(nn.Sequential(nn.Linear(3, 3), Mine(0.9, init_hidden=True)), "'1' is a Mine, which has no counterpart")


def test_a_reset_changed_after_the_neuron_was_made() -> None:
    neuron = leaky()
    neuron.reset_mechanism = "zero"
    refused(nn.Sequential(nn.Linear(3, 3), neuron), "was made to reset by 'subtract' and then set to 'zero'")


def test_recurrent_weights_and_graded_recurrence() -> None:
    neuron = snn.RLeaky(0.5, linear_features=3, init_hidden=True)
    with torch.no_grad():
        neuron.recurrent.weight[0, 0] = torch.nan
    refused(nn.Sequential(nn.Linear(3, 3), neuron), "'1' has a recurrent layer that has weights that are not finite")
    graded = snn.RLeaky(0.5, linear_features=3, init_hidden=True)
    graded.graded_spikes_factor.fill_(0.5)
    refused(nn.Sequential(nn.Linear(3, 3), graded), "'1' returns graded spikes to itself")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    model = nn.Sequential(nn.Linear(3, 3), leaky(), nn.Linear(3, 2), leaky())
    with torch.no_grad():
        model[2].weight[0, 0] = value
    refused(model, "'2' has weights that are not finite .train again")
    norm = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), leaky())
    norm[1].running_var.fill_(value)
    refused(norm, "'1' has running variances that are not finite")


def test_all_offending_modules_come_at_once() -> None:
    model = nn.Sequential(
        nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh(), leaky(1.5, threshold=-1.0), nn.Linear(3, 3), leaky(-1.0)
    )
    message = refused(model, "cannot be exported")
    for part in ("'1' is a ReLU", "'3' is a Tanh", "'4' has a beta of 1.5", "threshold of -1", "'6' has a beta of -1"):
        assert message.count(part) == 1, part


def test_what_was_found_before_a_module_fails_is_told_as_well() -> None:
    message = refused(nn.Sequential(nn.ReLU(), nn.Linear(5, 3), leaky()), "cannot be exported")
    assert "'0' is a ReLU" in message and "'1' is a Linear that fails" in message


def test_a_layer_that_fails_on_the_sample_says_what_sample_to_give() -> None:
    refused(nn.Sequential(nn.Linear(5, 3), leaky()), "multiplied.*give a sample of the shape and type that")


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic", "RLeaky"])
def test_the_remedy_for_a_delayed_reset_to_zero_exports(kind: str) -> None:
    decays = (0.5, 0.5) if kind == "Synaptic" else (0.5,)
    options = {"linear_features": 3} if kind == "RLeaky" else {}
    neuron = getattr(snn, kind)(*decays, init_hidden=True, reset_mechanism="zero", reset_delay=False, **options)
    node = from_torch(nn.Sequential(nn.Linear(3, 3), neuron), np.zeros((1, 3)), 1e-3).nodes["1"]
    assert node.reset == "zero" and not node.reset_delay
