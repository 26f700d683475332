"""`cortexcore quantize` as a user meets it: sweeps, records, budgets, one clear sentence for each mistake."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cortexcore.cli import main
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import read_integer_nir, write_nir
from cortexcore.export.nodes import LI, LIF, Input, Linear, Output
from cortexcore.export.report import QuantizationReport
from cortexcore.opening import SHIPPED

BUNDLE = SHIPPED / "bundle"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `cortexcore quantize`: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cortexcore", "quantize", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """6 inputs, 8 LIF, 3 readouts; nothing in its metadata."""
    rng = np.random.default_rng(0)

    def num(value: float) -> np.ndarray:
        return np.array(value)

    nodes = {
        "x": Input((6,)),
        "fc": Linear(rng.normal(size=(8, 6))),
        "n": LIF((8,), num(5e-3), num(5.0), num(0.0), num(1.0), "zero"),
        "out": Linear(rng.normal(size=(3, 8))),
        "r": LI((3,), num(5e-3), num(5.0), num(0.0)),
        "y": Output((3,)),
    }
    edges = (("x", "fc"), ("fc", "n"), ("n", "out"), ("out", "r"), ("r", "y"))
    write_nir(Graph(nodes, edges, 1e-3, "euler"), tmp_path / "net.nir")
    return tmp_path / "net.nir"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """in.npz to calibrate on, judge.npz with labels."""
    rng = np.random.default_rng(6)
    np.savez(tmp_path / "in.npz", x=rng.integers(0, 2, (20, 30, 6)))
    np.savez(tmp_path / "judge.npz", x=rng.integers(0, 2, (20, 40, 6)), labels=rng.integers(0, 3, 40))
    np.savez(tmp_path / "short.npz", x=rng.integers(0, 2, (20, 40, 6)), labels=np.zeros(39, int))
    np.savez(tmp_path / "wide.npz", x=rng.integers(0, 2, (20, 40, 7)))
    return tmp_path


def test_a_sweep_with_labels(cli: Run, net: Path, files: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.nir", tmp_path / "r.html"
    data = ("--calibration", files / "in.npz", "--judge", files / "judge.npz")
    code, text, err = cli(net, "-o", out, "--bits", 6, *data, "--sweep", "8,4,2", "--report", page)
    assert code == 0, err
    assert "quantized to 4 bits" in err and "quantized" not in text
    assert [line.split()[0] for line in text.splitlines() if re.match(r"(float32|\d bits|chosen) ", line)] == [
        "float32", "8", "4", "2", "chosen",
    ]  # fmt: skip
    plain = json.loads(page.with_suffix(".json").read_text())
    report = QuantizationReport.from_json(plain)
    assert report.config["bits"] == 6 and report.data == "40 inferences of 'judge.npz'"
    assert report.calibration == "30 inferences of 'in.npz'" and report.warnings == ()
    assert report.accuracy is not None and report.sweep is not None
    assert [p.bits for p in report.sweep.points] == [8, 4, 2, None]
    html = page.read_text()
    assert "What a bit is worth" in html and "macro-F1" in html and "in.npz" in html and "generic event-driven" in html
    said = read_integer_nir(out).metadata["quantization"]
    assert (said["config"]["bits"], said["judged"]) == (6, report.data)


def test_layers_scale_and_budget(cli: Run, net: Path, files: Path, tmp_path: Path) -> None:
    out, data = tmp_path / "out.nir", ("--calibration", files / "in.npz")
    assert cli(net, "-o", out, *data, "--layer-bits", "out=4", "--scale", "activity")[0] == 0
    said = read_integer_nir(out).metadata["quantization"]
    assert said["config"]["overrides"] == {"out": 4} and said["config"]["scale"] == "activity"
    code, text, err = cli(net, "-o", out, *data, "--max-bytes", 48)
    assert code == 0, err
    after = int(re.search(r"→ (\d+) bytes", text)[1])  # type: ignore[index]
    assert after <= 48 and read_integer_nir(out).metadata["quantization"]["mixed"]["budget"] == 48


def test_records_calibrate_and_judge_a_bundle(cli: Run, data_dir: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out.nir", tmp_path / "r.html"
    where = ("--calibration", "101,106", "--judge", "106,118,119", "--data", data_dir)
    code, text, err = cli(BUNDLE, "-o", out, *where, "--report", page)
    assert code == 0, err
    assert "reading record 118" in err
    report = QuantizationReport.from_json(json.loads(page.with_suffix(".json").read_text()))
    assert report.calibration == "512 beats of the records 101, 106"
    assert report.data == "2,000 beats of the records 106, 118, 119" and report.inferences == 2000
    assert report.accuracy is not None and report.accuracy.accuracy_integer > 0.95
    warning, overlap = report.warnings
    assert overlap == "The judged record 106 also calibrated: others may fare worse."
    assert warning.startswith("The network was fitted on the judged record 106:")
    assert f"note: {warning}" in text and "fitted on the judged record 106" in page.read_text()


def test_held_out_records_raise_no_warning(cli: Run, data_dir: Path, tmp_path: Path) -> None:
    where = ("--calibration", "101,106", "--judge", "119", "--data", data_dir)
    code, text, _ = cli(BUNDLE, "-o", tmp_path / "out.nir", *where)
    assert code == 0 and "note:" not in text and "accuracy: " in text


def mistakes(net: Path, files: Path, folder: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    """What a user may get wrong, and what stderr must say."""
    to, on = ("-o", folder / "made.nir"), ("--calibration", files / "in.npz")
    return {
        "width out of range": ((net, *to, *on, "--sweep", "8,9"), "bit widths 9, they must be"),
        "width twice": ((net, *to, *on, "--sweep", "8,4,8"), "bit widths 8 twice"),
        "width no number": ((net, *to, *on, "--sweep", "8,four"), "--sweep is '8,four'"),
        "no widths": ((net, *to, *on, "--sweep", ""), "--sweep is ''"),
        "bits of no layer": (
            (net, *to, *on, "--layer-bits", "outt=4"),
            "no layer outt to give bits to; there are fc, out",
        ),
        "bits of a layer": ((net, *to, *on, "--layer-bits", "out=1"), "bits of 'out' is 1"),
        "bits without a layer": ((net, *to, *on, "--layer-bits", "4"), "LAYER=BITS"),
        "bits of a layer twice": ((net, *to, *on, "--layer-bits", "out=4", "--layer-bits", "out=5"), "'out' twice"),
        "both budgets": ((net, *to, *on, "--max-bytes", 50, "--max-energy-uj", 1), "not both"),
        "no budget": ((net, *to, *on, "--max-bytes", 0), "must be a positive number"),
        "budget unseen": ((net, *to, "--max-bytes", 50), "range|calibration"),
        "budget too small": ((net, *to, *on, "--max-bytes", 10), "no bit widths keep the budget"),
        "records without front end": (
            (net, *to, "--calibration", "101"),
            "--calibration names records, but .* no front end",
        ),
        "judge without front end": ((net, *to, *on, "--judge", "118,119"), "--judge names records, but"),
        "neither file nor records": ((net, *to, "--calibration", "a/b"), "neither an .npz file nor record names"),
        "record twice": ((BUNDLE, *to, "--judge", "118,118"), "names the record 118 twice"),
        "no such record": ((BUNDLE, *to, "--judge", "999", "--data", folder), "mitdb|999"),
        "no such file": ((net, *to, "--calibration", folder / "no.npz"), "there is no file"),
        "calibration of a wrong shape": ((net, *to, "--calibration", files / "wide.npz"), r"shape \(20, 40, 7\)"),
        "labels of a wrong length": ((net, *to, *on, "--judge", files / "short.npz"), r"shape \(39,\).* shape \(40,\)"),
        "report over the network": ((net, "-o", folder / "a.html", *on, "--report", folder / "a.html"), "the same"),
        "report as a picture": ((net, *to, *on, "--report", folder / "r.pdf"), r"r\.pdf' would hold an HTML page"),
        "a checkpoint": ((SHIPPED / "model.safetensors", *to), "is a checkpoint; .* cortexcore export"),
        "figures over the report": ((net, *to, *on, "--report", folder / "a.json"), "are the same"),
        "network over the graph": ((net, "-o", net, *on), "are the same"),
        "report into no folder": ((net, *to, *on, "--report", folder / "no" / "r.html"), "its folder must exist"),
        "activity without data": ((BUNDLE, *to, "--scale", "activity"), "'activity' .* calibration"),
        "report without a name": ((net, *to, *on, "--report", "."), "it is a folder"),
        "a step for a bundle": ((BUNDLE, *to, "--dt", "0.1"), "leave --dt out"),
    }


@pytest.mark.parametrize("case", mistakes(Path(), Path(), Path()))
def test_a_mistake_gets_one_clear_sentence(cli: Run, net: Path, files: Path, tmp_path: Path, case: str) -> None:
    arguments, words = mistakes(net, files, tmp_path)[case]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = cli(*arguments)
    assert code == 1 and not out, (out, err)
    last = err.strip().splitlines()[-1]
    assert last.startswith("cortexcore: ") and re.search(words, last), err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before, "something was left half-written"


def test_judged_without_labels_has_no_accuracy_and_says_so(cli: Run, net: Path, files: Path, tmp_path: Path) -> None:
    data = ("--calibration", files / "in.npz", "--judge", files / "in.npz")
    code, text, _ = cli(net, "-o", tmp_path / "out.nir", *data)
    assert code == 0 and "accuracy:" not in text and "no labels, so there is no accuracy" in text


def test_the_bundle_that_is_read_stays_as_it_is(cli: Run, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(BUNDLE, bundle)
    code, out, err = cli(bundle, "-o", bundle / "graph.nir", "--report", bundle / "report.html")
    assert code == 1 and not out and "lies in" in err and "graph.nir" in err and "report.json" in err
    assert all((bundle / name).read_bytes() == (BUNDLE / name).read_bytes() for name in ("graph.nir", "report.html"))
