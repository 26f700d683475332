"""The NIR paper's own networks (Pedersen et al. 2024, Nature Communications 15, 8122) from the command line.

``shared/data/nir_paper`` holds the files as they were published with the paper.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import pytest

from cortexcore.cli import main
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import read_nir

torch = pytest.importorskip("torch")
Run = Callable[..., tuple[int, str, str]]
STEPS = 60
SPIKING = ("1", "3", "6", "10", "12")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cortexcore", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def lif(data_dir: Path) -> Path:
    return data_dir / "nir_paper" / "lif" / "lif_norse.nir"


@pytest.fixture
def cnn(data_dir: Path) -> Path:
    return data_dir / "nir_paper" / "cnn" / "cnn_sinabs.nir"


def test_the_lif_spikes_at_the_steps_of_the_exact_solution_and_of_norse(cli: Run, lif: Path, tmp_path: Path) -> None:
    """Columns of the published tables: input spike, membrane, output spike, at 0.1 ms a step."""
    exact, norse = (np.loadtxt(lif.with_name(f"lif_{name}.csv"), delimiter=",") for name in ("exact", "norse"))
    np.testing.assert_array_equal(exact[:, 0], norse[:, 0])
    np.savez(tmp_path / "in.npz", x=norse[:, :1])
    command = ("run", lif, "--target", "reference", "--input", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    code, out, _ = cli(*command, "--dt", "1e-4", "--reset", "zero", "--discretization", "euler", "--trace")
    assert code == 0 and "dt_s = 0.0001" in out and "reset = zero" in out
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(found["y"][:, 0], exact[:, 2])
    np.testing.assert_array_equal(found["y"][:, 0], norse[:, 2])
    assert list(np.flatnonzero(found["y"])) == [460, 510, 710, 760]
    np.testing.assert_allclose(found["v/1"][:, 0], norse[:, 1], rtol=0, atol=1e-6)  # Norse computes in float32


def test_the_cnn_has_the_shapes_that_its_file_states(cnn: Path) -> None:
    graph = read_nir(cnn, 1.0, "subtract", "euler")
    stated = nir.read(cnn).nodes
    assert set(graph.nodes) == set(stated) and len(stated) == 15
    for name, node in stated.items():
        assert graph.shapes[name] == tuple(*node.output_type.values()), name
        assert {graph.shapes[source] for source in graph.sources(name)} <= {tuple(*node.input_type.values())}, name


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_the_cnn_runs_and_every_spike_is_that_of_torch(reset: str, cli: Run, cnn: Path, tmp_path: Path) -> None:
    """All five layers of neurons, 60 steps, two inferences: 0 differing spikes in float64.

    A step of 1 s and r = 1 mean that a step adds the current itself, as sinabs, which trained the file, does.
    """
    x = (np.random.default_rng(3).random((STEPS, 2, 2, 34, 34)) < 0.1).astype(np.float64)
    np.savez(tmp_path / "in.npz", x=x)
    command = ("run", cnn, "--target", "reference", "--input", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    code, _, err = cli(*command, "--dt", "1", "--reset", reset, "--discretization", "euler", "--trace")
    assert code == 0, err
    found = np.load(tmp_path / "out.npz")
    wanted = torch_spikes(cnn, x, reset)
    for name in SPIKING:
        np.testing.assert_array_equal(found[f"spikes/{name}"], wanted[name], err_msg=name)
        assert 0.01 < wanted[name].mean() < 0.99, name
    np.testing.assert_array_equal(found["y"], wanted["12"])


def torch_spikes(path: Path, x: np.ndarray, reset: str) -> dict[str, np.ndarray]:
    """The CNN written out by hand in torch, float64: IF name → spikes [T, B, *shape]."""
    from torch.nn import functional

    nodes = nir.read(path).nodes
    parts = {
        n: {k: torch.tensor(v).double() for k, v in vars(node).items() if k in FIELDS} for n, node in nodes.items()
    }
    v = {name: torch.zeros(()) for name in SPIKING}
    sent: dict[str, list[np.ndarray]] = {name: [] for name in SPIKING}

    def fire(name: str, current: torch.Tensor) -> torch.Tensor:
        v[name] = v[name] + parts[name]["r"] * current
        spikes = (v[name] > parts[name]["v_threshold"]).double()
        taken = parts[name]["v_threshold"] * spikes if reset == "subtract" else v[name] * spikes
        v[name] = v[name] - taken
        sent[name].append(spikes.numpy())
        return spikes

    def conv(name: str, s: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        return functional.conv2d(s, parts[name]["weight"], parts[name]["bias"], stride, padding)

    def pooled(s: torch.Tensor) -> torch.Tensor:
        return 4 * functional.avg_pool2d(s, 2)

    for step in torch.tensor(x):
        s = fire("1", conv("0", step, 2, 1))
        s = pooled(fire("3", conv("2", s, 1, 1)))
        s = pooled(fire("6", conv("5", s, 1, 1))).flatten(1)
        s = fire("10", s @ parts["9"]["weight"].T + parts["9"]["bias"])
        fire("12", s @ parts["11"]["weight"].T + parts["11"]["bias"])
    return {name: np.stack(steps) for name, steps in sent.items()}


FIELDS = ("weight", "bias", "r", "v_threshold")


def test_the_cnn_survives_our_own_file(cnn: Path, tmp_path: Path) -> None:
    from cortexcore.export.nir_io import write_nir

    graph = read_nir(cnn, 1.0, "subtract", "euler")
    write_nir(graph, tmp_path / "again.nir")
    again = read_nir(tmp_path / "again.nir")
    assert isinstance(again, Graph) and again.metadata == graph.metadata and again.edges == graph.edges
    for name, node in graph.nodes.items():
        for key, value in vars(node).items():
            np.testing.assert_array_equal(getattr(again.nodes[name], key), value, err_msg=f"{name}.{key}")
    assert nir.read(tmp_path / "again.nir").nodes["0"].weight.shape == (16, 2, 5, 5)
