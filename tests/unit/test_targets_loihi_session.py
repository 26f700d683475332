"""The Loihi target's worker: how Lava is found, that it is kept, and what is said when it does not answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.loihi import interpreter, session
from cortexcore.targets.loihi.artifact import FORMAT
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.plan import lower
from cortexcore.targets.loihi.session import LavaWorker
from cortexcore.targets.registry import get_target

HELLO = f"print(json.dumps({{'format': '{FORMAT}', 'lava': '0.10.0'}}), flush=True)"
X = np.ones((3, 1, 3), np.int64)


def one(weight: int = 2, exponent: int = 0, inputs: int = 3, **changes: object) -> IntegerNetwork:
    """A population of one neuron whose inputs all have the same weight."""
    s = Synapses("w", "x", Dense(np.full((1, inputs), weight, np.int32), exponent))
    p = replace(Population("a", (1,), (s,), 4095, 300, 500, np.zeros((), np.int32)), **changes)
    return IntegerNetwork((InputPort("x", (inputs,), -127, 127),), (p,), (OutputPort("y", "a"),), 1e-3)


@pytest.fixture
def lava():
    reason = get_target("loihi").unavailable()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def test_the_named_interpreter_must_have_lava(monkeypatch):
    monkeypatch.setenv(interpreter.VARIABLE, "/nowhere/python")
    reason = get_target("loihi").unavailable()
    assert reason is not None and reason.startswith("CORTEXCORE_LAVA_PYTHON is '/nowhere/python', which is no Python")
    with pytest.raises(TargetUnavailable) as caught:
        interpreter.find_interpreter()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("said", "fits"), [("0.10.0", True), ("0.1.0", False), ("0.9.0", False), ("", False)])
def test_a_python_must_have_the_release_of_lava(tmp_path, said, fits):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {said}\n")
    python.chmod(0o755)
    assert interpreter.imports_lava(str(python)) == fits


def test_what_our_own_python_path_holds_is_not_lavas(tmp_path, monkeypatch):
    for name in ("lif", "dense", "sparse"):
        (tmp_path / "lava" / "proc" / name).mkdir(parents=True)
        (tmp_path / "lava" / "proc" / name / "models.py").touch()
    about = tmp_path / "lava_nc-0.10.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Name: lava-nc\nVersion: 0.10.0\n")
    interpreter.imports_lava.cache_clear()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert not interpreter.imports_lava(sys.executable)
    interpreter.imports_lava.cache_clear()


def test_without_lava_the_way_to_get_it_is_told(monkeypatch):
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setattr(interpreter, "imports_lava", lambda python: False)
    assert "make it with 'make setup'" in str(get_target("loihi").unavailable())


def test_the_environment_of_the_set_up_is_found_from_below(monkeypatch, tmp_path):
    python = tmp_path / ".venv-lava" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setattr(interpreter, "imports_lava", lambda candidate: candidate == str(python))
    assert interpreter.find_interpreter() == str(python)


@pytest.fixture
def fake(tmp_path):
    """Makes a worker that runs a body of our own instead of Lava."""
    made: list[LavaWorker] = []

    def make(*body: str) -> LavaWorker:
        script = tmp_path / "worker.py"
        script.write_text("\n".join(["import json, sys, time", *body]) + "\n")
        made.append(LavaWorker(sys.executable, script))
        return made[-1]

    yield make
    for worker in made:
        worker.close()
        assert not worker.alive


def test_a_worker_that_dies_says_its_last_words(fake):
    worker = fake("sys.stderr.write('one\\ntwo: out of memory\\n'); sys.exit(7)")
    with pytest.raises(TargetUnavailable, match=r"ended without an answer; its last lines: one \| two: out of memory"):
        worker.ask([], 30)


def test_a_worker_that_dies_amid_a_request_says_so(fake):
    worker = fake(HELLO, "sys.stdin.readline()", "print('gone', file=sys.stderr)")
    with pytest.raises(TargetUnavailable, match="ended without an answer; its last lines: gone"):
        worker.ask([], 30)


@pytest.mark.parametrize("ready", [False, True])
def test_a_worker_that_hangs_is_ended(fake, ready):
    worker = fake(*([HELLO] if ready else []), "import subprocess; subprocess.Popen(['sleep', '60']); time.sleep(60)")
    started = time.monotonic()
    if ready:
        worker.greet(30)
    with pytest.raises(TargetUnavailable, match=r"did not answer within 0\.5 s"):
        worker.ask([], 0.5)
    worker.close()
    assert not worker.alive and time.monotonic() - started < 30


@pytest.mark.parametrize("hello", [{"format": FORMAT, "lava": "0.9.0"}, {"format": "other", "lava": "0.10.0"}, {}])
def test_a_worker_of_another_version_is_refused(fake, hello):
    worker = fake(f"print({json.dumps(json.dumps(hello))}, flush=True)", "time.sleep(60)")
    with pytest.raises(TargetUnavailable, match=rf"has Lava .* and the format .*, it must be Lava 0\.10 and {FORMAT}"):
        worker.ask([], 30)


@pytest.mark.parametrize("answer", ['{"seconds": 0.', "[1]", ""])
def test_a_damaged_answer_is_an_error(fake, answer):
    worker = fake(HELLO, "sys.stdin.readline()", f"print({answer!r}, flush=True)", "time.sleep(60)")
    with pytest.raises(TargetUnavailable, match="sent a damaged answer"):
        worker.ask([], 30)


@pytest.mark.parametrize("written", ["b'PK'", "None"])
def test_truncated_results_are_an_error(fake, written):
    worker = fake(
        HELLO,
        "arguments = json.loads(sys.stdin.readline())",
        f"if {written}: open(arguments[1], 'wb').write({written})",
        "print(json.dumps({'seconds': 1.0}), flush=True)",
        "time.sleep(60)",
    )
    with pytest.raises(TargetUnavailable, match="wrote a damaged answer"):
        worker.run(lower(one()), {"x": X}, [], 30)


def test_a_worker_that_fails_is_replaced(tmp_path, lava):
    """Here for want of an input's weights, which only a bug could lose."""
    session.close()
    lowered = lower(one())
    broken = replace(lowered, arrays={key: a for key, a in lowered.arrays.items() if not key.startswith("weight")})
    with pytest.raises(TargetUnavailable, match=r"failed \(KeyError: 'weight/a/0'"):
        session.run(broken, {"x": X}, [], 60)
    assert not session._running
    assert np.array_equal(compile(one(), "loihi").run(X).outputs["y"], integer.run(one(), {"x": X}).outputs["y"])


