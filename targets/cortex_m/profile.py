"""What the firmware costs on the emulated core: instructions counted exactly, cycles by a model, energy by boards.

The network is counted inference by inference on the profile's inputs. A network that brings a front end is then part
of a whole firmware, and that is counted too: on a minute of synthetic ECG, from ADC counts to decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from cortexcore.firmware_sim.board import Cost, Electrodes, Sizes, read_firmware, sizes
from cortexcore.firmware_sim.codegen.generate import front_end_problems
from cortexcore.firmware_sim.toolchain import compiler_version
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.targets.base import Arrays
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.cost_figures import (
    MODEL,
    cost_figures,
    latency_figures,
    mean_cycles,
)
from cortexcore.targets.cortex_m.counts import STEP, Counted, count_inferences
from cortexcore.targets.cortex_m.device import DeviceRun, run_device
from cortexcore.targets.cortex_m.layers import with_kernels
from cortexcore.targets.cortex_m.work import Parts, Work, network_parts, parts
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.energy.boards import grades
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.footprint import integer_footprint
from cortexcore.targets.energy.operations import operation_figures
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import counted, layer_figures

SIGNAL_S, SEED = 60.0, 1
ELF = "the ELF's sections"
PAINTED = "the painted stack of the emulated board"
VALIDATION = (
    "Cycles are modelled for memory without wait states. In a trial outside this repository the rule's least came "
    "within 3.4 % (−0.7 % on average) and its most within 8.4 % (+2.3 %) of 16 published measurements of an STM32F407."
)

WORST = "Worst beats and samples are the worst of this signal; they are no proven bounds."


def profile(artifact: CortexMArtifact, inputs: Arrays) -> Profile:
    """Instructions, cycles, latency and energy per inference, per layer and per kernel, and memory.

    With a front end also per sample and per beat of the whole firmware, per day, and the life of a cell.

    Raises:
        DataError: an input does not fit.
        GraphError: network and front end together do not fit into the board's memory.
        TargetUnavailable: compiler, emulator or disassembler are not installed.
    """
    layers = counted(artifact.network, inputs)
    found = count_inferences(artifact, inputs)
    device, notes = _device(artifact)
    config = artifact.config
    board = config.clocked_board
    said = f"{len(found.runs)} inferences of {len(next(iter(inputs.values())))} steps, {compiler_version()}"
    costs = [run.regions[STEP].total for run in found.runs]
    dearest = [run.regions[STEP].largest for run in found.runs]
    more = network_parts(mean_cycles(costs), said, config) if device is None else _device_parts(config, device)
    verdict = break_even(layers)
    return Profile(
        target="cortex-m",
        conditions=f"emulated Cortex-M4; seconds are those of {board.name} at {board.clock_hz / 1e6:g} MHz; {said}",
        latency={
            **latency_figures("per inference", _cycles(costs), board, said),
            **latency_figures("per step", _cycles(dearest), board, f"the dearest step, {said}"),
            **more.latency,
        },
        operations={**operation_figures(layers), **cost_figures(costs, said), **more.operations},
        memory={**_memory(artifact, found, device), "footprint": integer_footprint(artifact.network)},
        energy=more.energy,
        layers=with_kernels(layer_figures(layers), artifact, inputs, found, said),
        break_even=verdict.figures,
        verdict=verdict.verdict,
        notes=(*notes, *more.notes, VALIDATION, _grades()),
    )


def _grades() -> str:
    said = "; ".join(f"{grade}: {meaning}" for grade, meaning in grades().items())
    return f"Letters in brackets after the sources of boards and cells tell how these were read: {said}."


def _device(artifact: CortexMArtifact) -> tuple[DeviceRun | None, tuple[str, ...]]:
    """The whole firmware's run, or the reason why there is none."""
    told = artifact.network.metadata.get("front_end")
    if not told:
        return None, ("The network has no front end: there is no firmware from ADC counts, and no heart rate.",)
    front_end = FrontEndConfig.from_json(told)
    if problems := front_end_problems(artifact.network, front_end):
        return None, (f"There is no firmware from ADC counts: {'; '.join(problems)}.",)
    ecg = synthetic_ecg(SIGNAL_S, seed=SEED)
    electrodes = Electrodes(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name, speed=0.0)
    return run_device(artifact.network, front_end, artifact.config.options, electrodes), ()


def _device_parts(config: CortexMConfig, device: DeviceRun) -> Parts:
    said = f"{device.name}, {device.seconds:g} s, {compiler_version()}"
    found = parts(counted_work(device, said), config)
    whole = Band.between(*device.whole.cycles) / device.seconds
    operations = {
        **cost_figures(device.samples, said, "front end per sample"),
        **cost_figures(device.decisions, said, "beat to decision"),
        **found.operations,
        **cost_figures([device.no_decision], said, "dearest call without a beat, at the signal's end"),
        "cycles per second, protocol included": whole.figure("cycles/s", "modelled", MODEL, said),
    }
    return Parts(found.latency, operations, found.energy, (*found.notes, WORST))


def counted_work(device: DeviceRun, said: str) -> Work:
    """The cycles of a run on the emulated board; ``said`` tells which."""
    worst = max(device.samples, key=lambda cost: cost.cycles)
    return Work(
        sample=mean_cycles(device.samples),
        worst_sample=Band.between(*worst.cycles),
        decisions=tuple(_cycles(device.decisions)),
        beats_hz=device.beats_hz,
        kind="modelled",
        source=MODEL,
        said=said,
    )


def _cycles(costs: Sequence[Cost]) -> list[Band]:
    return [Band.between(*cost.cycles) for cost in costs]


def _memory(artifact: CortexMArtifact, found: Counted, device: DeviceRun | None) -> dict[str, Figure]:
    alone = sizes(read_firmware(artifact.elf))
    taken, stack, what = (
        (alone, found.stack, "network and its harness")
        if device is None
        else (device.sizes, device.stack, "the whole firmware: model, front end, protocol, drivers")
    )
    figures = _sizes(taken, what) | {
        "stack": Figure(stack, "B", "simulated", PAINTED, f"at its deepest, {what}; {taken.stack} B are set aside")
    }
    if device is not None:
        figures["flash, network alone"] = Figure(alone.flash, "B", "measured", ELF, "network and its harness")
    return figures


def _sizes(taken: Sizes, what: str) -> dict[str, Figure]:
    return {
        "flash": Figure(taken.flash, "B", "measured", ELF, f"{what}; of {taken.flash_limit} B"),
        "RAM": Figure(taken.ram, "B", "measured", ELF, f"{what}, stack included; of {taken.ram_limit} B"),
    }
