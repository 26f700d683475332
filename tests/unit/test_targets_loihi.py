"""The Loihi target: what it refuses, how it finds Lava, and what happens when the worker does not answer."""

from __future__ import annotations

import io
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import GraphError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.compiled import compile
from cortexcore.targets.loihi import interpreter, session
from cortexcore.targets.loihi.check import check, depths, message_bits, sign_mode
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.plan import lower, plan_run, unroll
from cortexcore.targets.loihi.session import LavaWorker
from cortexcore.targets.loihi.worker import read_message, write_message
from cortexcore.targets.registry import get_target

ZERO = np.zeros((), np.int32)


def population(name: str, size: int, *synapses: Synapses, **changes: object) -> Population:
    return replace(Population(name, (size,), synapses, 4095, 300, 500, ZERO), **changes)


def synapses(
    name: str, source: str, rows: int, columns: int, weight: int = 2, exponent: int = 0, **k: bool
) -> Synapses:
    return Synapses(name, source, Dense(np.full((rows, columns), weight, np.int32), exponent), **k)


def network(*populations: Population, high: int = 127) -> IntegerNetwork:
    port = InputPort("x", (3,), -high, high)
    return IntegerNetwork((port,), populations, (OutputPort("y", populations[-1].name),), 1e-3)


def chain(**changes: object) -> IntegerNetwork:
    a = population("a", 2, synapses("w", "x", 2, 3), **changes)
    return network(a, population("b", 2, synapses("v", "a", 2, 2)))


@pytest.fixture
def lava():
    reason = get_target("loihi").unavailable()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def reasons(net: IntegerNetwork) -> list[tuple[str, str]]:
    problems = check(net).problems
    assert all(p.remedy for p in problems)
    return [(p.node, p.reason) for p in problems]


def test_all_problems_at_once():
    net = chain(reset="subtract", dv=4096)
    assert reasons(net) == [
        ("a", "dv is 4096"),
        ("a", "reset 'subtract' is not a hardware LIF of Loihi"),
    ]
    with pytest.raises(GraphError, match=r"'a': dv is 4096.*'a': reset 'subtract'"):
        compile(net, "loihi")


def test_branches_of_unequal_depth_are_refused():
    a, b = population("a", 2, synapses("w", "x", 2, 3)), population("b", 2, synapses("v", "a", 2, 2))
    c = population("c", 2, synapses("long", "b", 2, 2), synapses("short", "a", 2, 2))
    assert depths(network(a, b, c)) == {"a": 1, "b": 2, "c": 3}
    assert reasons(network(a, b, c)) == [("short", "'a' lies 2 steps before 'c', whose other sources lie 1 before it")]


def test_an_input_may_reach_any_depth():
    b = population("b", 2, synapses("v", "a", 2, 2), synapses("late", "x", 2, 3))
    assert check(network(population("a", 2, synapses("w", "x", 2, 3)), b)).ok


def test_loops_over_several_populations_are_refused():
    a = population("a", 2, synapses("w", "x", 2, 3), synapses("back", "b", 2, 2, recurrent=True))
    b = population("b", 2, synapses("v", "a", 2, 2))
    assert reasons(network(a, b)) == [("back", "its loop from 'b' spans 2 connections, and each takes a step")]
    late = population("b", 2, synapses("v", "a", 2, 2), synapses("old", "a", 2, 2, recurrent=True))
    assert reasons(network(population("a", 2, synapses("w", "x", 2, 3)), late)) == [
        ("old", "'a' lies 1 steps before 'b', one more than a step's delay bridges")
    ]


def test_a_leaky_integrator_sends_no_spikes():
    a = population("a", 2, synapses("w", "x", 2, 3), vth=None)
    found = reasons(network(a, population("b", 2, synapses("v", "a", 2, 2))))
    assert found == [("v", "'a' is a leaky integrator, which sends no spikes")]


