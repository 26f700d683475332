"""What the firmware costs: real time, memory and energy of the shipped model, and the kernels against their floors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.export.network import Conv1d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim.board import Electrodes, build_device
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.protocol import Beat
from cortexcore.sources import beat_inputs, synthetic_source
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.counts import count_inferences
from cortexcore.targets.cortex_m.device import DeviceRun, count_device
from cortexcore.targets.cortex_m.kernels import KernelCost, kernel_costs
from cortexcore.targets.profile import Profile

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

BUNDLE = load_bundle(SHIPPED / "bundle")
BEATS = beat_inputs(synthetic_source(10), BUNDLE.front_end, BUNDLE.steps)
BOARDS = ("nRF52840", "Apollo3", "STM32L4R5", "STM32U575", "STM32H7A3")
ZERO = np.zeros((), np.int32)


@pytest.fixture(scope="module")
def shipped() -> Profile:
    return compile(BUNDLE.network, "cortex-m").profile(BEATS)


@pytest.fixture(scope="module")
def device() -> bytes:
    return build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions())


def played(device: bytes, seconds: float, seed: int, speed: float = 0.0) -> DeviceRun:
    ecg = synthetic_ecg(seconds, seed=seed)
    return count_device(device, Electrodes(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, speed=speed))


def kernels(kernel: str) -> tuple[float, dict[str, KernelCost]]:
    """The shipped model with one kind of kernel: instructions per inference, and every kernel by name."""
    artifact = compile(BUNDLE.network, "cortex-m", CortexMConfig(kernel)).artifact
    found = count_inferences(artifact, BEATS)
    total = sum(run.regions["ccx_network_step"].total.instructions for run in found.runs) / len(found.runs)
    rows = [row for rows in kernel_costs(artifact, BEATS, found.runs).values() for row in rows]
    return total, {row.name: row for row in rows}


def test_the_shipped_model_keeps_real_time_and_memory_on_a_64_mhz_m4(shipped: Profile) -> None:
    worst, sample = shipped.latency["per beat worst"], shipped.latency["per sample worst"]
    share = shipped.operations["CPU share, nRF52840 at 64 MHz"]
    memory = {name: shipped.memory[name].value for name in ("flash", "RAM", "stack")}
    print(f"beat {worst.value * 1e3:.2f} ms (most {worst.high}), sample {sample.value * 1e6:.0f} µs, {share.value:.2%}")
    print(memory)
    # A decision and the dearest sample fit between two samples, so that none waits, and needs no buffer.
    assert worst.high is not None and sample.high is not None and worst.high + sample.high < 1 / 250
    assert share.high is not None and share.high < 0.01
    assert memory["flash"] <= 256 * 1024 and memory["RAM"] <= 64 * 1024
    assert 0 < memory["stack"] < 4096 and "4096 B are set aside" in shipped.memory["stack"].conditions


def test_latency_is_the_boards_and_never_the_emulators(shipped: Profile) -> None:
    for name, figure in shipped.latency.items():
        assert figure.kind == "modelled" and "64 MHz" in figure.conditions, name
    operations = shipped.operations
    mean = operations["cycles, beat to decision"]
    assert shipped.latency["per sample mean"].value == pytest.approx(
        operations["cycles, front end per sample"].value / 64e6, rel=1e-9
    )
    assert shipped.latency["per beat p50"].low < mean.value / 64e6 < shipped.latency["per beat worst"].value
    network, inputs = small(False)
    slow, fast = (compile(network, "cortex-m", CortexMConfig(clock_hz=x)).profile(inputs) for x in (32e6, 64e6))
    for name, figure in fast.latency.items():
        assert slow.latency[name].value == pytest.approx(2 * figure.value, rel=1e-9)


def test_energy_on_every_board_with_its_source(shipped: Profile) -> None:
    energy = shipped.energy
    assert list(energy)[:5] == ["front end", "decision", "dynamic", "static", "total"]
    for name in BOARDS:
        per_day, life = energy[f"per day, {name}"], energy[f"battery life, {name}"]
        assert per_day.kind == life.kind == "modelled" and life.unit == "days" and "CR2032" in life.conditions
        assert all("[" in figure.source and "beats a minute" in figure.conditions for figure in (per_day, life))
        assert name == "nRF52840" or f"per beat, {name}" in energy
    cycles, beats = shipped.operations["cycles per second"], shipped.latency["per beat p50"].conditions
    rate = float(energy["dynamic"].conditions.split(" beats a minute")[0].split(", ")[-1]) / 60
    assert energy["dynamic"].value == pytest.approx(cycles.value / rate * 156e-12, rel=0.01)  # a rounded heart rate
    assert "synthetic" in beats
    # 628 pJ a cycle at 120 MHz and 3.3 V.
    assert "awake it takes up to 23 mA, the cell gives 15" in energy["battery life, STM32L4R5"].conditions


def test_a_network_without_a_front_end_is_priced_per_inference() -> None:
    synapses = (Synapses("w", "x", Dense(np.full((3, 4), 40, np.int32))),)
    p = Population("p", (3,), synapses, 4095, 300, 500, ZERO)
    network = IntegerNetwork((InputPort("x", (4,), 0, 1),), (p,), (OutputPort("y", "p"),), 1e-3)
    profile = compile(network, "cortex-m").profile({"x": np.ones((2, 3, 4), np.int8)})
    cycles = profile.operations["cycles"]
    assert profile.energy["dynamic"].value == pytest.approx(cycles.value * 156e-12)
    assert set(profile.energy) == {"dynamic", *(f"per inference, {name}" for name in BOARDS[1:])}
    assert "no front end" in profile.notes[0] and "no heart rate" in profile.notes[0]
    assert "per beat p50" not in profile.latency and "flash, network alone" not in profile.memory
    told = replace(network, metadata={"front_end": BUNDLE.network.metadata["front_end"]})
    (reason, *_) = compile(told, "cortex-m").profile({"x": np.ones((2, 1, 4), np.int8)}).notes
    assert "no firmware from ADC counts: its inputs are" in reason


def test_counts_are_the_same_over_runs(device: bytes) -> None:
    one, two = (played(device, 6, seed=9) for _ in range(2))
    assert (one.samples, one.decisions, one.network, one.whole) == (two.samples, two.decisions, two.network, two.whole)
    assert (one.stack, one.sizes, len(one.heard)) == (two.stack, two.sizes, len(two.heard))
    assert len(one.samples) == 6 * 250 and len(one.decisions) == sum(isinstance(m, Beat) for m in one.heard) > 2
    assert min(cost.instructions for cost in one.decisions) > one.network.instructions / len(one.decisions) / 2
    assert one.no_decision.instructions > 0
    assert one.network.instructions < sum(cost.instructions for cost in one.decisions) < one.whole.instructions


def test_a_signal_that_cannot_be_counted_is_told(device: bytes) -> None:
    with pytest.raises(DataError, match="played at speed 0, as fast as it is read, not 1"):
        played(device, 4, seed=9, speed=1.0)
    flat = Electrodes(np.zeros(1000, np.int16), 250, 200.0, "MLII", "a flat line", speed=0.0)
    with pytest.raises(DataError, match="no beat in a flat line: give a longer signal"):
        count_device(device, flat)


def test_no_kernel_beats_its_floor_and_event_driven_ones_win_threefold() -> None:
    """At the model's own spike rate on ten seconds of ECG, and for the connections between spiking layers alone."""
    (event, sparse), (dense, full) = kernels("event"), kernels("dense")
    auto, chosen = kernels("auto")
    print(f"instructions per beat: auto {auto:.0f}, event-driven {event:.0f}, dense {dense:.0f}")
    for rows in (sparse, full, chosen):
        for row in rows.values():
            assert row.each is not None and row.each > row.floor.instructions, row
    assert dense > 3 * auto and auto <= event
    spiking = ("conv2", "dense_window", "readout")
    ratio = sum(full[name].instructions for name in spiking) / sum(sparse[name].instructions for name in spiking)
    assert ratio > 10
    assert {row.kernel for name, row in sparse.items() if name in spiking} == {"event-driven"}


