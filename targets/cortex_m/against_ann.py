"""A spiking network and an int8 ANN on the same board, from the same compiler, on the same inputs: side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cortexcore.errors import DataError
from cortexcore.firmware_sim.board import read_firmware, sizes
from cortexcore.firmware_sim.codegen.ann import Int8Ann
from cortexcore.firmware_sim.codegen.ann_source import layer_functions
from cortexcore.firmware_sim.toolchain import compiler_version
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.cortex_m.against_ann_core import build_ann, count_passes
from cortexcore.targets.cortex_m.against_ann_meeting import (
    RATE,
    NetworkParts,
    meeting_figures,
    network_parts,
    verdict,
)
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.cost_figures import COUNTED, MODEL, cost_figures, mean_cycles
from cortexcore.targets.cortex_m.counts import STEP, Counted, count_inferences, layer_region
from cortexcore.targets.energy.battery import inference_energy
from cortexcore.targets.energy.boards import boards
from cortexcore.targets.energy.operations import COUNTED as TRACED
from cortexcore.targets.energy.operations import LayerOperations
from cortexcore.targets.profile import Figure
from cortexcore.targets.profiling import counted

ELF = "the ELF's sections"
PAINTED = "the painted stack of the emulated board"


@dataclass(frozen=True)
class AgainstAnn:
    """The comparison, per inference.

    Attributes:
        snn, ann: figures of each; those that both have bear the same names.
        ratios: SNN / ANN, of what both have.
        meeting: what the network's instructions are made of, and where they would equal the ANN's.
        verdict: who takes less, and where they would meet, in words.
        parts: the network's instructions, to solve for other rates.
    """

    snn: Mapping[str, Figure]
    ann: Mapping[str, Figure]
    ratios: Mapping[str, Figure]
    meeting: Mapping[str, Figure]
    verdict: str
    parts: NetworkParts

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)


def against_ann(artifact: CortexMArtifact, ann: Int8Ann, inputs: Arrays) -> AgainstAnn:
    """Count both on the same inputs.

    Args:
        artifact: the network's.
        ann: reads ports of the same names and shapes.
        inputs: [T, B, *shape], held over the steps, since the ANN makes one pass; the first of the batch are counted.

    Raises:
        DataError: an input does not fit, or changes from step to step.
        TargetUnavailable: compiler, emulator or disassembler are not installed.
    """
    once = held_inputs(inputs)
    ours = count_inferences(artifact, inputs)
    elf = build_ann(ann)
    theirs = count_passes(ann, elf, once)
    layers = counted(artifact.network, {name: np.asarray(x)[:, : len(ours.runs)] for name, x in inputs.items()})
    parts = network_parts(artifact, layers, ours)
    said = f"{len(ours.runs)} inferences, {compiler_version()}"
    own = {layer.population.name: layer_region(layer) for layer in artifact.plan.layers}
    snn = _taken(artifact.elf, ours, said) | _by_layer(ours, own, said) | _work(layers, parts, said)
    other = _taken(elf, theirs, said) | _by_layer(theirs, layer_functions(ann), said)
    other["MACs"] = Figure(ann.macs, "MACs", "measured", "its layers", "one pass")
    ratios = {
        name: Figure(snn[name].value / figure.value, "×", figure.kind, figure.source, said)
        for name, figure in other.items()
        if name in snn and figure.value
    }
    least = other["instructions"].value
    return AgainstAnn(snn, other, ratios, meeting_figures(parts, least, said), verdict(parts, least), parts)


def held_inputs(inputs: Arrays) -> dict[str, Array]:
    """What all steps have in common, [B, *shape].

    Raises:
        DataError: an input changes from step to step.
    """
    arrays = {name: np.asarray(values) for name, values in inputs.items()}
    if moving := [name for name, values in arrays.items() if not (values == values[:1]).all()]:
        raise DataError(
            f"an ANN of one pass takes inputs that are held over the steps, but {', '.join(moving)} changes"
        )
    return {name: values[0] for name, values in arrays.items()}


def _taken(elf: bytes, found: Counted, said: str) -> dict[str, Figure]:
    """What both sides have."""
    costs = [run.regions[STEP].total for run in found.runs]
    firmware = read_firmware(elf)
    whole, cycles = sizes(firmware), mean_cycles(costs)
    state = firmware.symbol("ccx_harness_network").size
    return {
        **cost_figures(costs, said),
        **{f"energy, {name}": inference_energy(cycles, board, MODEL, said) for name, board in boards().items()},
        "flash": Figure(whole.flash, "B", "measured", ELF, "code, tables and start-up of network and harness"),
        "RAM": Figure(whole.data + whole.bss, "B", "measured", ELF, "network, its input and its output; no stack"),
        "state": Figure(state, "B", "measured", ELF, "of the RAM what the network works in"),
        "stack": Figure(found.stack, "B", "measured", PAINTED, "at its deepest"),
    }


def _by_layer(found: Counted, functions: Mapping[str, str], said: str) -> dict[str, Figure]:
    """Mean instructions of each layer, by its function."""
    totals = {
        name: sum(run.regions[function].total.instructions for run in found.runs)
        for name, function in functions.items()
    }
    return {
        f"instructions, {name}": Figure(total / len(found.runs), "instructions", "simulated", COUNTED, said)
        for name, total in totals.items()
    }


def _work(layers: Sequence[LayerOperations], parts: NetworkParts, said: str) -> dict[str, Figure]:
    """What the network had to do."""
    fired = {layer.name: int(layer.spikes.sum()) for layer in layers if layer.firing}
    inferences = layers[0].spikes.shape[1]
    figures = {
        "neuron updates": (parts.updates, "updates"),
        "synaptic events": (parts.synops, "events"),
        "spikes": (sum(fired.values()) / inferences, "spikes"),
        "spike rate": (parts.rate, RATE),
        **{f"spike rate, {x.name}": (fired[x.name] / (x.spikes.size * x.firing), RATE) for x in layers if x.firing},
    }
    return {name: Figure(value, unit, "measured", TRACED, said) for name, (value, unit) in figures.items()}