@pytest.mark.parametrize(
    ("weights", "mode"),
    [
        ([-256, 254], "mixed"),
        ([0, 0], "mixed"),
        ([0, 255], "excitatory"),
        ([-255, -1], "inhibitory"),
        ([-3, 2], None),
        ([-256, -1], None),
    ],
)
def test_sign_modes_hold_the_weights_or_refuse_them(weights, mode):
    assert sign_mode(np.array(weights, np.int32)) == mode
    first = replace(synapses("w", "x", 1, 3), operation=Dense(np.array([[*weights, 0]], np.int32)))
    found = reasons(network(population("a", 1, first)))
    assert bool(found) == (mode is None)


def test_message_bits():
    assert [message_bits(*r) for r in ((0, 1), (-127, 127), (-128, 127), (0, 255), (-129, 0), (0, 0))] == [
        0,
        8,
        8,
        9,
        9,
        1,
    ]
    assert reasons(network(population("a", 1, synapses("w", "x", 1, 3)), high=2**24))[0][0] == "x"


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 3, 2, 2), (3, 1, 1, 4)])
def test_an_unrolled_convolution_is_the_convolution(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-2, 3, (4, 4 // groups, 3)) * 2).astype(np.int32)
    op = Conv1d(weight, 0, stride, padding, dilation, groups)
    data, indices, indptr = unroll(op, (11,))
    dense = np.zeros((len(indptr) - 1, 44), np.int64)
    for row in range(len(dense)):
        dense[row, indices[indptr[row] : indptr[row + 1]]] = data[indptr[row] : indptr[row + 1]]
    x = rng.integers(-9, 9, (5, 4, 11))
    assert np.array_equal(x.reshape(5, -1) @ dense.T, integer.apply(op, x, (4, 11)).reshape(5, -1))
    assert 0 not in data


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [((1, 1), (0, 0), (1, 1), 1), ((2, 3), (3, 1), (2, 1), 2), ((1, 2), (0, 2), (1, 4), 4)],
)
def test_an_unrolled_convolution_of_two_axes_is_the_convolution(stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weight = (rng.integers(-2, 3, (4, 4 // groups, 3, 2)) * 2).astype(np.int32)
    op = Conv2d(weight, 0, stride, padding, dilation, groups)
    data, indices, indptr = unroll(op, (7, 6))
    dense = np.zeros((len(indptr) - 1, 4 * 7 * 6), np.int64)
    for row in range(len(dense)):
        np.add.at(dense[row], indices[indptr[row] : indptr[row + 1]], data[indptr[row] : indptr[row + 1]])
    x = rng.integers(-9, 9, (5, 4, 7, 6))
    assert np.array_equal(x.reshape(5, -1) @ dense.T, integer.apply(op, x, (4, 7, 6)).reshape(5, -1))
    assert 0 not in data


def test_what_only_other_targets_have_is_refused_with_a_remedy():
    """All of it at once: per-neuron fields, no reset, and a dv beyond 12 bits."""
    plain = population("a", 2, synapses("w", "x", 2, 3))
    odd = replace(plain, vth=np.array([5, 6], np.int32), dv=np.array([4096, 0], np.int32), reset="none")
    problems = get_target("loihi").check(network(odd)).problems
    assert [p.node for p in problems] == ["a", "a", "a"]
    assert [p.reason for p in problems] == [
        "du, dv or vth differ between its neurons, and Lava's LIF has one of each",
        "dv is 4096",
        "reset 'none' is not a hardware LIF of Loihi",
    ]
    assert all("'onnx'" in p.remedy for p in (problems[0], problems[2]))


def test_inputs_are_sent_when_their_population_is_due():
    late = population("b", 2, synapses("v", "a", 2, 2), synapses("late", "x", 2, 3))
    net = network(population("a", 2, synapses("w", "x", 2, 3)), late)
    x = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    plan, arrays = plan_run(net, lower(net), {"x": x}, trace=False)
    assert plan["steps"] == 2 * 3 + 2 and plan["interval"] == 2
    first, second = arrays["source/x@1"], arrays["source/x@2"]
    assert first[0].tolist() == [0, 9, 3, 12, 6, 15, 0, 0]
    assert np.array_equal(second[:, 1:], first[:, :-1]) and not second[:, 0].any()
    assert [p["offset"] for p in plan["populations"]] == [0, 1]


def test_the_named_interpreter_must_have_lava(monkeypatch):
    monkeypatch.setenv(interpreter.VARIABLE, "/nowhere/python")
    reason = get_target("loihi").unavailable()
    assert reason is not None and reason.startswith("CORTEXCORE_LAVA_PYTHON is '/nowhere/python', which is no Python")
    with pytest.raises(TargetUnavailable) as caught:
        interpreter.find_interpreter()
    assert caught.value.exit_code == 3


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


def fake_worker(tmp_path: Path, body: str) -> LavaWorker:
    script = tmp_path / "worker.py"
    script.write_text(f"import sys, time\n{body}\n")
    return LavaWorker(sys.executable, script)


def test_a_worker_that_dies_says_its_last_words(tmp_path):
    worker = fake_worker(tmp_path, "sys.stderr.write('one\\ntwo: out of memory\\n'); sys.exit(7)")
    with pytest.raises(TargetUnavailable, match=r"ended without an answer; its last lines: one \| two: out of memory"):
        worker.ask({"steps": 1}, {}, 30)
    worker.close()
    assert not worker.alive


def test_a_worker_that_hangs_is_ended(tmp_path):
    worker = fake_worker(tmp_path, "import subprocess; subprocess.Popen(['sleep', '60']); time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(TargetUnavailable, match=r"did not answer within 0\.5 s"):
        worker.ask({"steps": 1}, {}, 0.5)
    worker.close()
    assert not worker.alive and time.monotonic() - started < 30


def test_a_worker_that_fails_is_replaced(tmp_path, monkeypatch, lava):
    session.close()
    with pytest.raises(TargetUnavailable, match=r"failed \(KeyError"):
        session.ask({}, {}, 60)
    compiled = compile(chain(), "loihi")
    x = np.ones((3, 1, 3), np.int64)
    assert np.array_equal(compiled.run(x).outputs["y"], integer.run(chain(), {"x": x}).outputs["y"])


def test_the_worker_is_kept_between_runs(lava):
    compiled = compile(chain(), "loihi")
    x = np.ones((2, 1, 3), np.int64)
    compiled.run(x)
    before = session._running[0]
    compiled.run(x)
    assert session._running == [before] and before.alive
    session.close()
    assert not before.alive and not session._running


def test_messages_survive_the_pipe():
    pipe = io.BytesIO()
    write_message(pipe, {"steps": 1, "plan": {"ü": [1]}}, {"a/b": np.arange(6, dtype=np.int32).reshape(2, 3)})
    pipe.seek(0)
    header, arrays = read_message(pipe)
    assert header == {"steps": 1, "plan": {"ü": [1]}} and arrays["a/b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read_message(pipe) is None


def test_a_leaky_integrator_at_loihis_ceiling_is_an_error(lava):
    """Its v reaches 2^23 − 64, where Loihi's neuron with the highest threshold fires: never a wrong number."""
    readout = population("r", 1, synapses("w", "x", 1, 3, weight=254, exponent=1), vth=None, dv=0)
    compiled = compile(network(readout), "loihi")
    x = np.full((2, 1, 3), 40)
    assert compiled.run(x).outputs["y"].max() == 2 * 3 * 40 * 254 * 2 * 64 < 8388544
    with pytest.raises(GraphError, match="leaky integrator 'r' exceeded 8388544"):
        compiled.run(np.full((4, 1, 3), 60))


def test_a_current_beyond_one_wrap_is_an_error(lava):
    compiled = compile(network(population("a", 1, synapses("w", "x", 1, 3, weight=254, exponent=3))), "loihi")
    golden = integer.run(compiled.network, {"x": np.full((2, 1, 3), 40)})
    assert np.array_equal(compiled.run(np.full((2, 1, 3), 40), trace=True).u["a"], golden.u["a"])
    with pytest.raises(GraphError, match=r"the current into 'a' reached .* beyond the 16777216"):
        compiled.run(np.full((2, 1, 3), 127))


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_the_waiting_time_is_checked(seconds):
    with pytest.raises(GraphError, match="positive number of seconds"):
        LoihiConfig(seconds)


def test_it_runs_whole_sequences_only():
    with pytest.raises(GraphError, match="whole sequences; stream with 'onnx' or 'integer'"):
        compile(chain(), "loihi").stepper()