def test_kernels_are_told_per_operation_beside_the_least(shipped: Profile) -> None:
    lif2 = shipped.layers["lif2"]
    products, neurons = lif2["instructions, products of 'conv2', event-driven"], lif2["instructions, neurons"]
    assert products.value + neurons.value == pytest.approx(lif2["instructions"].value)
    assert lif2["each, neurons"].value == pytest.approx(neurons.value / (208 * BUNDLE.steps))
    # For 4 weights LDR, 2 SXTAB16, and 2 LDR and 2 STR of sums. LDR of sum, v and bias, 2 ADD, ASR, SMLAL, CMP, a
    # branch, STR; the clip of lif1 one more.
    assert lif2["each at least, products of 'conv2', event-driven"].value == 3 / 4
    assert lif2["each at least, neurons"].value == 10
    assert shipped.layers["lif1"]["each at least, neurons"].value == 11
    assert shipped.layers["lif3"]["each at least, products of 'dense_window', event-driven"].value == 3 / 4
    whole = shipped.operations["instructions"].value
    parts = sum(layer["instructions"].value for layer in shipped.layers.values())
    assert 0.98 * whole < parts < whole


def small(steps_differ: bool) -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """Spikes of 6 sources to 4 neurons by a dense connection, and of 2 x 5 to 3 x 3 by a kernel of 3."""
    wide, line = np.full((4, 6), 40, np.int32), np.full((3, 2, 3), 40, np.int32)
    p = Population("p", (4,), (Synapses("w", "x", Dense(wide)),), 4095, 300, 500, ZERO)
    q = Population("q", (3, 3), (Synapses("k", "z", Conv1d(line)),), 4095, 300, 500, ZERO)
    ports = (InputPort("x", (6,), 0, 1), InputPort("z", (2, 5), 0, 1))
    x, z = np.zeros((2, 1, 6), np.int8), np.zeros((2, 1, 2, 5), np.int8)
    x[0, 0, :2] = 1
    x[1, 0, : 3 if steps_differ else 2] = 1
    z[:, 0, 0, 2] = z[:, 0, 1, 0] = 1
    return IntegerNetwork(ports, (p, q), (OutputPort("y", "p"), OutputPort("o", "q")), 1e-3), {"x": x, "z": z}


@pytest.mark.parametrize(("differ", "dense", "conv"), [(False, 2 * 4, 3 * 3 + 3), (True, 5 * 4, 2 * (3 * 3 + 3))])
def test_operations_are_counted_by_hand(differ: bool, dense: int, conv: int) -> None:
    """Inputs that stay are computed once. A spike in the middle of a line meets 3 taps of 3 channels, at its edge 1."""
    network, inputs = small(differ)
    for kernel, operations in (("event", (dense, conv)), ("dense", ((24, 54), (48, 108))[differ])):
        artifact = compile(network, "cortex-m", CortexMConfig(kernel)).artifact
        runs = count_inferences(artifact, inputs).runs
        costs = kernel_costs(artifact, inputs, runs)
        assert (costs["p"][0].operations, costs["q"][0].operations) == operations
        assert (costs["p"][1].operations, costs["q"][1].operations) == (2 * 4, 2 * 9)
        assert [row.kernel for row in costs["p"]] == ["event-driven" if kernel == "event" else "dense", "neurons"]
