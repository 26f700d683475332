"""The whole way once: a trained snnTorch network with two inputs → graph → NIR → integers → NIR, deciding alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from torch import nn  # noqa: E402

from cortexcore.export import integer, reference  # noqa: E402
from cortexcore.export.bounds import bounds  # noqa: E402
from cortexcore.export.from_torch import from_torch  # noqa: E402
from cortexcore.export.nir_io import read_integer_nir, read_nir, write_integer_nir, write_nir  # noqa: E402
from cortexcore.export.quantize import QuantizationConfig, quantize  # noqa: E402
from cortexcore.export.report import evaluate_report  # noqa: E402

STEPS = 10
RANGES = {"window": (-127, 127), "rhythm": (-127, 127)}


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 6, 5, stride=2, bias=False)
        self.norm = nn.BatchNorm1d(6)
        self.hidden = snn.Leaky(0.8, init_hidden=True, reset_mechanism="zero")
        self.flat, self.drop = nn.Flatten(), nn.Dropout(0.1)
        self.window_out, self.rhythm_out = nn.Linear(6 * 18, 12), nn.Linear(3, 12, bias=False)
        self.joint = snn.Leaky(0.7, init_hidden=True, reset_mechanism="zero")
        self.out = nn.Linear(12, 3)
        self.readout = snn.Leaky(0.9, init_hidden=True, reset_mechanism="none", output=True)

    def forward(self, window: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        x = self.hidden(self.norm(self.conv(window / 64)))
        x = self.joint(self.window_out(self.drop(self.flat(x))) + self.rhythm_out(rhythm / 64))
        _, mem = self.readout(self.out(x))
        return mem

    def run(self, window: torch.Tensor, rhythm: torch.Tensor) -> torch.Tensor:
        for neuron in (self.hidden, self.joint, self.readout):
            neuron.reset_mem()
        return [self(window, rhythm) for _ in range(STEPS)][-1]


def samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bump early or late in the window, and where it is late the rhythm tells the third class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    centre = np.where(labels == 0, 12, 28)[:, None] + rng.normal(size=(count, 1))
    window = 90 * np.exp(-(((np.arange(40) - centre) / 3) ** 2)) + rng.normal(size=(count, 40)) * 15
    rhythm = np.where(labels == 2, -60, 60)[:, None] + rng.normal(size=(count, 3)) * 25
    return np.clip(window, -127, 127).round()[:, None], np.clip(rhythm, -127, 127).round(), labels


@pytest.fixture(scope="module")
def trained() -> Small:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Small()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    window, rhythm, labels = (torch.tensor(a) for a in samples(128, 0))
    for _ in range(25):
        loss = nn.functional.cross_entropy(model.run(window.float(), rhythm.float()), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return model.eval()


def steps(window: np.ndarray, rhythm: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "window": np.broadcast_to(window, (STEPS, *window.shape)).astype(np.int8),
        "rhythm": np.broadcast_to(rhythm, (STEPS, *rhythm.shape)).astype(np.int8),
    }


def test_from_training_to_integers_and_files(trained: Small, tmp_path: Path) -> None:
    window, rhythm, labels = samples(200, 1)
    graph = from_torch(trained, {"window": window[:1], "rhythm": rhythm[:1]}, 1e-3, {"classes": ["A", "B", "C"]})
    with torch.no_grad():
        of_torch = trained.run(torch.tensor(window).float(), torch.tensor(rhythm).float()).numpy()
    of_graph = reference.run(graph, steps(window, rhythm)).outputs["y"][-1]
    assert np.mean(of_torch.argmax(-1) == labels) > 0.9
    assert np.mean(of_torch.argmax(-1) == of_graph.argmax(-1)) > 0.99

    write_nir(graph, tmp_path / "graph.nir")
    network = quantize(read_nir(tmp_path / "graph.nir"), None, steps(*samples(64, 2)[:2]), RANGES)
    write_integer_nir(network, tmp_path / "graph.int.nir")
    again = read_integer_nir(tmp_path / "graph.int.nir")
    of_integers = integer.run(network, steps(window, rhythm)).outputs["y"]
    np.testing.assert_array_equal(of_integers, integer.run(again, steps(window, rhythm)).outputs["y"])
    assert np.mean(of_integers[-1].argmax(-1) == of_graph.argmax(-1)) >= 0.97
    assert all(found.holds for found in bounds(network).values())

    report = evaluate_report(graph, again, steps(window, rhythm), labels)
    assert report.accuracy is not None and [c.name for c in report.accuracy.classes] == ["A", "B", "C"]
    assert report.accuracy.accuracy_integer >= report.accuracy.accuracy_float - 0.02
    assert {layer.name for p in report.populations for layer in p.layers} == {"conv", "window_out", "rhythm_out", "out"}


def test_two_bits_cost_more_than_eight(trained: Small) -> None:
    window, rhythm, labels = samples(200, 1)
    graph = from_torch(trained, (window[:1], rhythm[:1]), 1e-3)
    shares = []
    for bits in (2, 8):
        network = quantize(graph, QuantizationConfig(bits=bits, scale="mse"), None, RANGES)
        found = evaluate_report(graph, replace(network, report=None), steps(window, rhythm), labels)
        shares.append(found.populations[1].agreement.exact if found.populations[1].agreement else None)
    assert shares[0] is not None and shares[1] is not None and shares[0] < shares[1]
