"""What is sent to a Loihi host: the scripts run alone under Lava's Python, and give the golden network's numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import BundleError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import LIF, Input, Linear, Output
from cortexcore.export.reference import run as run_float
from cortexcore.targets.loihi.artifact import FORMAT, HOST, SCRIPTS
from cortexcore.targets.loihi.interpreter import find_interpreter
from cortexcore.targets.registry import get_target

SEED = 5


@pytest.fixture(scope="module")
def lava() -> str:
    try:
        return find_interpreter()
    except TargetUnavailable as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def small(readout: bool = True, **changes: object) -> IntegerNetwork:
    """A chain of three with a branch that must wait, read at both ends."""
    rng = np.random.default_rng(SEED)

    def weights(*shape: int) -> Dense:
        return Dense((rng.integers(-128, 128, shape) * 2).astype(np.int32))

    zero = np.zeros((), np.int32)
    a = Population("a", (12,), (Synapses("w", "x", weights(12, 6)),), 4095, 300, 500, zero)
    b = Population("b", (8,), (Synapses("v", "a", weights(8, 12)),), 900, 300, 400, zero)
    late = Synapses("short", "a", weights(4, 12))
    vth = None if readout else 300
    c = Population("c", (4,), (Synapses("long", "b", weights(4, 8)), late), 4095, 300, vth, zero)
    ends = (OutputPort("hidden", "a"), OutputPort("y", "c"))
    return IntegerNetwork((InputPort("x", (6,), -127, 127),), (replace(a, **changes), b, c), ends, 1e-3)


def inputs(steps: int = 7, batch: int = 3) -> np.ndarray:
    return np.random.default_rng(SEED).integers(-127, 128, (steps, batch, 6))


def sent(folder: Path, network: IntegerNetwork) -> Path:
    """The artifact's files that a host needs, in a folder of their own."""
    target = get_target("loihi")
    saved, host = folder / "saved", folder / "host"
    saved.mkdir()
    host.mkdir()
    target.save(target.lower(network, target.config()), saved)
    for name in (*SCRIPTS, "loihi.json", "loihi.npz"):
        (host / name).write_bytes((saved / name).read_bytes())
    return host


