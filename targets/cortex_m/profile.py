"""What an inference costs on the emulated core: instructions counted exactly, cycles by a model of the Cortex-M4."""

from __future__ import annotations

import numpy as np

from cortexcore.export.integer import check_inputs
from cortexcore.firmware_sim.board import Cost, Counts, counting, read_firmware, sizes
from cortexcore.firmware_sim.toolchain import compiler_version
from cortexcore.targets.base import Arrays
from cortexcore.targets.cortex_m.artifact import Core, CortexMArtifact
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.footprint import integer_footprint
from cortexcore.targets.energy.operations import operation_figures
from cortexcore.targets.native.artifact import packed
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import counted, layer_figures

MOST = 32
"""Inferences that are counted, the first of the batch: counting slows the emulator down some twenty times."""
COUNTED = "every basic block on the emulated core (unicorn)"
MODEL = "Arm Cortex-M4 Technical Reference Manual (DDI 0439), tables 3-1 and 7-1; zero wait states"
STEP = "ccx_network_step"
ENERGY = "Energy is missing: this target does not price cycles on a board."


def profile(artifact: CortexMArtifact, inputs: Arrays) -> Profile:
    """Instructions, cycles and latency per inference and per layer, and the memory of the firmware.

    Raises:
        DataError: an input does not fit.
        TargetUnavailable: the emulator or the disassembler is not installed.
    """
    layers = counted(artifact.network, inputs)
    runs = count_inferences(artifact, inputs)
    steps = len(next(iter(inputs.values())))
    said = f"{len(runs)} inferences of {steps} steps, one at a time, {compiler_version()}"
    costs = [run.regions[STEP].total for run in runs]
    per_layer = {name: dict(figures) for name, figures in layer_figures(layers).items()}
    for layer in artifact.plan.layers:
        parts = [run.regions[f"layer_{layer.ident}"].total for run in runs]
        per_layer[layer.population.name] |= _cost_figures(parts, said)
    taken = sizes(read_firmware(artifact.elf))
    clock = artifact.config.clock_hz
    verdict = break_even(layers)
    return Profile(
        target="cortex-m",
        conditions=f"emulated Cortex-M4 at {clock / 1e6:g} MHz; {said}",
        latency=_latency("per inference", costs, clock, said)
        | _latency("per step", [run.regions[STEP].largest for run in runs], clock, f"the dearest step, {said}"),
        operations={**operation_figures(layers), **_cost_figures(costs, said)},
        memory={
            "flash": Figure(taken.flash, "B", "measured", "the ELF's sections", "network and its harness"),
            "RAM": Figure(
                taken.ram, "B", "measured", "the ELF's sections", f"{taken.stack} B of it set aside as stack"
            ),
            "footprint": integer_footprint(artifact.network),
        },
        layers=per_layer,
        break_even=verdict.figures,
        verdict=verdict.verdict,
        notes=(ENERGY,),
    )


def count_inferences(artifact: CortexMArtifact, inputs: Arrays) -> list[Counts]:
    """Counts of each of the first inferences, region by region: ``ccx_network_step`` and ``layer_<population>``."""
    core = Core(artifact, traced=False)
    sent = packed(artifact.plan, check_inputs(artifact.network, inputs), core.input)[:, :MOST]
    regions = [STEP, *(f"layer_{layer.ident}" for layer in artifact.plan.layers)]
    found = []
    for b in range(sent.shape[1]):
        core.reset()
        with counting(core.board, regions) as counts:
            for t, record in enumerate(sent[:, b]):
                core.step(None if t and record.tobytes() == sent[t - 1, b].tobytes() else record)
        found.append(counts)
    return found


def _latency(label: str, costs: list[Cost], clock_hz: float, said: str) -> dict[str, Figure]:
    """Percentiles of the modelled time, each between the model's least and most cycles."""
    low, high = (np.array([cost.cycles[i] for cost in costs]) / clock_hz for i in (0, 1))
    return {
        f"{label} p{q}": Figure(
            float(np.percentile((low + high) / 2, q)),
            "s",
            "modelled",
            MODEL,
            f"at {clock_hz / 1e6:g} MHz, {said}",
            float(np.percentile(low, q)),
            float(np.percentile(high, q)),
        )
        for q in (50, 90, 99)
    }


def _cost_figures(costs: list[Cost], said: str) -> dict[str, Figure]:
    """Mean instructions and cycles of an inference."""
    instructions = [cost.instructions for cost in costs]
    low, high = (float(np.mean([cost.cycles[i] for cost in costs])) for i in (0, 1))
    mean, least, most = float(np.mean(instructions)), float(min(instructions)), float(max(instructions))
    return {
        "instructions": Figure(mean, "1", "simulated", COUNTED, said, least, most),
        "cycles": Figure((low + high) / 2, "1", "modelled", MODEL, said, low, high),
    }
