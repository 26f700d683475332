"""snnTorch networks as graphs: the same spikes in float64, and everything that cannot be kept refused."""

from __future__ import annotations

import operator

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402

from cortexcore.errors import GraphError  # noqa: E402
from cortexcore.export import reference  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF  # noqa: E402

STEPS = 120


def hard(x: torch.Tensor) -> torch.Tensor:
    """snnTorch's surrogates answer in float32; this keeps the whole comparison in float64."""
    return (x > 0).to(x.dtype)


def leaky(beta: object = 0.9, **options: object) -> nn.Module:
    return snn.Leaky(beta, spike_grad=hard, init_hidden=True, **options)


def compare_spikes(model: nn.Module, shapes: dict[str, tuple[int, ...]], scale: float = 2.0) -> reference.FloatTrace:
    """Step the model in float64, run its graph: 0 differing spikes in every neuron, outputs equal to rounding."""
    model = model.double().eval()
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=(STEPS, 4, *shape)) * scale for name, shape in shapes.items()}
    graph = from_torch(model, {name: np.zeros((1, *shape)) for name, shape in shapes.items()}, 1e-3)
    trace = reference.run(graph, inputs)
    seen: dict[str, list[np.ndarray]] = {}
    for path, module in model.named_modules():
        if isinstance(module, snn.SpikingNeuron):
            module.reset_mem()

            def keep(_: object, __: object, out: object, name: str = path.replace(".", "_")) -> None:
                spikes = out[0] if isinstance(out, tuple) else out
                seen.setdefault(name, []).append(spikes.detach().numpy().copy())

            module.register_forward_hook(keep)
    outputs = []
    for t in range(STEPS):
        out = model(*(torch.tensor(inputs[name][t]) for name in shapes))
        outputs.append((out[-1] if isinstance(out, tuple) else out).detach().numpy().copy())
    for name, spikes in trace.spikes.items():
        np.testing.assert_array_equal(np.stack(seen[name]), spikes)
        assert 0 < spikes.mean() < 1, f"'{name}' says nothing"
    for values in trace.outputs.values():
        np.testing.assert_allclose(values, np.stack(outputs), atol=1e-9)
    return trace