def call(python: str, host: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script in its folder, with nothing of ours in reach."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    command = [python, "run_lava.py", *arguments]
    return subprocess.run(command, cwd=host, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("changes", [{}, {"reset": "subtract", "reset_delay": True}], ids=["lif", "microcode"])
def test_the_scripts_run_alone(lava, tmp_path, changes):
    network, x = small(**changes), inputs()
    host = sent(tmp_path, network)
    np.savez(host / "in.npz", x=x)
    done = call(lava, host, "in.npz", "out.npz", "--trace")
    assert done.returncode == 0, done.stderr
    golden = integer.run(network, {"x": x})
    with np.load(host / "out.npz") as found:
        assert set(found.files) == {"hidden", "y", "spikes/a", "spikes/b"} | {f"{k}/{p}" for k in "uv" for p in "abc"}
        for name, expected in golden.outputs.items():
            assert np.array_equal(found[name], expected) and expected.any(), (host, name)
        for kind in ("spikes", "u", "v"):
            for name, expected in getattr(golden, kind).items():
                assert np.array_equal(found[f"{kind}/{name}"], expected), (host, kind, name)
    assert call(lava, host, "in.npz", "out.npz").returncode == 0
    with np.load(host / "out.npz") as found:
        assert set(found.files) == {"hidden", "y"}


def test_the_scripts_import_nothing_of_ours():
    for name in SCRIPTS:
        assert "cortexcore." not in (HOST / name).read_text().replace("``cortexcore.", "")
    assert {path.name for path in HOST.glob("*.py")} == {*SCRIPTS, "__init__.py"}


def test_both_sides_name_the_same_format():
    assert f'FORMAT = "{FORMAT}"' in (HOST / "lava_network.py").read_text()


def test_an_artifact_of_another_version_is_refused(tmp_path):
    target = get_target("loihi")
    target.save(target.lower(small(), target.config()), tmp_path)
    (tmp_path / "run_lava.py").unlink()
    manifest = (tmp_path / "loihi.json").read_text()
    (tmp_path / "loihi.json").write_text(manifest.replace(FORMAT, "cortexcore-loihi-1"))
    with pytest.raises(BundleError, match=f"has the format cortexcore-loihi-1, not {FORMAT}: lower again"):
        target.load(tmp_path)


def test_a_changed_script_is_found(tmp_path):
    target = get_target("loihi")
    target.save(target.lower(small(), target.config()), tmp_path)
    assert target.load(tmp_path).config == target.config()
    script = tmp_path / "lava_microcode.py"
    script.write_text(script.read_text() + "# more\n")
    with pytest.raises(BundleError, match="was changed after it was written"):
        target.load(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "flipped"])
def test_damaged_arrays_are_found(tmp_path, damage):
    target = get_target("loihi")
    target.save(target.lower(small(), target.config()), tmp_path)
    file = tmp_path / "loihi.npz"
    found = bytearray(file.read_bytes())
    found[60] ^= 255
    file.write_bytes(b"" if damage == "empty" else found)
    with pytest.raises(BundleError, match="cannot be read"):
        target.load(tmp_path)


@pytest.mark.parametrize("name", ["loihi.json", "loihi.npz"])
def test_the_script_runs_nothing_that_was_exchanged_or_damaged(lava, tmp_path, name):
    host = sent(tmp_path, small())
    np.savez(host / "in.npz", x=inputs())
    edited = (host / "loihi.json").read_bytes().replace(b'"vth": 500', b'"vth": 501')
    for content in (edited if name == "loihi.json" else (host / "in.npz").read_bytes(), b"", b"[]"):
        (host / name).write_bytes(content)
        done = call(lava, host, "in.npz", "out.npz")
        assert done.returncode == 1 and done.stderr.startswith("run_lava: ") and done.stderr.count("\n") == 1, done
        assert "lower the network again" in done.stderr


def test_files_that_are_none_are_one_sentence(lava, tmp_path):
    host = sent(tmp_path, small())
    np.savez(host / "in.npz", x=inputs())
    np.save(host / "array.npy", inputs())
    (host / "empty.npz").touch()
    with zipfile.ZipFile(host / "text.npz", "w") as archive:
        archive.writestr("x", "hello")
    for given in ("array.npy", "empty.npz", "text.npz", "no.npz", "."):
        done = call(lava, host, given, "out.npz")
        assert done.returncode == 1 and f"run_lava: '{given}' is not a readable .npz file" in done.stderr, done
        assert done.stderr.count("\n") == 1
    for arguments in (("no/out.npz",), (".",), ("out.npz", "--scratch", "no")):
        done = call(lava, host, "in.npz", *arguments)
        assert done.returncode == 1 and "name" in done.stderr and done.stderr.count("\n") == 1, done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_a_script_that_is_stopped_leaves_nothing(lava, tmp_path, number):
    host, scratch = sent(tmp_path, small()), tmp_path / "scratch"
    scratch.mkdir()
    np.savez(host / "in.npz", x=inputs(20000, 3))
    command = [lava, "run_lava.py", "in.npz", "out.npz", "--scratch", str(scratch)]
    process = subprocess.Popen(command, cwd=host, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 60
    while not list(scratch.glob("*/1/spikes-*")) and time.monotonic() < until:
        time.sleep(0.05)
    while len(children := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()) < 5:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    while any(Path(f"/proc/{child}/exe").exists() for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}/exe").exists()]
    assert not list(scratch.iterdir())
    assert "Traceback" not in process.communicate()[1]


def test_the_manifest_marks_what_is_no_hardware_lif(tmp_path):
    said = json.loads((sent(tmp_path, small(reset="subtract")) / "loihi.json").read_text())
    assert said["notes"][0] == "'a' is not a hardware LIF: needs Loihi 2 microcode (reset 'subtract')"
    assert [p["process"] for p in said["structure"]["populations"]] == ["MicrocodeLIF", "LIFReset", "LIFReset"]
    assert [s["delay"] for s in said["structure"]["synapses"]] == [0, 0, 0, 1]
    assert said["config"] == {"timeout_s": 600.0, "chip": "loihi2", "hardware": False}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"z": inputs()}, "the network's inputs are ['x'], got ['z']"),
        ({"x": inputs()[:, 0]}, "input 'x' has shape (7, 6), it must be [T, B, *(6,)] and not empty"),
        ({"x": inputs()[:0]}, "input 'x' has shape (0, 3, 6), it must be [T, B, *(6,)] and not empty"),
        ({"x": inputs() * 2}, "input 'x' must hold integers from -127 to 127"),
        ({"x": inputs() / 2}, "input 'x' must hold integers from -127 to 127"),
    ],
)
def test_a_mistake_is_one_sentence(lava, tmp_path, arrays, sentence):
    host = sent(tmp_path, small())
    np.savez(host / "in.npz", **arrays)
    done = call(lava, host, "in.npz", "out.npz")
    assert (done.returncode, done.stderr.strip()) == (1, f"run_lava: {sentence}")