def test_what_a_process_of_lava_raises_is_told(lava):
    """The others would wait for it for ever, and so would Lava."""
    lowered = lower(one())
    source = {**lowered.structure["sources"][0], "late": "yes"}
    broken = replace(lowered, structure={**lowered.structure, "sources": [source]})
    with pytest.raises(
        TargetUnavailable,
        match=r"ended without an answer; its last lines: .* \| ValueError: invalid.*Lava failed with 1",
    ):
        session.run(broken, {"x": X}, [], 60)


def test_nothing_outlives_the_process_that_asked(lava, tmp_path):
    script = "\n".join(
        [
            "import os, signal, sys",
            "import numpy as np",
            "from cortexcore.targets.loihi import session",
            "session.start(60)",
            "print(session._running[0]._process.pid, flush=True)",
            "os.kill(os.getpid(), signal.SIGKILL)",
        ]
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    worker = Path("/proc") / done.stdout.strip()
    until = time.monotonic() + 30
    while worker.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert done.stdout.strip().isdigit() and not worker.exists()
    assert not list(tmp_path.glob("cortexcore-loihi-*"))


def segments(worker: LavaWorker) -> set[Path]:
    """The shared memory that the worker and Lava's processes exchange messages in."""
    maps = Path(f"/proc/{worker._process.pid}/maps").read_text()
    return {Path(line.split()[5]) for line in maps.splitlines() if "/dev/shm/psm_" in line}


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_worker_that_is_gone_leaves_no_shared_memory(lava, sent):
    session.close()
    compiled = compile(one(), "loihi")
    compiled.run(X)
    worker = session._running[0]
    held = segments(worker)
    assert held and all(path.exists() for path in held)
    os.kill(worker._process.pid, sent)
    if sent is signal.SIGSTOP:
        with pytest.raises(TargetUnavailable, match=r"did not answer within 1 s; run fewer steps or .* timeout_s"):
            session.run(lower(one()), {"x": X}, [], 1)
    else:
        worker._process.wait()
    assert np.array_equal(compiled.run(X).outputs["y"], integer.run(one(), {"x": X}).outputs["y"])
    assert session._running[0] is not worker and not worker._folder.exists()
    assert not [path for path in held if path.exists()]


def test_a_process_of_lava_that_is_killed_is_told_at_once(lava):
    """The worker itself would wait for it for ever."""
    session.close()
    compile(one(), "loihi").run(X)
    pid = session._running[0]._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    with pytest.raises(TargetUnavailable, match="a process of Lava was ended by signal 9"):
        compile(one(), "loihi", LoihiConfig(timeout_s=30)).run(X)


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_leaves_its_parents_worker_alone(lava):
    compiled = compile(one(), "loihi")
    compiled.run(X)
    worker = session._running[0]
    child = os.fork()
    if not child:
        forgotten = not session._running
        session.close()
        os._exit(0 if forgotten else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    compiled.run(X)
    assert session._running == [worker] and worker._folder.is_dir()


def test_files_of_what_ran_long_ago_and_of_what_was_refused_go(lava):
    session.close()
    compiled = [compile(one(60 + 2 * i), "loihi") for i in range(3)]
    for each in compiled:
        each.run(X)
    folder = session._running[0]._folder
    assert not (folder / compiled[0].artifact.sha256).exists() and (folder / compiled[2].artifact.sha256).is_dir()
    assert np.array_equal(compiled[0].run(X).outputs["y"], integer.run(one(60), {"x": X}).outputs["y"])
    with pytest.raises(GraphError):
        compile(one(254, 3), "loihi").run(np.full((2, 1, 3), 127))
    assert not list(folder.glob("*.npz"))


def test_a_folder_without_room_is_told(fake, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session, "_write", full)
    with pytest.raises(TargetUnavailable, match=r"share .* which failed .*No space left on device.*set TMPDIR"):
        fake(HELLO, "time.sleep(60)").run(lower(one()), {"x": X}, [], 30)


def test_the_worker_is_kept_between_runs(lava):
    compiled = compile(one(), "loihi")
    compiled.run(X)
    before = session._running[0]
    compiled.run(X)
    assert session._running == [before] and before.alive
    session.close()
    assert not before.alive and not session._running


@pytest.mark.parametrize("count", [2, 4], ids=["kept", "more than are kept"])
def test_networks_take_turns_and_lengths_vary(lava, count):
    """At other steps and batches each time: nothing of a run reaches the next, of one that stays built or not."""
    several = [one(60), one(120, du=700), one(250, reset="subtract"), one(90, bias=np.array(900, np.int32))]
    networks = several[:count]
    rng = np.random.default_rng(0)
    for steps, batch in ((4, 2), (1, 1), (9, 3), (4, 2)):
        for network in networks:
            x = rng.integers(-20, 128, (steps, batch, 3))
            got, expected = compile(network, "loihi").run(x, trace=True), integer.run(network, {"x": x})
            for kind in ("spikes", "u", "v"):
                assert np.array_equal(getattr(got, kind)["a"], getattr(expected, kind)["a"]), (steps, batch, kind)


def test_names_that_archives_use_themselves(lava):
    network = one(120)
    p = replace(network.populations[0], name="file")
    port = replace(network.inputs[0], name="file")
    p = replace(p, name="allow_pickle", synapses=(replace(p.synapses[0], source="file"),))
    named = replace(network, inputs=(port,), populations=(p,), outputs=(OutputPort("file", "allow_pickle"),))
    got = compile(named, "loihi").run(X * 9, trace=True)
    assert np.array_equal(got.v["allow_pickle"], integer.run(named, {"file": X * 9}).v["allow_pickle"])


def test_names_that_differ_by_an_archives_ending(lava, tmp_path):
    feeds = (Synapses("w", "x", Dense(np.full((1, 3), 120, np.int32))),)
    p = replace(one().populations[0], synapses=feeds)
    q = replace(
        p, name="a.npy", synapses=(replace(feeds[0], name="w.npy", source="x.npy"),), bias=np.array(7, np.int32)
    )
    ports = (InputPort("x", (3,), -127, 127), InputPort("x.npy", (3,), -127, 127))
    network = IntegerNetwork(ports, (p, q), (OutputPort("y", "a"), OutputPort("y.npy", "a.npy")), 1e-3)
    given = {"x": X * 9, "x.npy": X * -5}
    compiled, golden = compile(network, "loihi"), integer.run(network, given)
    compiled.target.save(compiled.artifact, tmp_path)
    loaded = compiled.target.load(tmp_path)
    for result in (compiled.run(given, trace=True), compiled.target.run(loaded, given, trace=True)):
        for kind in ("outputs", "spikes", "u", "v"):
            for name, expected in getattr(golden, kind).items():
                assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)


def test_inputs_that_do_not_fit_are_refused_before_lava_starts():
    with pytest.raises(DataError, match="holds values in"):
        compile(one(), "loihi").run(X * 200)


def test_a_leaky_integrator_at_loihis_ceiling_is_an_error(lava):
    """Its v reaches 2^23 − 64, where Loihi's neuron with the highest threshold fires: never a wrong number."""
    compiled = compile(one(254, 1, vth=None, dv=0), "loihi")
    x = np.full((2, 1, 3), 40)
    assert compiled.run(x).outputs["y"].max() == 2 * 3 * 40 * 254 * 2 * 64 < 8388544
    with pytest.raises(GraphError, match="leaky integrator 'a' exceeded 8388544"):
        compiled.run(np.full((4, 1, 3), 60))


def test_a_current_beyond_one_wrap_is_an_error(lava):
    """Not of our own neuron, which wraps as often as needed."""
    network, x = one(254, 3), np.full((2, 1, 3), 40)
    compiled = compile(network, "loihi")
    assert np.array_equal(compiled.run(x, trace=True).u["a"], integer.run(network, {"x": x}).u["a"])
    most = np.full((2, 1, 3), 43)
    assert np.array_equal(compiled.run(most, trace=True).u["a"], integer.run(network, {"x": most}).u["a"])
    with pytest.raises(GraphError, match=r"the current into 'a' reached 17166336"):
        compiled.run(most + 1)
    with pytest.raises(GraphError, match=r"the current into 'a' reached 49548288, beyond the 16777216"):
        compiled.run(np.full((2, 1, 3), 127))
    own, x = replace(network, populations=(replace(network.populations[0], reset="none"),)), np.full((2, 1, 3), 127)
    assert np.array_equal(compile(own, "loihi").run(x, trace=True).u["a"], integer.run(own, {"x": x}).u["a"])


def test_sums_beyond_32_bits_are_an_error(lava):
    wide = replace(one(254, -8), inputs=(InputPort("x", (3,), 0, 2**23 - 1),))
    assert compile(wide, "loihi").run(X).outputs["y"].shape == (3, 1, 1)
    with pytest.raises(GraphError, match="could reach 6392118534 on these inputs, and Lava adds up in 32 bits"):
        compile(wide, "loihi").run(X * (2**23 - 1))


def test_sums_of_just_32_bits_are_exact(lava):
    """−256·(1 − 2^23) is the last multiple that fits, −256·−2^23 = 2^31 does not."""
    wide = replace(one(-256, -8, inputs=1, reset="none"), inputs=(InputPort("x", (1,), -(2**23), 2**23 - 1),))
    last = np.full((2, 1, 1), 1 - 2**23)
    got, expected = compile(wide, "loihi").run(last, trace=True), integer.run(wide, {"x": last})
    assert np.array_equal(got.u["a"], expected.u["a"]) and np.array_equal(got.v["a"], expected.v["a"])
    with pytest.raises(GraphError, match="could reach 2147483648 on these inputs"):
        compile(wide, "loihi").run(last - 1)


@pytest.mark.parametrize("reset", ["zero", "none"], ids=["lif", "microcode"])
def test_a_current_of_exactly_half_the_range_wraps_alike(lava, reset):
    """±512·256·2^6 is ±2^23, where 24 bits end."""
    edge = replace(one(-256, inputs=1, reset=reset), inputs=(InputPort("x", (1,), -600, 600),))
    x = np.array([-513, -512, -511, 511, 512, 513]).reshape(6, 1, 1)
    got, expected = compile(edge, "loihi").run(x, trace=True), integer.run(edge, {"x": x})
    assert np.array_equal(got.u["a"], expected.u["a"]) and np.array_equal(got.v["a"], expected.v["a"])


def test_a_run_that_no_disk_holds_is_refused(lava, tmp_path):
    size = 10**6
    few = Synapses("w", "x", Dense(np.full((size, 1), 2, np.int32)))
    p = Population("a", (size,), (few,), 4095, 300, 500, np.zeros((), np.int32))
    large = IntegerNetwork((InputPort("x", (1,), 0, 1),), (p,), (OutputPort("y", "a"),), 1e-3)
    rows = int(shutil.disk_usage(tmp_path).free / size) + 1
    with pytest.raises(
        GraphError, match=r"[1-9] MB of files, .*[1-9].* MB are free in .*: run fewer inferences at once"
    ):
        session.run(lower(large), {"x": np.zeros((rows, 1, 1), np.int8)}, [], 120)
    traced = rows // 9 + 1  # spikes of a byte, u and v of four
    with pytest.raises(GraphError, match=r"run fewer inferences at once, or without a trace"):
        session.run(lower(large), {"x": np.zeros((traced, 1, 1), np.int8)}, ["--trace"], 120)


def test_hardware_that_is_not_here_is_one_sentence(lava):
    with pytest.raises(TargetUnavailable, match="Loihi 2 hardware needs Intel's package lava-loihi") as caught:
        compile(one(), "loihi", LoihiConfig(hardware=True)).run(X)
    assert caught.value.exit_code == 3
    assert compile(one(), "loihi").run(X).outputs["y"].shape == (3, 1, 1)


def test_our_own_python_path_does_not_reach_lava(lava, monkeypatch, tmp_path):
    (tmp_path / "lava_network.py").write_text("raise RuntimeError('not ours')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    session.close()
    assert compile(one(), "loihi").run(X).outputs["y"].shape == (3, 1, 1)


def test_no_file_stays(lava, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    session.close()
    compile(one(), "loihi").run(X, trace=True)
    (place,) = tmp_path.iterdir()
    assert {path.name.split("-")[0] for path in place.iterdir()} == {lower(one()).sha256, "cortexcore"}
    session.close()
    assert not list(tmp_path.iterdir())