class Everything(nn.Module):
    """Two inputs, convolution, batch normalisation, vector parameters, a branch, scales, Synaptic, readout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 5, stride=2, padding=2, groups=2)
        self.bn = nn.BatchNorm1d(6)
        self.l1 = leaky(reset_mechanism="zero")
        self.flat, self.drop = nn.Flatten(), nn.Dropout(0.5)
        self.block = nn.Sequential(nn.Linear(6 * 16, 10), nn.Identity())
        self.rhythm = nn.Linear(3, 10, bias=False)
        self.l2 = leaky(torch.linspace(0.2, 0.95, 10), threshold=torch.linspace(0.5, 1.5, 10))
        self.syn = snn.Synaptic(0.7, 0.8, spike_grad=hard, init_hidden=True)
        self.out = nn.Linear(10, 4)
        self.li = leaky(0.95, reset_mechanism="none", output=True)
        self.register_buffer("gain", torch.tensor([[1.5]]))
        self.bn.running_mean.normal_()
        self.bn.running_var.uniform_(0.5, 2.0)

    def forward(self, window: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        x = self.l1(self.bn(self.conv(window / 2)))
        x = self.l2(self.block(self.drop(self.flat(x))) + self.rhythm(0.5 * rhythm))
        _, mem = self.li(self.out(self.syn(x * self.gain)))
        return mem


def test_a_model_with_everything() -> None:
    torch.manual_seed(0)
    model = Everything()
    compare_spikes(model, {"window": (4, 32), "rhythm": (3,)})
    graph = from_torch(model, (np.zeros((1, 4, 32)), np.zeros((1, 3))), 1e-3, {"classes": ["N"]})
    assert list(graph.inputs) == ["window", "rhythm"] and list(graph.outputs) == ["y"]
    assert isinstance(graph.nodes["conv"], Conv1d) and "bn" not in graph.nodes
    assert isinstance(graph.nodes["block_0"], Affine)
    assert isinstance(graph.nodes["syn"], CubaLIF) and isinstance(graph.nodes["li"], LI)
    assert graph.metadata == {"classes": ["N"]} and graph.dt_s == 1e-3 and graph.discretization == "euler"


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("output", [False, True])
def test_sequential(reset: str, output: bool) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(6, 8), leaky(0.8, reset_mechanism=reset), nn.Linear(8, 3), leaky(reset_mechanism=reset, output=output)
    )
    model = model.double().eval()
    graph = from_torch(model, np.zeros((1, 6)), 1e-3)
    last = graph.nodes["3"]
    assert isinstance(last, LIF) and last.reset == reset and last.reset_delay == (reset == "subtract")
    if not output:
        compare_spikes(model, {"input": (6,)})


def test_a_sequential_readout_is_its_membrane() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv1d(1, 3, 3, padding="same", dilation=2),
        leaky(0.5),
        nn.Flatten(),
        nn.Linear(24, 2),
        leaky(reset_mechanism="none", output=True),
    )
    trace = compare_spikes(model, {"input": (1, 8)})
    assert set(trace.spikes) == {"1"}


@pytest.mark.parametrize("delay", [True, False])
def test_zero_reset_fires_alike_with_and_without_delay(delay: bool) -> None:
    torch.manual_seed(3)
    compare_spikes(nn.Sequential(nn.Linear(4, 5), leaky(reset_mechanism="zero", reset_delay=delay)), {"input": (4,)})


def test_synaptic_zero_without_delay() -> None:
    torch.manual_seed(4)
    neuron = snn.Synaptic(0.6, 0.9, spike_grad=hard, init_hidden=True, reset_mechanism="zero", reset_delay=False)
    compare_spikes(nn.Sequential(nn.Linear(4, 5), neuron), {"input": (4,)}, scale=1.0)


def test_beta_is_clamped_as_snntorch_does() -> None:
    torch.manual_seed(5)
    trace = compare_spikes(nn.Sequential(nn.Linear(4, 5), leaky(torch.tensor(-0.5))), {"input": (4,)})
    assert trace.spikes["1"].any()


class Forward(nn.Module):
    """Any forward over a few modules, for the refusals."""

    def __init__(self, forward: object, **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.steps = forward

    def forward(self, x: torch.Tensor) -> object:
        return self.steps(self, x)


def test_what_nothing_reads_is_left_out() -> None:
    model = Forward(lambda m, x: (m.dead(x), m.n(m.fc(x)))[1], fc=nn.Linear(3, 2), n=leaky(), dead=nn.Bilinear(3, 3, 2))
    assert set(from_torch(model, np.zeros((1, 3)), 1e-3).nodes) == {"x", "fc", "n", "y"}


def test_several_outputs_and_a_shared_layer() -> None:
    def forward(m: nn.Module, x: torch.Tensor) -> dict[str, object]:
        return {"a": m.n(m.fc(x)), "b": m.k(m.fc(torch.flatten(x, 1)) + x)}

    graph = from_torch(Forward(forward, fc=nn.Linear(3, 3), n=leaky(), k=leaky()), np.zeros((1, 3)), 1e-3)
    assert set(graph.outputs) == {"a", "b"} and "fc_again" in graph.nodes
    assert set(graph.sources("k")) == {"fc_again", "x"}
    pair = Forward(lambda m, x: (m.n(x), m.k(x)), n=leaky(), k=leaky())
    assert set(from_torch(pair, np.zeros((1, 3)), 1e-3).outputs) == {"y0", "y1"}


def test_batch_norm_leaves_the_layer_alone_where_another_reads_it() -> None:
    torch.manual_seed(6)
    bn = nn.BatchNorm1d(3)
    bn.running_mean.normal_()

    def forward(m: nn.Module, x: torch.Tensor) -> object:
        i = m.fc(x)
        return m.n(m.bn(i)) + m.k(i)

    model = Forward(forward, fc=nn.Linear(3, 3), bn=bn, n=leaky(), k=leaky())
    graph = from_torch(model, np.zeros((1, 3)), 1e-3)
    assert graph.sources("n") == ["bn"] and graph.sources("k") == ["fc"]
    compare_spikes(model, {"x": (3,)}, scale=4.0)


def refused(model: nn.Module, says: str, shape: tuple[int, ...] = (3,)) -> None:
    with pytest.raises(GraphError, match=says):
        from_torch(model, np.zeros((1, *shape)), 1e-3)


@pytest.mark.parametrize(
    ("neuron", "says"),
    [
        (leaky(1.0), "beta below 1"),
        (leaky(torch.ones(7) * 0.5), "does not broadcast"),
        (leaky(threshold=-1.0), "threshold of at least 0"),
        (leaky(reset_delay=False), "subtracts at once"),
        (leaky(graded_spikes_factor=2.0), "graded"),
        (leaky(state_quant=lambda x: x), "state_quant=False"),
        (snn.Leaky(0.9, init_hidden=True, spike_grad=lambda x: (x >= 0).float()), "hard forward step"),
        (snn.Leaky(0.9, init_hidden=True, spike_grad=torch.sigmoid), "hard forward step"),
        (snn.Synaptic(1.0, 0.9, init_hidden=True), "alpha below 1"),
        (snn.Synaptic(0.5, 0.9, init_hidden=True, reset_mechanism="zero"), "reset_delay=False"),
        (snn.Lapicque(beta=0.9, init_hidden=True), "is a Lapicque"),
        (snn.RLeaky(beta=0.9, init_hidden=True, linear_features=3), "is a RLeaky"),
    ],
)
def test_neurons_that_no_target_has(neuron: nn.Module, says: str) -> None:
    refused(nn.Sequential(nn.Linear(3, 3), neuron), says)


@pytest.mark.filterwarnings("ignore:Inhibition")
def test_inhibition_is_refused() -> None:
    refused(nn.Sequential(nn.Linear(3, 3), leaky(inhibition=True)), "inhibition=False")


@pytest.mark.parametrize(
    ("forward", "says"),
    [
        (lambda m, x: m.n(m.act(m.fc(x))), "ReLU, which has no counterpart"),
        (lambda m, x: m.n(torch.relu(m.fc(x))), "'relu' has no counterpart"),
        (lambda m, x: m.n(m.fc(x) + 1.0), "adds a constant"),
        (lambda m, x: m.n(m.fc(x) * m.fc(x)), "only constants"),
        (lambda m, x: m.n(x + x), "to itself"),
        (lambda m, x: m.n(m.n(m.fc(x))), "used twice"),
        (lambda m, x: m.n(m.fc(x), x), "called with its state"),
        (lambda m, x: m.n(m.bn(x)), "does not follow a Linear"),
        (lambda m, x: (lambda both: both[0] + both[1])(m.r(m.fc(x))), "reads a neuron's state"),
        (lambda m, x: operator.getitem(m.z(m.fc(x)), 1), "is read at its membrane|reads a neuron's state"),
        (lambda m, x: m.n(m.r2(x)), "together"),
        (lambda m, x: m.n(m.bare(m.fc(x))), "keeps no running statistics"),
        (lambda m, x: m.n(x.view(1, -1)), "has no counterpart"),
        (lambda m, x: m.n(m.fc(x)) if x.sum() > 0 else x, "cannot be traced"),
        (lambda m, x: {"x": m.n(x)}, "second node named 'x'"),
    ],
)
def test_forwards_that_cannot_be_kept(forward: object, says: str) -> None:
    modules = {
        "fc": nn.Linear(3, 3),
        "act": nn.ReLU(),
        "n": leaky(),
        "bn": nn.BatchNorm1d(3),
        "bare": nn.BatchNorm1d(3, track_running_stats=False),
        "r": leaky(reset_mechanism="none", output=True),
        "r2": leaky(output=True),
        "z": leaky(reset_mechanism="zero", output=True),
    }
    refused(Forward(forward, **modules), says)


def test_one_mistake_in_a_loop_over_time_is_named_once() -> None:
    def forward(m: object, x: object) -> object:
        for _ in range(3):
            spikes = m.n(m.fc(x), x)
        return spikes

    with pytest.raises(GraphError) as caught:
        from_torch(Forward(forward, fc=nn.Linear(3, 3), n=leaky()), np.zeros((1, 3)), 1e-3)
    assert str(caught.value).count("called with its state") == 1


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (nn.Linear(4, 2), (3, 4), "nn.Flatten"),
        (nn.Conv1d(3, 2, 2, padding="same"), (3, 8), "unequally"),
        (nn.Conv1d(3, 2, 3, padding=1, padding_mode="circular"), (3, 8), "pads with 'circular'"),
        (nn.Conv1d(3, 2, 3), (3,), "it takes"),
        (nn.Flatten(2), (3, 4, 5), "only some axes"),
        (nn.Linear(5, 2), (3,), "takes"),
    ],
)
def test_layers_that_cannot_be_kept(layer: nn.Module, shape: tuple[int, ...], says: str) -> None:
    refused(nn.Sequential(layer, leaky()), says, shape)


def test_all_offending_nodes_come_at_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh(), leaky(1.0))
    with pytest.raises(GraphError, match=r"(?s)'1' is a ReLU.*'3' is a Tanh"):
        from_torch(model, np.zeros((1, 3)), 1e-3)


@pytest.mark.parametrize("sample", [(np.zeros((1, 3)), np.zeros((1, 3))), {"z": np.zeros((1, 3))}, np.zeros(3)])
def test_samples_must_fit_forward(sample: object) -> None:
    with pytest.raises(GraphError, match="sample"):
        from_torch(nn.Sequential(nn.Linear(3, 3), leaky()), sample, 1e-3)
