"""Profiles: what is measured and how often, the ANN beside the network, memory by hand, what is refused before work."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from cortexcore.cli import networks
from cortexcore.errors import CortexCoreError, DataError, TargetUnavailable, missing_package
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nodes import IF, Affine, Delay, Input, Linear, Output
from cortexcore.targets import profiling
from cortexcore.targets.ann.beside import COST_ALONE, beside
from cortexcore.targets.ann.runtimes import RUNTIMES, Runtime
from cortexcore.targets.compiled import compile
from cortexcore.targets.energy import latency
from cortexcore.targets.energy.footprint import float_footprint, integer_footprint
from cortexcore.targets.energy.latency import Measurement, latency_figures, measure, measure_by_turns, rapl_note
from cortexcore.targets.profile import Profile
from cortexcore.targets.profiling import counted, require_profilable
from cortexcore.targets.registry import get_target

ZERO = np.zeros((), np.int32)


def weights(*shape: int) -> np.ndarray:
    return (2 * np.random.default_rng(list(shape)).integers(-60, 61, shape)).astype(np.int32)


def network(loop: bool = False) -> IntegerNetwork:
    synapses = [Synapses("w", "x", Dense(weights(9, 6)))]
    synapses += [Synapses("l", "a", Dense(weights(9, 9)), recurrent=True)] if loop else []
    a = Population("a", (9,), tuple(synapses), 4095, 400, 90, ZERO)
    r = Population("r", (3,), (Synapses("o", "a", Dense(weights(3, 9))),), 100, 300, None, np.ones(3, np.int32))
    return IntegerNetwork((InputPort("x", (6,), -20, 20),), (a, r), (OutputPort("y", "r"),), 1e-3)


X = {"x": np.random.default_rng(1).integers(-20, 21, (5, 4, 6))}


class Clock:
    """Seconds that pass by a fixed amount whenever they are asked for."""

    def __init__(self, step_s: float) -> None:
        self._ticks = itertools.count()
        self._step_s = step_s

    def __call__(self) -> float:
        return next(self._ticks) * self._step_s


@pytest.mark.parametrize(("step_s", "runs"), [(1e-9, 1000), (1e-3, 168), (1e-2, 100), (0.05, 34), (1.0, 20)])
def test_as_many_runs_as_a_p99_needs_within_reason(monkeypatch: pytest.MonkeyPatch, step_s: float, runs: int) -> None:
    """A run asks the clock three times. 1000 are enough; 0.5 s is used up, 5 s only for the sake of 100, and 20 come
    first."""
    monkeypatch.setattr(latency.time, "perf_counter", Clock(step_s))
    assert len(measure(lambda: None).seconds) == pytest.approx(runs, abs=1)


def test_calls_take_turns() -> None:
    calls: list[str] = []
    found = measure_by_turns([lambda: calls.append("snn"), lambda: calls.append("ann")], budget_s=0.0)
    assert calls == ["snn", "ann"] * 25 and [len(m.seconds) for m in found] == [20, 20]
    assert all(m.joules is None for m in found)


def test_too_few_runs_for_a_p99_are_said() -> None:
    few, many = (latency_figures("x", Measurement(np.ones(n), None), "here") for n in (99, 100))
    assert "99 runs" in few["x p99"].conditions and "too few to tell p99 from the slowest" in few["x p99"].conditions
    assert "too few" not in many["x p99"].conditions + few["x p50"].conditions


def test_percentiles_of_known_times() -> None:
    found = latency_figures("x", Measurement(np.arange(101.0), None), "here")
    assert [found[f"x {p}"].value for p in ("p50", "p90", "p99")] == pytest.approx([50, 90, 99])
    assert (found["x p50"].low, found["x p50"].high) == (0, 100)


def test_latency_is_of_the_first_inference_alone() -> None:
    assert profiling.first_inference(X)["x"].shape == (5, 1, 6) and profiling.first_step(X)["x"].shape == (1, 6)
    assert np.array_equal(profiling.first_inference(X)["x"][:, 0], X["x"][:, 0])
    assert np.array_equal(profiling.first_step(X)["x"][0], X["x"][0, 0])


def test_a_hosts_arithmetic_by_hand() -> None:
    """9·6 + 3·9 products and 9 + 2·3 states in each of 5 steps; Horowitz's picojoules."""
    profile = compile(network(), "integer").profile(X)
    macs, updates = 5 * (54 + 27) * (3.7e-12 + 0.9e-12), 5 * (9 + 6) * (3.1e-12 + 3 * 0.1e-12)
    assert profile.energy["arithmetic of synapses"].value == pytest.approx(macs)
    assert profile.energy["arithmetic of neurons"].value == pytest.approx(updates)
    assert profile.energy["dynamic"].value == pytest.approx(macs + updates)
    assert all("checks of its inputs included" in figure.conditions for figure in profile.latency.values())


