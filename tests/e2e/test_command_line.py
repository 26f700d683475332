"""The command line as a user meets it: exit codes, one clear sentence, files whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

from cortexcore.cli import main
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import read_integer_nir, write_nir
from cortexcore.export.nodes import LIF, Affine, Input, Output
from cortexcore.firmware_sim.wearable import Wearable, parse_faults, serve_wearable, synthetic_ecg
from cortexcore.opening import SHIPPED

BUNDLE = str(SHIPPED / "bundle")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cortexcore", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    """A float NIR file of ours: 6 inputs, 4 LIF neurons."""
    rng = np.random.default_rng(5)
    one = np.ones(4)
    lif = LIF((4,), 5e-3 * one, 5 * one, 0 * one, one, reset="zero")
    nodes = {"x": Input((6,)), "fc": Affine(rng.normal(0, 0.8, (4, 6)), 0.05 * one), "lif": lif, "y": Output((4,))}
    write_nir(Graph(nodes, (("x", "fc"), ("fc", "lif"), ("lif", "y")), 1e-3, "euler"), tmp_path / "net.nir")
    return tmp_path / "net.nir"


@pytest.fixture
def spikes(tmp_path: Path) -> Path:
    """Random input spikes [T=40, B=3, 6]."""
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(6).integers(0, 2, (40, 3, 6)))
    return tmp_path / "in.npz"


def test_quantize_run_compare(cli: Run, graph_file: Path, spikes: Path, tmp_path: Path) -> None:
    integer, report = tmp_path / "net.int.nir", tmp_path / "report.html"
    code, out, _ = cli("quantize", graph_file, "-o", integer, "--calibration", spikes, "--report", report)
    assert code == 0 and "fc" in out
    assert read_integer_nir(integer).populations[0].name == "lif"
    assert "<svg" in report.read_text() and json.loads(report.with_suffix(".json").read_text())
    outputs = {}
    for target in ("integer", "onnx"):
        code, _, _ = cli(
            "run", integer, "--target", target, "--input", spikes, "--output", tmp_path / "o.npz", "--trace"
        )
        assert code == 0
        outputs[target] = dict(np.load(tmp_path / "o.npz"))
    assert outputs["integer"].keys() >= {"y", "spikes/lif", "u/lif", "v/lif"}
    assert outputs["integer"]["y"].shape == (40, 3, 4) and outputs["integer"]["y"].any()
    for name in ("y", "spikes/lif"):
        np.testing.assert_array_equal(outputs["integer"][name], outputs["onnx"][name])
    figures = tmp_path / "compare.json"
    code, out, _ = cli(
        "compare", integer, "--target", "integer", "--target", "onnx", "--input", spikes, "--json", figures
    )
    assert code == 0 and "0 differing spikes" in out
    assert json.loads(figures.read_text())["differing_spikes"] == 0


def test_without_batch_axis_the_output_has_none(cli: Run, graph_file: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", x=np.ones((7, 6), np.int8))
    code, _, _ = cli(
        "run", graph_file, "--target", "reference", "--input", tmp_path / "one.npz", "--output", tmp_path / "o"
    )
    assert code == 0
    assert np.load(tmp_path / "o")["y"].shape == (7, 4)


def test_real_beats_without_making_an_input_file(cli: Run, data_dir: Path) -> None:
    both = ("--target", "integer", "--target", "onnx", "--data", data_dir)
    code, out, _ = cli("compare", BUNDLE, *both, "--record", "119")
    assert code == 0 and "beats of MIT-BIH record 119, 05:00 to 06:00" in out and "0 differing spikes" in out


def test_evaluate_tells_its_own_training_data_from_new_patients(cli: Run, data_dir: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = ("evaluate", BUNDLE, "--data", data_dir, "--json", figures, "--records")
    code, out, _ = cli(*command, "119,208")
    assert code == 0 and "fitted on 208: " in out and json.loads(figures.read_text())["fitted_records"] == ["208"]
    code, out, _ = cli(*command, "119")
    assert code == 0 and "fitted on" not in out and json.loads(figures.read_text())["fitted_records"] == []


def test_profile_says_kind_and_source_of_every_figure(cli: Run, tmp_path: Path) -> None:
    figures, page = tmp_path / "p.json", tmp_path / "p.html"
    code, out, _ = cli("profile", BUNDLE, "--target", "onnx", "--json", figures, "--html", page)
    assert code == 0 and "synthetic ECG" in out and page.read_text().startswith("<!")
    (profile,) = json.loads(figures.read_text())
    for section in ("latency", "operations", "memory", "energy"):
        assert profile[section]
        for figure in profile[section].values():
            assert figure["kind"] in ("measured", "simulated", "modelled") and figure["source"] and figure["unit"]


def test_doctor_as_json(cli: Run) -> None:
    code, out, _ = cli("doctor", "--json")
    found = {finding["name"]: finding for finding in json.loads(out)}
    assert code == 0
    assert found["target integer"]["ok"] and found["shipped beat model"]["ok"]


def test_a_foreign_nir_file_says_what_it_lacks_and_runs_when_given(cli: Run, data_dir: Path, tmp_path: Path) -> None:
    lif = data_dir / "nir_paper" / "lif" / "lif_norse.nir"
    norse = np.loadtxt(lif.with_suffix(".csv"), delimiter=",")
    np.savez(tmp_path / "in.npz", x=norse[:, :1])
    wanted = ("run", lif, "--target", "reference", "--input", tmp_path / "in.npz", "--output", tmp_path / "out.npz")
    code, _, err = cli(*wanted)
    assert code == 1 and all(option in err for option in ("--dt", "--reset", "--discretization"))
    assert not (tmp_path / "out.npz").exists()
    code, out, _ = cli(*wanted, "--dt", "1e-4", "--reset", "zero", "--discretization", "euler")
    assert code == 0 and "assumed" in out
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["y"][:, 0], norse[:, 2])


def bad_inputs(graph: Path, spikes: Path, folder: Path) -> dict[str, tuple[tuple[object, ...], int, str]]:
    """What a user may get wrong: command, exit code, what stderr must say."""
    run = ("--input", spikes, "--output", folder / "o.npz")
    out = folder / "made"
    return {
        "unknown target": (("run", graph, "--target", "tpu", *run), 1, "no target 'tpu'; there are reference, integer"),
        "float graph on an integer target": (("run", graph, "--target", "tflite", *run), 1, "cortexcore quantize"),
        "no such network": (("run", folder / "no.nir", "--target", "integer", *run), 1, "no.nir"),
        "no such input": (("run", graph, "--target", "reference", "--input", "no.npz", "--output", "o"), 1, "no.npz"),
        "input is no npz": (("run", graph, "--target", "reference", "--input", graph, "--output", "o"), 1, "npz"),
        "output folder missing": (
            ("run", graph, "--target", "reference", "--input", spikes, "--output", folder / "no" / "o.npz"),
            1,
            "cannot be written",
        ),
        "output is a folder": (
            ("run", graph, "--target", "reference", "--input", spikes, "--output", folder),
            1,
            "folder",
        ),
        "json into a folder": (
            ("compare", graph, "--target", "a", "--target", "b", "--input", spikes, "--json", folder),
            1,
            "it is a folder",
        ),
        "report folder missing": (
            ("quantize", graph, "-o", out, "--calibration", spikes, "--report", folder / "no" / "r.html"),
            1,
            "its folder must exist",
        ),
        "a step for a bundle": (("run", BUNDLE, "--target", "integer", *run, "--dt", "0.1"), 1, "leave --dt out"),
        "one target to compare": (("compare", graph, "--target", "integer", "--input", spikes), 1, "two targets"),
        "bits out of range": (
            ("quantize", graph, "-o", out, "--bits", "9", "--calibration", spikes),
            1,
            "bits",
        ),
        "no calibration": (("quantize", graph, "-o", out), 1, r"--calibration X\.npz"),
        "a reset that does not exist": (("run", graph, "--target", "reference", *run, "--reset", "half"), 2, "half"),
        "no bundle": (("stream", folder / "no", "--port", "/dev/null"), 1, "no bundle"),
        "no port": (("stream", BUNDLE, "--port", "/dev/no-such-port"), 1, "does not exist"),
        "a port that speaks nothing": (("stream", BUNDLE, "--port", "loop://"), 1, "does not"),
        "unknown protocol": (("stream", BUNDLE, "--port", "loop://", "--protocol", "morse"), 1, "morse"),
        "no source": (("simulate", "wearable"), 1, "--record"),
        "bad faults": (("simulate", "wearable", "--synthetic", "--faults", "drop=2"), 1, "probability"),
        "missing record": (("simulate", "wearable", "--record", "999", "--data", folder), 1, "mitdb/"),
        "no checkpoint": (("export", folder / "no.pt", "-o", out), 1, r"no checkpoint|no\.pt"),
        "page as a picture": (("profile", BUNDLE, "--target", "integer", "--html", folder / "p.pdf"), 1, "HTML page"),
        "a graph to export": (("export", graph, "-o", out), 1, "is no checkpoint, .* cortexcore quantize"),
        "a bundle to export": (("export", BUNDLE, "-o", out), 1, "is no checkpoint, .* cortexcore quantize"),
        "a checkpoint to run": (
            ("run", SHIPPED / "model.safetensors", "--target", "integer", *run),
            1,
            "is a checkpoint; .* cortexcore export",
        ),
        "an ONNX model to run": (
            ("run", f"{BUNDLE}/onnx/step.onnx", "--target", "onnx", *run),
            1,
            "one target's model, .* give the bundle",
        ),
        "not a checkpoint": (("export", spikes, "-o", out), 1, "suffix"),
        "unknown preset": (("train", "horse"), 1, "preset 'horse' is unknown"),
        "no records": (("evaluate", BUNDLE), 1, "--split ds1|ds2 or --records"),
        "data folder missing": (("evaluate", BUNDLE, "--records", "208", "--data", folder / "no"), 1, "no"),
        "unknown database": (("data", "fetch", "horse"), 1, "mitdb"),
        "unknown command": (("fly",), 2, "fly"),
    }


@pytest.mark.parametrize("case", bad_inputs(Path(), Path(), Path()))
def test_bad_input_gets_one_clear_sentence(cli: Run, graph_file: Path, spikes: Path, tmp_path: Path, case: str) -> None:
    arguments, wanted, words = bad_inputs(graph_file, spikes, tmp_path)[case]
    before = sorted(tmp_path.iterdir())
    code, _, err = cli(*arguments)
    assert code == wanted, err
    assert re.search(words, err), err
    if wanted == 1:
        assert err.strip().splitlines()[-1].startswith("cortexcore: ")
    assert sorted(tmp_path.iterdir()) == before, "something was left half-written"


def test_a_device_that_vanishes_ends_with_what_was_recorded(cli: Run, tmp_path: Path) -> None:
    ecg = synthetic_ecg(30.0)
    faults = parse_faults("disconnect=20")
    # Paced, since at full speed all would stand in the port's buffers and go with the cable before anyone reads.
    device = Wearable(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, speed=20, faults=faults)
    with serve_wearable(device) as port:
        code, out, err = cli("stream", BUNDLE, "--port", port, "--target", "integer", "--record", tmp_path / "rec")
    assert code == 1 and err.startswith("cortexcore: ") and "broken" in out
    recorded = wfdb.rdrecord(str(tmp_path / "rec" / ecg.name), physical=False).d_signal[:, 0]
    np.testing.assert_array_equal(recorded, ecg.counts[: len(recorded)])
    # What still stood in the port's buffers goes with a pulled cable.
    assert 0 < len(recorded) <= 20 * ecg.rate_hz


def test_a_changed_bundle_is_refused(cli: Run, tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(BUNDLE, copy)
    with (copy / "graph.nir").open("ab") as file:
        file.write(b"\0")
    code, _, err = cli("profile", copy, "--target", "integer")
    assert code == 1 and "graph.nir does not have the SHA-256" in err


def test_a_record_without_the_lead_names_those_it_has(cli: Run, data_dir: Path) -> None:
    command = ("evaluate", BUNDLE, "--data", data_dir, "--records", "104")
    code, _, err = cli(*command)
    assert code == 1 and "no lead 'MLII': choose one of V5, V2" in err
    code, out, _ = cli(*command, "--lead", "V5")
    assert code == 0 and "  104 " in out


def test_a_truncated_record_is_named(cli: Run, data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for suffix in ("hea", "atr", "dat"):
        content = (data_dir / "mitdb" / f"208.{suffix}").read_bytes()
        (folder / f"208.{suffix}").write_bytes(content[:100_000] if suffix == "dat" else content)
    code, _, err = cli("evaluate", BUNDLE, "--records", "208", "--data", tmp_path)
    assert code == 1 and "record 208" in err and "fetch" in err


def test_a_missing_lava_is_exit_3(graph_file: Path, spikes: Path, tmp_path: Path, cli: Run) -> None:
    integer = tmp_path / "net.int.nir"
    assert cli("quantize", graph_file, "-o", integer, "--calibration", spikes)[0] == 0
    command = ["run", integer, "--target", "loihi", "--input", spikes, "--output", tmp_path / "o.npz"]
    done = subprocess.run(
        [sys.executable, "-c", "from cortexcore.cli import main; main()", *map(str, command)],
        env={**os.environ, "CORTEXCORE_LAVA_PYTHON": str(tmp_path / "no-python")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and "CORTEXCORE_LAVA_PYTHON" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "o.npz").exists()
