"""The TFLite target from the command line: a bundle's own models, and what a user reads where no runtime is."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.errors import BundleError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.registry import get_target

pytest.importorskip("tflite")
if get_target("tflite").unavailable():
    pytest.skip(get_target("tflite").unavailable(), allow_module_level=True)


def network() -> IntegerNetwork:
    weight = (np.random.default_rng(0).integers(-128, 128, (3, 2, 3)) * 2).astype(np.int32)
    synapses = (Synapses("w", "x", Conv1d(weight, -2, stride=2, padding=1)),)
    p = Population("p", (3, 4), synapses, 900, 400, 100, np.zeros((), np.int32))
    return IntegerNetwork((InputPort("x", (2, 8), -127, 127),), (p,), (OutputPort("y", "p"),), 1e-3, {"steps": 4})


@pytest.fixture
def bundle(tmp_path):
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(1).integers(-127, 128, (9, 2, 2, 8)))
    return cc.save_bundle(network(), tmp_path / "bundle", targets=["tflite"])


def command(bundle, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """``cortexcore run`` on the bundle, ``before`` done in the same process first."""
    folder = bundle.parent
    words = ["cortexcore", "run", str(bundle), "--target", "tflite", "--trace"]
    words += ["--input", str(folder / "in.npz"), "--output", str(folder / "out.npz")]
    code = f"import sys; {before}; sys.argv = {words!r}; from cortexcore.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_bundles_own_models_run(bundle):
    assert {f.name for f in (bundle / "tflite").iterdir()} >= {"sequence.tflite", "step.tflite"}
    done = command(bundle)
    assert done.returncode == 0, done.stderr
    golden = integer.run(network(), {"x": np.load(bundle.parent / "in.npz")["x"]})
    out = np.load(bundle.parent / "out.npz")
    assert np.array_equal(out["y"], golden.outputs["y"]) and np.array_equal(out["v/p"], golden.v["p"])


def test_without_a_runtime_it_is_exit_code_3_and_one_sentence(bundle):
    blocked = "sys.modules['tflite_runtime.interpreter'] = sys.modules['ai_edge_litert.interpreter'] = None"
    done = command(bundle, blocked)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "pip install 'cortexcore[tflite]'" in " ".join(done.stderr.split())


def test_a_changed_model_in_a_bundle_is_found(bundle):
    model = bundle / "tflite" / "step.tflite"
    model.write_bytes(model.read_bytes()[:-7])
    with pytest.raises(BundleError, match=r"step\.tflite"):
        cc.load_bundle(bundle)