def test_a_damaged_file_is_one_sentence(lava, tmp_path):
    host = sent(tmp_path, small())
    (host / "in.npz").write_text("no archive")
    done = call(lava, host, "in.npz", "out.npz")
    assert done.returncode == 1 and done.stderr.startswith("run_lava: 'in.npz' is not a readable .npz file")
    np.savez(host / "in.npz", x=inputs())
    manifest = (host / "loihi.json").read_text()
    (host / "loihi.json").write_text(manifest.replace(FORMAT, "cortexcore-loihi-1"))
    done = call(lava, host, "in.npz", "out.npz")
    assert done.returncode == 1 and f"this script reads {FORMAT}" in done.stderr and "Traceback" not in done.stderr
    (host / "loihi.json").unlink()
    done = call(lava, host, "in.npz", "out.npz")
    assert done.returncode == 1 and "holds no readable loihi.json and loihi.npz" in done.stderr


def test_hardware_without_its_package_exits_with_3(lava, tmp_path):
    host = sent(tmp_path, small(readout=False))
    np.savez(host / "in.npz", x=inputs())
    done = call(lava, host, "in.npz", "out.npz", "--hardware")
    assert done.returncode == 3 and len(done.stderr.strip().splitlines()) == 1
    assert "needs Intel's package lava-loihi" in done.stderr


ADAPTERS = '''
"""Stands for Intel's adapters: processes that hand on what they get, in the same step."""
import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

class PyToNxAdapter(AbstractProcess):
    def __init__(self, shape, num_message_bits=0):
        super().__init__()
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)

class NxToPyAdapter(PyToNxAdapter):
    pass

class Model(PyLoihiProcessModel):
    inp: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    def run_spk(self):
        self.out.send(self.inp.recv())

@implements(proc=PyToNxAdapter, protocol=LoihiProtocol)
@requires(CPU)
class InModel(Model):
    pass

@implements(proc=NxToPyAdapter, protocol=LoihiProtocol)
@requires(CPU)
class OutModel(Model):
    pass
'''


@pytest.fixture
def intel(tmp_path) -> Path:
    """A folder that makes Lava believe that its package for Loihi is there; Lava's own Python models then run."""
    folder = tmp_path / "intel" / "lava"
    (folder / "utils").mkdir(parents=True)
    (folder / "utils" / "loihi2_profiler.py").touch()
    for kind, name in (("c", "CLoihiProcessModel"), ("nc", "AbstractNcProcessModel")):
        module = folder / "magma" / "core" / "model" / kind / "model.py"
        module.parent.mkdir(parents=True)
        module.write_text(f"class {name}:\n    pass\n")
    (folder / "proc" / "embedded_io").mkdir(parents=True)
    (folder / "proc" / "embedded_io" / "spike.py").write_text(ADAPTERS)
    return tmp_path / "intel"


def test_the_hardware_configuration_runs_the_same_network(lava, tmp_path, intel):
    """With a stand-in for Intel's package: Lava's Loihi 2 configuration falls back to its Python models."""
    network, x = small(readout=False), inputs(steps=5, batch=2)
    host = sent(tmp_path, network)
    np.savez(host / "in.npz", x=x)
    done = call(lava, host, "in.npz", "out.npz", "--hardware", path=intel)
    assert done.returncode == 0, done.stderr
    golden = integer.run(network, {"x": x})
    with np.load(host / "out.npz") as found:
        for name, expected in golden.outputs.items():
            assert np.array_equal(found[name], expected) and expected.any(), (host, name)
    done = call(lava, host, "in.npz", "out.npz", "--hardware", "--trace", path=intel)
    assert done.returncode == 1 and "gives outputs alone: run without --trace" in done.stderr


