"""Our counts against NeuroBench's, on the same snnTorch models and data, exactly.

Every weight is a whole number on Loihi's 8-bit grid and every decay a power of two, so that the quantized network
computes what the float one does, spike for spike and membrane for membrane; then every count must be the same number.
NeuroBench 2.3.0, installed without its requirements: ``pip install --no-deps neurobench==2.3.0``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from neurobench.benchmarks import Benchmark  # noqa: E402
from neurobench.metrics import static, workload  # noqa: E402
from neurobench.models import SNNTorchModel  # noqa: E402
from snntorch import utils  # noqa: E402
from torch import nn  # noqa: E402

from cortexcore.api import from_torch, quantize  # noqa: E402
from cortexcore.targets.compiled import compile  # noqa: E402

STEPS, BATCH = 6, 8
"""Few steps: a float membrane halves for ever, an integer one until it is 0. A batch of 2^n: shares stay exact."""
STATIC = [static.Footprint, static.ConnectionSparsity, static.ParameterCount]
WORKLOAD = [workload.ActivationSparsity, workload.SynapticOperations, workload.MembraneUpdates]


def leaky(beta: float = 0.5, threshold: float = 400.0, **options: Any) -> nn.Module:
    return snn.Leaky(beta, threshold=threshold, init_hidden=True, reset_delay=False, reset_mechanism="zero", **options)


class Pair(nn.Module):
    """A network as NeuroBench's wrapper calls it: its step returns spikes and a state."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Any) -> Any:
        return self.network(x), None

    def reset(self) -> None:
        """Back to rest; snnTorch's own ``reset`` looks at a module's children and no deeper."""
        utils.reset(self.network)


class Recurrent(nn.Module):
    """A recurrent layer, whose own connection NeuroBench counts too.

    It resets by "subtract": with "zero" snnTorch evaluates that connection twice a step, which NeuroBench counts twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(12, 10, bias=False)
        self.loop = snn.RLeaky(0.5, threshold=400.0, linear_features=10, init_hidden=True)
        self.last, self.out = nn.Linear(10, 4, bias=False), leaky()
        self.loop.recurrent.bias = None

    def forward(self, x: Any) -> Any:
        return self.out(self.last(self.loop(self.first(x))))


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 20), leaky(), nn.Linear(20, 5), leaky(threshold=300.0))


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, stride=2, padding=2, groups=1),
        leaky(),
        nn.Conv1d(8, 4, 3, dilation=2, padding=1, groups=2, bias=False),
        leaky(),
        nn.Flatten(),
        nn.Linear(4 * 7, 6),
        leaky(0.25),
    )


def image() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3, (2, 1), (1, 2)), leaky(), nn.Flatten(), nn.Linear(4 * 4 * 9, 3), leaky(0.0))


MODELS = {"dense": (dense, (12,)), "conv": (convolution, (3, 17)), "image": (image, (2, 8, 7))}
MODELS["recurrent"] = (Recurrent, (12,))
INPUTS = {"spikes": (0, 2), "signed spikes": (-1, 2), "graded": (-20, 21)}


def whole(model: nn.Module, rng: np.random.Generator) -> nn.Module:
    """The model with even whole weights in [−254, 254], 254 in every layer, a third of all weights 0; small biases."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight"):
                values = 2 * rng.integers(-127, 128, parameter.shape)
                values[rng.random(parameter.shape) < 1 / 3] = 0
                values.reshape(-1)[0] = 254
                parameter.copy_(torch.from_numpy(values))
            elif name.endswith("bias"):
                parameter.copy_(torch.from_numpy(64 * rng.integers(-2, 3, parameter.shape)))
    return model.eval()


def inputs(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """[T, B, *shape]; of the graded ones two steps hold −1, 0 and 1 alone, which NeuroBench counts as spikes."""
    x = rng.integers(*INPUTS[kind], (STEPS, BATCH, *shape))
    x[rng.random(x.shape) < 0.3] = 0
    x[2:4] = x[2:4].clip(-1, 1)
    return x


def theirs(model: nn.Module, x: np.ndarray) -> dict[str, Any]:
    """NeuroBench's figures, all of the data in one batch."""
    data = torch.from_numpy(np.moveaxis(x, 0, 1).astype(np.float32))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data, torch.zeros(len(data))), len(data))
    benchmark = Benchmark(SNNTorchModel(Pair(model)), loader, [], [], [STATIC, WORKLOAD])
    found: dict[str, Any] = benchmark.run(quiet=True)
    return found


def spikes_of(model: nn.Module, x: np.ndarray) -> np.ndarray:
    utils.reset(model)
    with torch.no_grad():
        return np.stack([model(step).numpy() for step in torch.from_numpy(x.astype(np.float32))])


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", MODELS)
def test_every_count_is_neurobenchs(name: str, kind: str) -> None:
    rng = np.random.default_rng([list(MODELS).index(name), list(INPUTS).index(kind)])
    make, shape = MODELS[name]
    model = whole(make(), rng)
    x = inputs(kind, shape, rng)
    graph = from_torch(model, np.zeros((1, *shape)), 1e-3)
    network = quantize(
        graph, input_ranges={next(iter(graph.inputs)): (INPUTS[kind][0], INPUTS[kind][1] - 1)}, scale="max"
    )
    compiled = compile(network, "integer")
    assert np.array_equal(compiled.run(x).outputs["y"], spikes_of(model, x)), "counts compare only where spikes do"
    found, ours = theirs(model, x), {k: f.value for k, f in compiled.profile(x).operations.items()}
    operations = found["SynapticOperations"]
    assert ours["dense MACs"] == operations["Dense"]
    assert ours["effective MACs"] == operations["Effective_MACs"]
    assert ours["effective ACs"] == operations["Effective_ACs"]
    assert ours["synaptic operations"] == operations["Effective_MACs"] + operations["Effective_ACs"] > 0
    assert (operations["Effective_MACs"] > 0) == (kind == "graded")
    assert ours["activation sparsity"] == found["ActivationSparsity"]
    assert 0 < ours["activation sparsity"] < 1
    assert round(ours["connection sparsity"], 4) == found["ConnectionSparsity"] > 0.25
    assert ours["membrane updates"] == found["MembraneUpdates"]

    floats = compile(graph, "reference").profile(x)
    assert (
        floats.memory["footprint, float32"].value == found["Footprint"] - buffers(model) == 4 * found["ParameterCount"]
    )
    shares = ("activation sparsity", "connection sparsity", "membrane updates")
    for shared in (*shares, "effective MACs", "effective ACs", "synaptic operations"):
        assert floats.operations[shared].value == ours[shared]


def buffers(model: nn.Module) -> int:
    """Bytes that snnTorch's neurons keep: beta, threshold, reset and, after a run, the membranes of the last batch."""
    return sum(b.numel() * b.element_size() for b in model.buffers())
