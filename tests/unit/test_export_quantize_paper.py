"""The NIR paper's N-MNIST network (Conv2d, IF, SumPool2d, Flatten, Affine; Pedersen 2024) at 8 bits, quickly."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from cortexcore.export import integer, reference
from cortexcore.export.nir_io import read_nir
from cortexcore.export.quantize import QuantizationConfig, quantize

STEPS, BATCH = 60, 8
EXACT = {"1": 0.98, "3": 0.93, "6": 0.94, "10": 0.97, "12": 0.94}
"""Least share of equal spikes: the neurons never leak, so that an early spike is followed by a late one for good."""


def events() -> np.ndarray:
    """Two polarities of 34 × 34 pixels: events around a spot that moves, as on N-MNIST's three saccades."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:34, :34]
    phase = np.linspace(0, 2 * np.pi, STEPS)[:, None, None]
    distance = (rows - 17 - 4 * np.sin(phase)) ** 2 + (columns - 15 - 4 * np.cos(phase)) ** 2
    rate = np.clip(0.6 * np.exp(-distance / 40), 0.005, 1)
    return (rng.random((STEPS, BATCH, 2, 34, 34)) < rate[:, None, None]).astype(np.int8)


def test_the_papers_network_at_eight_bits(data_dir: Path) -> None:
    path = data_dir / "nir_paper" / "cnn" / "cnn_sinabs.nir"
    graph = read_nir(path, dt_s=1.0, reset="subtract", discretization="euler")
    x = {"input": events()}
    started = time.perf_counter()
    network = quantize(graph, QuantizationConfig(bits=8), {"input": x["input"][:, :4]}, {"input": (0, 1)})
    assert time.perf_counter() - started < 20
    assert {p.name: p.synapses[0].operation.weight.shape for p in network.populations} == {
        "1": (16, 2, 5, 5),
        "3": (16, 16, 3, 3),
        "6": (8, 16, 6, 6),
        "10": (256, 512),
        "12": (10, 256),
    }
    floats, integers = reference.run(graph, x), integer.run(network, x)
    equal = {name: float(np.mean(spikes == integers.spikes[name])) for name, spikes in floats.spikes.items()}
    assert equal.keys() == EXACT.keys() and all(equal[name] >= EXACT[name] for name in EXACT), equal
    for name, spikes in floats.spikes.items():
        assert spikes.mean() > 0.01
        assert abs(integers.spikes[name].mean() / spikes.mean() - 1) < 0.05, name
    decided = [run.outputs["output"].sum(axis=0, dtype=int).argmax(axis=-1) for run in (floats, integers)]
    np.testing.assert_array_equal(*decided)
    assert not any(integers.current_wraps.values()) and not any(integers.voltage_clips.values())