def powercap(folder: Path, joules: float = 1.0) -> Path:
    for i, name in enumerate(("package-0", "psys")):
        (folder / f"intel-rapl:{i}").mkdir()
        (folder / f"intel-rapl:{i}" / "name").write_text(f"{name}\n")
        (folder / f"intel-rapl:{i}" / "energy_uj").write_text(f"{joules * 1e6:.0f}\n")
    return folder


def test_the_platform_that_holds_the_packages_is_not_counted_beside_them(tmp_path: Path) -> None:
    assert latency.read_rapl_j(powercap(tmp_path, 3.0)) == pytest.approx(3.0)
    (tmp_path / "intel-rapl:0" / "name").write_text("psys\n")
    assert latency.read_rapl_j(tmp_path) is None


def test_why_no_energy_is_measured_is_said(tmp_path: Path) -> None:
    assert "is not there" in rapl_note(tmp_path)
    assert rapl_note(powercap(tmp_path)) == ""
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert "cannot be read by this user" in rapl_note(tmp_path)


def test_energy_is_measured_where_rapl_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each call costs 2 J: 40 J and 10 J for the warm-ups, over 25 calls."""
    folder = powercap(tmp_path)
    for module in (latency, profiling):
        monkeypatch.setattr(module, "POWERCAP", folder)
    spent = itertools.count(1)

    def call() -> None:
        (folder / "intel-rapl:0" / "energy_uj").write_text(f"{2_000_000 * next(spent)}")

    (folder / "intel-rapl:0" / "energy_uj").write_text("0")
    assert measure(call, budget_s=0.0).joules == pytest.approx(2.0)
    profile = compile(network(), "integer").profile(X)
    assert profile.energy["total"].kind == "measured" and not any("RAPL" in note for note in profile.notes)


def test_without_rapl_energy_is_modelled_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (latency, profiling):
        monkeypatch.setattr(module, "POWERCAP", tmp_path)
    profile = compile(network(), "integer").profile(X)
    assert {figure.kind for figure in profile.energy.values()} == {"modelled"}
    assert profile.notes[0].startswith("Energy is modelled, not measured")


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_the_ann_runs_beside_the_network(target: str) -> None:
    if why := get_target(target).unavailable():
        pytest.skip(why)
    profile = compile(network(), target).profile(X)
    beside = {name: figure.value for name, figure in profile.equivalent.items()}
    ours = profile.latency["per inference p50"].value
    assert beside["SNN / ANN latency p50"] == pytest.approx(ours / beside["ANN per inference p50"])
    assert profile.equivalent["SNN / ANN latency p50"].kind == "measured"
    assert "by turns" in profile.equivalent["SNN / ANN latency p50"].conditions
    assert any("its decisions are not" in note for note in profile.notes)


def test_ratios_are_those_of_the_figures() -> None:
    """54 + 27 MACs in one pass; bytes: 81 weights, 12 biases of 4, and 6 + 9 or 9 + 3 values alive."""
    profile = compile(network(), "integer").profile(X)
    ratio = {name: figure.value for name, figure in profile.equivalent.items()}
    assert ratio["ANN MACs"] == 81 and ratio["ANN footprint"] == 81 + 4 * 12 + 15
    assert "ANN per inference p50" not in ratio
    synops = profile.operations["synaptic operations"].value
    assert ratio["SNN / ANN operations"] == synops / 81
    assert ratio["SNN / ANN effective operations"] == synops / ratio["ANN effective MACs"]
    assert ratio["SNN / ANN footprint"] == profile.memory["footprint"].value / ratio["ANN footprint"]
    priced = profile.break_even
    assert ratio["ANN energy"] == pytest.approx(priced["ANN, int8, same connections"].value, rel=1e-12)
    assert ratio["SNN / ANN energy"] == pytest.approx(priced["SNN"].value / ratio["ANN energy"], rel=1e-12)


def test_a_recurrent_connection_costs_the_ann_nothing() -> None:
    plain, looped = (compile(network(loop), "integer").profile(X) for loop in (False, True))
    assert plain.equivalent["ANN energy"].value == pytest.approx(looped.equivalent["ANN energy"].value, rel=1e-12)
    assert "1 of 2 connections into 'a' have no place in one pass" in looped.notes


def test_a_missing_package_leaves_the_latency_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(ann: object, threads: int) -> object:
        raise missing_package("onnx", "export", "writing the equivalent ANN as ONNX")

    monkeypatch.setitem(RUNTIMES, "onnx", Runtime(make, ""))
    found = beside(network(), counted(network(), X), X, "onnx")
    assert found.once is None and found.figures["ANN MACs"].value == 81
    assert found.notes[-1].startswith("The ANN's latency is missing") and "cortexcore[export]" in found.notes[-1]
    assert found.notes[0] == COST_ALONE


def test_a_network_without_an_ann_is_profiled_without() -> None:
    loop = (Synapses("l", "a", Dense(weights(3, 3)), recurrent=True),)
    a = Population("a", (3,), loop, 4095, 0, 8, np.full(3, 4000, np.int32))
    net = IntegerNetwork((InputPort("x", (2,), 0, 1),), (a,), (OutputPort("y", "a"),), 1e-3)
    profile = compile(net, "integer").profile({"x": np.zeros((3, 1, 2), int)})
    assert profile.equivalent == {} and any("no equivalent ANN" in note for note in profile.notes)


def test_footprints_by_hand() -> None:
    """8-bit weights 54 + 27; a: bias, du, dv once and vth, 2·3 + 4 bytes, 9 states of 4; r: 3 biases, du, dv, and 3
    neurons with v and u. With 4 bits declared the first 54 weights take 27 bytes, with 3 bits 20.25, which is 21."""
    assert integer_footprint(network()).value == 54 + 27 + (6 + 4 + 36) + (6 + 4 + 24)
    bits = {"quantization": {"populations": {"a": {"layers": {"w": {"bits": 4}}}}}}
    assert integer_footprint(replace(network(), metadata=bits)).value == 27 + 27 + 46 + 34
    bits["quantization"]["populations"]["a"]["layers"]["w"]["bits"] = 3
    assert integer_footprint(replace(network(), metadata=bits)).value == 21 + 27 + 46 + 34
    one = np.ones(())
    nodes = {
        "x": Input((3,)),
        "w": Linear(np.ones((4, 3))),
        "n": IF((4,), one, one, "zero"),
        "b": Affine(np.ones((2, 4)), np.array([1.0, 0.0])),
        "z": Affine(np.ones((2, 2)), np.zeros(2)),
        "m": IF((2,), one, one, "zero"),
        "y": Output((2,)),
    }
    graph = Graph(nodes, tuple(itertools.pairwise(nodes)), 1e-3, "euler")
    assert float_footprint(graph).value == 4 * (12 + 8 + 2 + 4)


def test_float_operations_arrive_when_their_delays_say() -> None:
    """Three inputs of 2 for four steps; 5 of 6 weights are not 0; one step of delay leaves three steps of MACs. The
    neurons fire in every step that they are driven in; the loop brings their spikes back one step later, 3 weights."""
    one = np.ones(())
    nodes = {
        "x": Input((3,)),
        "late": Delay(np.full(3, 1e-3)),
        "w": Linear(np.array([[1.0, 1, 0], [1, 1, 1]])),
        "n": IF((2,), 1e3 * one, one, "zero"),
        "back": Linear(np.array([[1.0, 0], [1, 1]])),
        "y": Output((2,)),
    }
    edges = (("x", "late"), ("late", "w"), ("w", "n"), ("n", "y"), ("n", "back"), ("back", "n"))
    profile = compile(Graph(nodes, edges, 1e-3, "euler"), "reference").profile(np.full((4, 2, 3), 2.0))
    found = {name: figure.value for name, figure in profile.operations.items()}
    assert found["spikes"] == 3 * 2
    assert (found["effective MACs"], found["effective ACs"]) == (3 * 5, 2 * 3)
    assert found["synaptic operations"] == 21


def test_a_graph_without_a_normal_form_says_that_it_is_not_counted() -> None:
    nodes = {"x": Input((2,)), "w": Linear(np.ones((2, 2))), "y": Output((2,))}
    graph = Graph(nodes, tuple(itertools.pairwise(nodes)), 1e-3, "euler")
    profile = compile(graph, "reference").profile(np.ones((3, 1, 2)))
    assert "effective MACs" not in profile.operations and profile.operations["dense MACs"].value == 12
    assert any(note.startswith("Effective operations are not counted: ") for note in profile.notes)


@pytest.mark.parametrize("shape", [(0, 1, 6), (3, 0, 6), (6,), (3, 6)])
@pytest.mark.parametrize("target", ["integer", "onnx", "tflite", "loihi"])
def test_empty_or_flat_inputs_are_named(target: str, shape: tuple[int, ...]) -> None:
    if target != "loihi" and (why := get_target(target).unavailable()):
        pytest.skip(why)
    with pytest.raises(DataError, match="input 'x'"):
        compile(network(), target).profile({"x": np.zeros(shape, int)})


def test_json_holds_every_attribute() -> None:
    profile = compile(network(), "integer").profile(X)
    assert set(profile.to_json()) == {f.name for f in fields(Profile)}
    assert profile.to_json()["equivalent"]["SNN / ANN energy"]["unit"] == "×"
    assert profile.to_json()["notes"] == profile.notes


def test_what_cannot_be_profiled_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The network does not exist: had it been opened, that would have been said."""
    for name in ("integer", "onnx", "loihi"):
        monkeypatch.setattr(
            get_target(name), "unavailable", lambda name=name: f"{name} is not installed", raising=False
        )
    with pytest.raises(
        TargetUnavailable, match=r"target 'integer': integer is not.*target 'onnx': onnx is not"
    ) as error:
        networks.profile(tmp_path / "none.nir", ["reference", "loihi", "integer", "onnx"])
    assert error.value.exit_code == 3 and "'loihi'" not in str(error.value)
    with pytest.raises(CortexCoreError, match="there is no target 'abacus'"):
        networks.profile(tmp_path / "none.nir", ["reference", "abacus"])
    require_profilable(["reference", "loihi"])
