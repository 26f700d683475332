"""A device with a cycle counter of its own: what it tells, and the profile that is made of it.

The emulated core has no such counter. Here a driver that steps on by 7 at each reading, from just below its overflow,
stands in for it, so that every cost is known.
"""

from __future__ import annotations

import pytest

from cortexcore.errors import DataError, GraphError
from cortexcore.firmware_sim.board import Electrodes, build_device, serve_board
from cortexcore.firmware_sim.codegen.generate import SOURCES, generate
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.toolchain import build_elf
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.protocol import Beat, Cycles, End, Info, Message, Samples
from cortexcore.runtime.stream import open_source
from cortexcore.runtime.stream.measured import measured_profile
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.device import count_device
from cortexcore.targets.cortex_m.reported import COUNTER, reported_profile

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

STEP, SECONDS = 7, 10
COUNTER_DRIVER = f"""
#include "ccx_board.h"
static uint32_t now = 0xFFFFFFFBu;
void ccx_cycles_init(void) {{}}
uint32_t ccx_cycles(void) {{ return now += {STEP}u; }}
"""


def electrodes(seconds: float) -> Electrodes:
    ecg = synthetic_ecg(seconds, seed=3)
    return Electrodes(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, speed=0.0)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The shipped model's firmware with such a counter."""
    folder, bundle = tmp_path_factory.mktemp("device"), load_bundle(SHIPPED / "bundle")
    for name, text in generate(bundle.network, bundle.front_end, CodegenOptions()).items():
        (folder / name).write_text(text)
    (folder / "counter.c").write_text(COUNTER_DRIVER)
    board, library = SOURCES / "board", [SOURCES / part for part in ("frontend", "protocol")]
    drivers = ("device.c", "main.c", "startup.c", "memory.c", "uart.c", "timer.c", "adc.c")
    sources = [*(board / name for name in drivers), *(c for part in library for c in sorted(part.glob("*.c")))]
    sources += [SOURCES / "network" / "ccx.c", *sorted(folder.glob("*.c"))]
    include = [board, *library, SOURCES / "network", folder]
    return build_elf(sources, include, board / "board.ld", folder / "device.elf").read_bytes()


@pytest.fixture(scope="module")
def heard(device: bytes) -> tuple[Message, ...]:
    """All that it says in ten seconds."""
    return count_device(device, electrodes(SECONDS)).heard


def test_the_device_tells_its_cycles_after_each_beat(heard: tuple[Message, ...]) -> None:
    beats = [i for i, message in enumerate(heard) if isinstance(message, Beat)]
    assert len(beats) > 5
    said = [heard[i + 1] for i in beats]
    for number, (i, cycles) in enumerate(zip(beats, said, strict=True), 1):
        beat = heard[i]
        assert isinstance(beat, Beat) and isinstance(cycles, Cycles) and beat.cycles == STEP
        assert (cycles.beats, cycles.decisions, cycles.worst_beat) == (number, STEP * number, STEP)
        assert (cycles.front_end, cycles.worst_sample) == (STEP * cycles.samples, STEP)
        assert cycles.samples <= SECONDS * 250
    assert {type(message) for message in heard} == {Info, Samples, Beat, Cycles, End}


def test_the_profile_of_what_it_told_is_measured(heard: tuple[Message, ...]) -> None:
    profile = reported_profile(heard, CortexMConfig(board="STM32U575"))
    last = [message for message in heard if isinstance(message, Cycles)][-1]
    clock = 160e6
    for name in ("per beat p50", "per beat worst", "per sample mean", "per sample worst"):
        figure = profile.latency[name]
        assert (figure.kind, figure.source, figure.low) == ("measured", COUNTER, None)
        assert figure.value == pytest.approx(STEP / clock, rel=1e-12)
    seconds = last.samples / 250
    rate = STEP * 250 + STEP * last.beats / seconds
    assert profile.operations["cycles per second"].value == pytest.approx(rate, rel=1e-12)
    dynamic = profile.energy["dynamic"]
    assert dynamic.kind == "modelled" and COUNTER in dynamic.source and "CoreMark" not in dynamic.source
    assert dynamic.value == pytest.approx(rate / (last.beats / seconds) * 164e-12, rel=1e-12)
    assert "battery life, STM32U575" in profile.energy
    assert not any("nRF52840" in name for name in profile.energy)


def test_a_device_on_a_serial_port_is_profiled(device: bytes, heard: tuple[Message, ...]) -> None:
    with serve_board(device, electrodes(SECONDS)) as port, open_source(port) as source:
        profile = measured_profile(source, 60.0, CortexMConfig())
    assert profile.to_json() == reported_profile(heard, CortexMConfig()).to_json()
    with serve_board(device, electrodes(30)) as port, open_source(port) as source:
        profile = measured_profile(source, 5.0, CortexMConfig())
    samples = int(profile.conditions.rpartition("; ")[2].split()[0])
    assert 0 < samples <= 5 * 250 + 25  # to the end of the block with the last sample, at the latest


def test_without_a_counter_there_is_one_sentence(heard: tuple[Message, ...]) -> None:
    silent = [message for message in heard if not isinstance(message, Cycles)]
    for messages in ([], silent, [Cycles(250, 0, 0, 1, 0, 0), *silent], [Cycles(250, 500, 2, 0, 0, 0)]):
        with pytest.raises(DataError, match=r"the device told no cycles: .* profile the bundle"):
            reported_profile(messages, CortexMConfig())


def test_another_board_is_refused() -> None:
    with pytest.raises(GraphError, match="there is no board 'arduino' in the data file; there are nRF52840, Apollo3"):
        CortexMConfig(board="arduino")


def test_the_emulated_board_tells_no_cycles() -> None:
    bundle = load_bundle(SHIPPED / "bundle")
    run = count_device(build_device(bundle.network, bundle.front_end, CodegenOptions()), electrodes(4))
    assert all(message.cycles == 0 for message in run.heard if isinstance(message, Beat))
    assert not any(isinstance(message, Cycles) for message in run.heard)
    with pytest.raises(DataError, match="stands at 0"):
        reported_profile(run.heard, CortexMConfig())
