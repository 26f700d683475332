"""Our NIR files in the importers of other tools: the same spikes wherever the tool keeps NIR's meaning.

snnTorch and nirtorch run here. Norse and sinabs want environments of their own; what they sent for the very files
that this module writes is kept in ``nir/norse.npz`` and ``nir/sinabs.npz`` (``nir/other_tools.py`` made them and says
how). Their neurons are float32: the networks' weights are small binary fractions, so that no sum is rounded near a
threshold.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import read_nir, write_nir
from cortexcore.export.nodes import (
    IF,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLIF,
    Flatten,
    Input,
    Linear,
    Node,
    Output,
    SumPool2d,
)

KEPT = Path(__file__).parent / "nir"
STEPS = 200


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def weights(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(size=shape) * 64 * scale) / 64


def chain(nodes: dict[str, Node], dt_s: float = 1e-3) -> Graph:
    return Graph(nodes, tuple(itertools.pairwise(nodes)), dt_s, "euler")


def lif(size: int, tau: float, threshold: float) -> LIF:
    return LIF((size,), num(tau), num(1.0), num(0.0), num(threshold), "zero")


def spiking_line() -> Graph:
    nodes: dict[str, Node] = {"input": Input((6,)), "fc": Affine(weights(1, 10, 6, scale=4), weights(2, 10))}
    nodes |= {"lif": lif(10, 5e-3, 0.6), "out": Linear(weights(3, 4, 10, scale=4)), "lif2": lif(4, 8e-3, 0.5)}
    return chain({**nodes, "output": Output((4,))})


def recurrent() -> Graph:
    nodes: dict[str, Node] = {"input": Input((6,)), "fc": Linear(weights(4, 10, 6, scale=4)), "lif": lif(10, 5e-3, 0.6)}
    nodes |= {"rec": Linear(weights(5, 10, 10)), "output": Output((10,))}
    edges = (("input", "fc"), ("fc", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output"))
    return Graph(nodes, edges, 1e-3, "euler")


def with_current() -> Graph:
    cuba = CubaLIF((10,), num(4e-3), num(5e-3), num(2.0), num(0.0), num(0.6), num(3.0), "zero")
    return chain({"input": Input((6,)), "fc": Linear(weights(6, 10, 6)), "cuba": cuba, "output": Output((10,))})


def convolutional(reset: Any, dt_s: float) -> Graph:
    """r·dt = 1: Norse and sinabs add the current itself, whatever the step.

    Weights are multiples of 1/64, and 200 thresholds never are: sinabs fires at the threshold, NIR above it.
    """
    nodes: dict[str, Node] = {
        "input": Input((2, 10, 10)),
        "conv": Conv2d(weights(7, 4, 1, 3, 5), weights(8, 4, scale=0.1), (10, 10), (1, 1), (1, 2), (1, 1), 2),
        "if1": IF((4, 10, 10), num(1.0 / dt_s), num(1.5 + 1 / 16384), reset),
        "pool": SumPool2d((2, 2), (2, 2)),
        "flat": Flatten((4, 5, 5)),
        "fc": Affine(weights(9, 6, 100, scale=0.3), weights(10, 6, scale=0.1)),
        "if2": IF((6,), num(1.0 / dt_s), num(2.0 + 1 / 16384), reset),
        "output": Output((6,)),
    }
    return chain(nodes, dt_s=dt_s)


TOOLS = {
    "norse_line": spiking_line(),
    "norse_recurrent": recurrent(),
    "norse_current": with_current(),
    "norse_conv": convolutional("zero", 1e-3),
    "sinabs_conv": convolutional("subtract", 1.0),
}


def spikes_in(graph: Graph) -> np.ndarray:
    shape = graph.inputs["input"].shape
    return (np.random.default_rng(11).random((STEPS, *shape)) < 0.25).astype(np.float64)


def ours(graph: Graph) -> np.ndarray:
    return reference.run(graph, {"input": spikes_in(graph)[:, None]}).outputs["output"][:, 0]


@pytest.mark.parametrize("name", TOOLS)
def test_norse_and_sinabs_send_the_same_spikes(name: str, tmp_path: Path) -> None:
    """0 differing spikes in 200 steps, from the graph and from the file that the other tool read."""
    kept = np.load(KEPT / f"{name.split('_')[0]}.npz")
    graph = TOOLS[name]
    write_nir(graph, tmp_path / "g.nir")
    for each in (graph, read_nir(tmp_path / "g.nir")):
        np.testing.assert_array_equal(ours(each), kept[name])
    assert 0.05 < kept[name].mean() < 0.95


def test_snntorch_imports_ours_and_sends_the_same_spikes(tmp_path: Path) -> None:
    """Its importer knows dt = 1e-4 and the immediate reset to zero alone, and moves r·dt/τ into the threshold.

    It reads no recurrence: import_from_nir wires the input to the recurrent weights instead of the neuron.
    """
    from snntorch.import_nir import import_from_nir

    dt_s, tau, tau_syn = 1e-4, num(4e-4), num(2e-4)
    cuba = CubaLIF((4,), tau_syn, tau, tau / dt_s, num(0.0), num(2.5), tau_syn / dt_s, "zero")
    wide = LIF((4, 8, 8), num(8e-4), num(8.0), num(0.0), num(1.25), "zero")
    nodes: dict[str, Node] = {
        "input": Input((2, 8, 8)),
        "conv": Conv2d(weights(1, 4, 1, 3, 3), weights(2, 4, scale=0.1), (8, 8), (1, 1), (1, 1), (1, 1), 2),
        "lif": wide,
        "pool": AvgPool2d((2, 2), (2, 2)),
        "flat": Flatten((4, 4, 4)),
        "fc": Affine(weights(3, 10, 64), weights(4, 10, scale=0.1)),
        "lif2": LIF((10,), num(8e-4), num(4.0), num(0.0), num(0.5), "zero"),
        "out": Linear(weights(5, 4, 10)),
        "cuba": cuba,
        "output": Output((4,)),
    }
    graph = chain(nodes, dt_s=dt_s)
    write_nir(graph, tmp_path / "g.nir")
    sent = run_in_torch(import_from_nir(nir.read(tmp_path / "g.nir")), spikes_in(graph))
    np.testing.assert_array_equal(sent, ours(graph))
    assert 0.05 < sent.mean() < 0.95


def test_nirtorch_computes_the_same_with_its_own_layers(tmp_path: Path) -> None:
    """Its default map has layers alone; inputs are not negative, since it sums pools by their absolute values."""
    import nirtorch

    nodes: dict[str, Node] = {
        "input": Input((2, 9, 12)),
        "square": Conv2d(np.abs(weights(1, 4, 1, 3, 3)), np.zeros(4), (9, 12), (2, 1), (1, 0), (1, 2), 2),
        "oblong": Conv2d(np.abs(weights(2, 4, 4, 1, 3)), np.zeros(4), (5, 8), (1, 2), (0, 1)),
        "sum": SumPool2d((2, 2), (1, 2)),
        "same": Conv2d(weights(3, 4, 4, 1, 3), weights(4, 4), (4, 2), (1, 1), (0, 1)),
        "avg": AvgPool2d((3, 2), (2, 1), (1, 0)),
        "flat": Flatten((4, 2, 1), 1, 2),
        "line": Conv1d(weights(5, 4, 2, 2), weights(6, 4), 2, 1, 1, 1, 2),
        "all": Flatten((4, 3)),
        "fc": Linear(weights(7, 3, 12)),
        "output": Output((3,)),
    }
    graph = chain(nodes)
    write_nir(graph, tmp_path / "g.nir")
    net = nirtorch.nir_to_torch(nir.read(tmp_path / "g.nir"), {})
    sent = run_in_torch(net.double(), spikes_in(graph), double=True)
    np.testing.assert_allclose(sent, ours(graph), rtol=0, atol=1e-11)  # the sums run in another order
    assert np.unique(sent).size > 100


def run_in_torch(net: Any, x: np.ndarray, double: bool = False) -> np.ndarray:
    import torch

    state, sent = None, []
    with torch.no_grad():
        for step in torch.tensor(x, dtype=torch.float64 if double else torch.float32):
            y, state = net(step, state)
            sent.append(y.numpy())
    return np.stack(sent)


if __name__ == "__main__":
    for name, graph in TOOLS.items():
        write_nir(graph, Path(sys.argv[1]) / f"{name}.nir")
        np.save(Path(sys.argv[1]) / f"{name}.npy", spikes_in(graph))
