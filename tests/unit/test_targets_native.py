"""The native target: any neuron, what is kept in a folder and what is never compiled, inputs that stay, odd inputs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import BundleError, DataError, GraphError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim.toolchain import missing_compiler
from cortexcore.targets.compiled import compile
from cortexcore.targets.native import target as native
from cortexcore.targets.native.config import NativeConfig
from cortexcore.targets.native.target import TARGET

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))
ZERO = np.zeros((), np.int32)


def single(port: InputPort, weight: np.ndarray, exponent: int = 0, **changes: object) -> IntegerNetwork:
    synapses = (Synapses("w", "x", Dense(weight.astype(np.int32), exponent)),)
    population = replace(Population("p", (len(weight),), synapses, 4095, 300, 500, ZERO), **changes)
    return IntegerNetwork((port,), (population,), (OutputPort("y", "p"),), 1e-3, {"classes": ["N"]})


def small() -> IntegerNetwork:
    rng = np.random.default_rng(2)
    return single(InputPort("x", (5,), -127, 127), rng.integers(-128, 128, (4, 5)) * 2, -2)


def agrees(network: IntegerNetwork, inputs: dict[str, np.ndarray]) -> None:
    golden, result = integer.run(network, inputs), compile(network, "native").run(inputs, trace=True)
    for kind in ("outputs", "spikes", "u", "v"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    du=st.sampled_from([0, 1, 7, 2048, 4094, 4095]),
    dv=st.sampled_from([0, 1, 9, 2047, 4095, 4096]),
    vth=st.sampled_from([None, 0, 1, 600, 131071]),
    reset=st.sampled_from([("zero", False), ("subtract", False), ("subtract", True), ("none", False)]),
    each=st.sets(st.sampled_from(["du", "dv", "vth"])),
    bias=st.booleans(),
    exponent=st.integers(-8, 7),
    high=st.sampled_from([1, 127, 2**15, 2**24, 2**31]),
)
def test_any_neuron_equals_the_golden_arithmetic(seed, du, dv, vth, reset, each, bias, exponent, high):
    rng = np.random.default_rng(seed)
    biases = rng.integers(-4096, 4096, (6,)).astype(np.int32) if bias else ZERO
    changes = {
        "du": du,
        "dv": dv,
        "vth": vth,
        "reset": reset[0],
        "reset_delay": reset[1],
        "bias": biases,
        "bias_exp": 7,
    }
    tops = {"du": 4095, "dv": 4096, "vth": 131071}
    changes |= {k: rng.integers(0, tops[k] + 1, 6).astype(np.int32) for k in each if changes[k] is not None}
    weight = rng.integers(-128, 128, (6, 9)) * 2
    network = single(InputPort("x", (9,), -high, high), weight, exponent, **changes)
    x = rng.integers(-high, high + 1, (7, 2, 9))
    x[rng.random(x.shape) < 0.2] = high
    x[2:5] = x[1] if seed % 2 else 0
    agrees(network, {"x": x})


def test_inputs_that_stay_are_not_lost():
    """They are computed once, in a run, and a run after another starts from rest all the same."""
    network = small()
    x = np.repeat(np.random.default_rng(3).integers(-127, 128, (1, 3, 5)), 6, axis=0)
    compiled = compile(network, "native")
    expected = integer.run(network, {"x": x}).outputs["y"]
    assert expected.any()
    for _ in range(2):
        assert np.array_equal(compiled.run(x).outputs["y"], expected)


@pytest.mark.parametrize("layout", ["transposed", "every other", "int64", "float"])
def test_inputs_in_any_layout(layout):
    network, rng = small(), np.random.default_rng(4)
    x = rng.integers(-127, 128, (4, 3, 5)).astype(np.int8)
    given_as = {
        "transposed": np.asfortranarray(x),
        "every other": np.repeat(x, 2, axis=2)[:, :, ::2],
        "int64": x.astype(np.int64),
        "float": x.astype(np.float32),
    }[layout]
    expected = integer.run(network, {"x": x}).outputs["y"]
    assert np.array_equal(compile(network, "native").run(given_as).outputs["y"], expected)


def test_more_inputs_than_16_bits_count():
    rng = np.random.default_rng(7)
    network = single(InputPort("x", (70_000,), 0, 1), rng.integers(-4, 5, (3, 70_000)) * 2, vth=2000)
    x = (rng.random((3, 2, 70_000)) < 0.01).astype(np.int8)
    x[:, :, -1] = 1
    assert compile(network, "native").artifact.plan.index_bits == 32
    agrees(network, {"x": x})


def test_an_input_out_of_range_never_reaches_the_kernels():
    compiled = compile(small(), "native")
    with pytest.raises(DataError, match=r"\[-127, 127\]"):
        compiled.run(np.full((1, 1, 5), 128))
    stepper = compiled.stepper()
    with pytest.raises(DataError, match=r"\[-127, 127\]"):
        stepper.step({"x": np.full((1, 5), 128)})


def test_what_was_saved_runs_again(tmp_path):
    network = small()
    artifact = TARGET.lower(network, NativeConfig("dense"))
    TARGET.save(artifact, tmp_path)
    loaded = TARGET.load(tmp_path)
    x = {"x": np.random.default_rng(5).integers(-127, 128, (4, 2, 5))}
    assert loaded.config == NativeConfig("dense") and loaded.sha256 == artifact.sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.c", "model.h", "network.nir"]
    assert np.array_equal(TARGET.run(loaded, x).outputs["y"], integer.run(network, x).outputs["y"])


def test_c_that_does_not_follow_from_the_network_is_never_compiled(tmp_path):
    TARGET.save(TARGET.lower(small(), NativeConfig()), tmp_path)
    with (tmp_path / "model.c").open("a") as file:
        file.write("__attribute__((constructor)) static void evil(void) { __builtin_trap(); }\n")
    with pytest.raises(BundleError, match=r"model\.c is not the C that"):
        TARGET.load(tmp_path)


@pytest.mark.parametrize("name", ["model.h", "model.c", "config.json", "network.nir"])
def test_a_missing_file_is_named(name, tmp_path):
    TARGET.save(TARGET.lower(small(), NativeConfig()), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        TARGET.load(tmp_path)


@pytest.mark.parametrize("config", ["", "[]", '{"kernel": "sparse"}', '{"core": 1}', '{"sanitize": "yes"}'])
def test_a_config_of_something_else_is_refused(config, tmp_path):
    TARGET.save(TARGET.lower(small(), NativeConfig()), tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BundleError, match=r"config\.json is not the native target's"):
        TARGET.load(tmp_path)


def test_without_the_compiler(monkeypatch):
    monkeypatch.setattr(native, "missing_compiler", lambda: TargetUnavailable("pip install 'cortexcore[firmware]'"))
    assert TARGET.unavailable() == "pip install 'cortexcore[firmware]'"
    with pytest.raises(TargetUnavailable, match="pip install"):
        compile(small(), "native")


def test_a_network_without_ends_is_refused_with_both_reasons():
    p = Population("p", (2,), (), 4095, 300, 500, np.full((2,), 9, np.int32))
    problems = TARGET.check(IntegerNetwork((), (p,), (), 1e-3)).problems
    assert [problem.node for problem in problems] == ["inputs", "outputs"]
    with pytest.raises(GraphError, match=r"'inputs'.*'outputs'"):
        compile(IntegerNetwork((), (p,), (), 1e-3), "native")


def test_a_profile_counts_the_tables():
    profile = compile(small(), "native").profile({"x": np.random.default_rng(6).integers(-127, 128, (4, 2, 5))})
    assert profile.memory["weights"].value == 20
    assert profile.latency["per inference p50"].value > 0 and profile.latency["per step p50"].kind == "measured"
    assert json.dumps(profile.to_json())