def test_what_hardware_cannot_run_is_told_at_once(lava, tmp_path, intel):
    loop = Synapses("loop", "b", Dense(np.full((8, 8), 2, np.int32)), recurrent=True)
    network = small(reset="subtract")
    a, b, c = network.populations
    b = replace(b, synapses=(*b.synapses, loop), bias=np.ones(8, np.int32))
    host = sent(tmp_path, replace(network, populations=(a, b, c)))
    np.savez(host / "in.npz", x=inputs())
    done = call(lava, host, "in.npz", "out.npz", "--hardware", path=intel)
    assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1
    for words in ("'a' is no hardware LIF", "output 'y' is the voltage", "loop 'b/1' could carry spikes"):
        assert words in done.stderr


FLOAT = """
import sys

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.monitor.process import Monitor

sys.path.insert(0, sys.argv[1])
from lava_microcode import MicrocodeLIF

with np.load("in.npz") as file:
    x, weight = file["x"], file["weight"]
    fields = {name: file[name] for name in ("du", "dv", "vth", "bias_mant")}
    reset, delay = str(file["reset"]), bool(file["delay"])
steps, size = len(x) + 2, len(weight)
source = Source(data=np.concatenate([x, np.zeros((2, x.shape[1]))]).T)
dense = Dense(weights=weight, num_message_bits=24)
lif = MicrocodeLIF(shape=(size,), reset=reset, reset_delay=delay, **fields)
sink, monitor = Sink(shape=(size,), buffer=steps), Monitor()
source.s_out.connect(dense.s_in)
dense.a_out.connect(lif.a_in)
lif.s_out.connect(sink.a_in)
monitor.probe(lif.v, steps)
lif.run(condition=RunSteps(num_steps=steps), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
v = monitor.get_data()[lif.name]["v"]
np.savez("out.npz", spikes=sink.data.get().T[1:-1], v=v[1:-1])
lif.stop()
"""


@pytest.mark.parametrize(
    ("reset", "delay"), [("subtract", False), ("subtract", True), ("none", False), ("zero", False)]
)
def test_the_float_model_is_the_reference(lava, tmp_path, reset, delay):
    """The same spikes, and v within 1e-12 of its size: both compute in float64, their sums in another order."""
    rng = np.random.default_rng(SEED)
    steps, size, fan_in, dt_s = 40, 6, 4, 1e-3
    tau, vth = rng.uniform(3e-3, 20e-3, size), rng.uniform(0.5, 1.5, size)
    weight, x = rng.normal(0.2, 0.4, (size, fan_in)), rng.uniform(-1, 2, (steps, 1, fan_in))
    leak = dt_s / tau
    one = np.ones(size)
    neuron = LIF((size,), tau, one / leak, np.zeros(size), vth, reset=reset, reset_delay=delay)
    nodes = {"x": Input((fan_in,)), "w": Linear(weight), "n": neuron, "y": Output((size,))}
    golden = run_float(Graph(nodes, (("x", "w"), ("w", "n"), ("n", "y")), dt_s, "euler"), {"x": x})
    arrays = {"x": x[:, 0], "weight": weight, "du": one, "dv": leak, "vth": vth, "bias_mant": 0 * one}
    np.savez(tmp_path / "in.npz", **arrays, reset=np.array(reset), delay=np.array(delay))
    (tmp_path / "script.py").write_text(FLOAT)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [lava, "script.py", str(HOST)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "out.npz") as found:
        spikes, v = golden.spikes["n"][:, 0], golden.v["n"][:, 0]
        assert 0 < spikes.mean() < 1
        assert np.array_equal(found["spikes"], spikes)
        assert np.abs(found["v"] - v).max() < 1e-12 * max(1.0, np.abs(v).max())
