"""Random loops: neurons wired at random, up to two steps late, against the graph's own loops and delays."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402
from zoo import hard  # noqa: E402

from cortexcore.errors import GraphError  # noqa: E402
from cortexcore.export import reference  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402

SIZE, STEPS, NETWORKS = 6, 100, 60


class Wired(nn.Module):
    """Neurons computed in order; a connection (source, destination, lag, bias) runs through a layer of its own."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        count = int(rng.integers(2, 5))
        self.neurons = nn.ModuleList(snn.Leaky(float(b), spike_grad=hard) for b in rng.uniform(0.3, 0.9, count))
        self.fed = [0, *(j for j in range(1, count) if rng.random() < 0.3)]
        self.inputs = nn.ModuleList(nn.Linear(3, SIZE) for _ in self.fed)
        self.wires = [
            (i, j, lag)
            for i in range(count)
            for j in range(count)
            for lag in range(3)
            if (lag or i < j) and rng.random() < (0.9 if lag == 0 and j == i + 1 else 0.25)
        ]
        self.wires += [(j - 1, j, 1) for j in range(1, count) if not any(w[1] == j for w in self.wires)]
        self.layers = nn.ModuleList(nn.Linear(SIZE, SIZE, bias=bool(rng.random() < 0.5)) for _ in self.wires)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(2.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rest = torch.zeros(x.shape[1], SIZE).to(x)
        states = [neuron.reset_mem() for neuron in self.neurons]
        past = [[rest, rest] for _ in self.neurons]
        record = []
        for now in x:
            spikes: list[torch.Tensor] = []
            for j, neuron in enumerate(self.neurons):
                current = 0
                for fed, layer in zip(self.fed, self.inputs, strict=True):
                    if fed == j:
                        current = current + layer(now)
                for (i, k, lag), layer in zip(self.wires, self.layers, strict=True):
                    if k == j:
                        current = current + layer(past[i][-lag] if lag else spikes[i])
                spike, states[j] = neuron(current, states[j])
                spikes.append(spike)
            past = [[each[-1], new] for each, new in zip(past, spikes, strict=True)]
            record.append(spikes[-1])
        return torch.stack(record)


def test_random_wirings_keep_every_spike_or_are_refused() -> None:
    kept = delayed = 0
    for seed in range(NETWORKS):
        model = Wired(seed).double().eval()
        x = np.random.default_rng(seed).normal(size=(STEPS, 2, 3)) * 2
        try:
            graph = from_torch(model, x[:5], 1e-3)
        except GraphError as error:
            assert "of the same step, where their loop is entered" in str(error), f"seed {seed}: {error}"
            continue
        with torch.no_grad():
            expected = model(torch.tensor(x)).numpy()
        np.testing.assert_array_equal(reference.run(graph, {"x": x}).outputs["y"], expected, f"seed {seed}")
        kept += bool(0.01 < expected.mean() < 0.95)
        delayed += any("delay" in name for name in graph.nodes)
    assert kept > 0.7 * NETWORKS and delayed > 0.3 * NETWORKS
