"""The cortex-m target: what the board cannot hold, what is kept in a folder, the same bytes each time, its profile."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cortexcore.errors import BundleError, GraphError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim import toolchain
from cortexcore.firmware_sim.board import read_firmware, sizes
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.limits import limits
from cortexcore.targets.cortex_m.target import TARGET

available = pytest.mark.skipif(TARGET.unavailable() is not None, reason=str(TARGET.unavailable()))
ZERO = np.zeros((), np.int32)


def dense(inputs: int, *sizes: int, weight: int = 2) -> IntegerNetwork:
    populations, source, size = [], "x", inputs
    for i, count in enumerate(sizes):
        synapses = (Synapses(f"w{i}", source, Dense(np.full((count, size), weight, np.int32))),)
        populations.append(Population(f"p{i}", (count,), synapses, 4095, 300, 500, ZERO))
        source, size = f"p{i}", count
    return IntegerNetwork((InputPort("x", (inputs,), 0, 1),), tuple(populations), (OutputPort("y", source),), 1e-3)


def small() -> IntegerNetwork:
    rng = np.random.default_rng(2)
    synapses = (Synapses("w", "x", Dense((rng.integers(-128, 128, (4, 5)) * 2).astype(np.int32), -2)),)
    p = Population("p", (4,), synapses, 4095, 300, 500, ZERO)
    return IntegerNetwork((InputPort("x", (5,), -127, 127),), (p,), (OutputPort("y", "p"),), 1e-3)


X = np.random.default_rng(3).integers(-127, 128, (4, 2, 5))


def test_the_boards_memory_is_the_linker_scripts():
    assert (limits().flash, limits().ram, limits().stack) == (256 * 1024, 64 * 1024, 4096)


@available
def test_the_elf_has_the_memory_that_check_goes_by():
    taken = sizes(read_firmware(compile(small(), "cortex-m").artifact.elf))
    assert (taken.flash_limit, taken.ram_limit, taken.stack) == (limits().flash, limits().ram, limits().stack)


def test_too_many_weights_are_told_with_how_many_must_go():
    """700·400 and 400·10 weights of a byte are 284,000 bytes: 21,856 more than 262,144."""
    (problem,) = TARGET.check(dense(700, 400, 10)).problems
    assert problem.node == "w0"
    assert "take 284000 bytes of flash, 21856 more than the board's 262144" in problem.reason
    assert "at least 21856 of its 280000 weights" in problem.remedy and "4 bits and set pack=True" in problem.remedy


def test_too_many_neurons_are_told_with_how_many_fit():
    wide = Conv1d(np.full((64, 1, 1), 2, np.int32))
    p = Population("c", (64, 200), (Synapses("k", "x", wide),), 4095, 300, 500, ZERO)
    network = IntegerNetwork((InputPort("x", (1, 200), 0, 1),), (p,), (OutputPort("y", "c"),), 1e-3)
    (problem,) = TARGET.check(network).problems
    assert problem.node == "c" and "more than the board's 65536" in problem.reason
    assert "neurons fit, the network has 12800" in problem.remedy


def test_flash_and_ram_are_both_told():
    problems = TARGET.check(dense(400, 9000, 80)).problems
    assert len(problems) == 2 and "flash" in problems[0].reason and "RAM" in problems[1].reason


def test_packing_makes_room():
    network = dense(700, 400, 10)
    with pytest.raises(GraphError, match="21856 more than"):
        TARGET.lower(network, CortexMConfig())
    from cortexcore.targets.cortex_m.check import check

    assert check(network, CortexMConfig(pack=True).options, "cortex-m").ok


@available
def test_two_builds_are_the_same_bytes():
    a, b = (compile(small(), "cortex-m").artifact for _ in range(2))
    assert a.elf == b.elf and a.traced_elf == b.traced_elf and a.files == b.files


@available
def test_a_saved_artifact_runs_without_the_compiler(tmp_path, monkeypatch):
    network = small()
    TARGET.save(TARGET.lower(network, CortexMConfig("dense", rates={"x": 0.5})), tmp_path)
    monkeypatch.setattr(toolchain.zig, "missing_compiler", lambda: pytest.fail("the compiler was asked for"))
    loaded = TARGET.load(tmp_path)
    assert loaded.config == CortexMConfig("dense", rates={"x": 0.5})
    golden = integer.run(network, {"x": X})
    assert np.array_equal(TARGET.run(loaded, {"x": X}, trace=True).v["p"], golden.v["p"])
    assert (tmp_path / "library" / "src" / "model.c").is_file() and not (tmp_path / "device.elf").exists()


@available
@pytest.mark.parametrize("name", ["network.elf", "network-traced.elf"])
def test_firmware_that_the_index_does_not_vouch_for_is_refused(name, tmp_path):
    TARGET.save(TARGET.lower(small(), CortexMConfig()), tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        TARGET.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        TARGET.load(tmp_path)


@available
def test_an_index_of_something_else_is_refused(tmp_path):
    TARGET.save(TARGET.lower(small(), CortexMConfig()), tmp_path)
    index = json.loads((tmp_path / "cortex_m.json").read_text())
    for changed, words in (
        ({}, "is not the cortex-m target's"),
        ({**index, "config": {"kernel": "sparse"}}, "is not the cortex-m target's"),
        ({**index, "files": {}}, "is not the cortex-m target's"),
        ({**index, "network": "0" * 64}, "hold different networks"),
    ):
        (tmp_path / "cortex_m.json").write_text(json.dumps(changed))
        with pytest.raises(BundleError, match=words):
            TARGET.load(tmp_path)


def test_wrong_options_are_named():
    for changes, words in (({"clock_hz": 0}, "clock_hz is 0"), ({"rate": 2}, "rate is 2"), ({"kernel": "x"}, "kernel")):
        with pytest.raises(GraphError, match=words):
            CortexMConfig(**changes)


@available
def test_a_model_with_a_front_end_brings_its_device(tmp_path):
    network = load_bundle(SHIPPED / "bundle").network
    artifact = TARGET.lower(network, CortexMConfig())
    taken = sizes(read_firmware(artifact.device_elf))
    print(f"device: flash {taken.flash} B, RAM {taken.ram} B")
    assert taken.flash <= taken.flash_limit and taken.ram <= taken.ram_limit
    TARGET.save(artifact, tmp_path)
    assert TARGET.load(tmp_path).device_elf == artifact.device_elf
    readme = (tmp_path / "library" / "README.md").read_text()
    print(readme[readme.index("- On a Cortex-M4") :])
    assert f"takes {taken.flash} bytes of flash" in readme and " bytes of stack" in readme
    assert "ccx_push_samples" in (tmp_path / "library" / "src" / "ccx.h").read_text()


@available
def test_a_profile_counts_the_same_each_time():
    compiled = compile(small(), "cortex-m")
    profiles = [compiled.profile(X) for _ in range(2)]
    assert profiles[0].to_json() == profiles[1].to_json()
    counted = profiles[0].operations["instructions"]
    assert counted.kind == "simulated" and counted.value > 0


@available
def test_fewer_spikes_take_fewer_instructions():
    compiled = compile(dense(64, 64, 16, weight=100), "cortex-m", CortexMConfig("event"))
    rng = np.random.default_rng(4)
    some, many = ((rng.random((4, 1, 64)) < rate).astype(np.int8) for rate in (0.05, 0.9))
    counts = [compiled.profile(x).operations["instructions"].value for x in (some, many)]
    assert counts[0] < counts[1]
