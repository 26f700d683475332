"""Inferences counted on the emulated core, region by region."""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.export.integer import check_inputs
from cortexcore.firmware_sim.board import Counts, counting
from cortexcore.firmware_sim.codegen.plan import Layer, Link
from cortexcore.targets.base import Arrays
from cortexcore.targets.cortex_m.artifact import Core, CortexMArtifact
from cortexcore.targets.native.artifact import packed

MOST = 32
"""Inferences that are counted, the first of the batch: counting slows the emulator down some twenty times."""
STEP = "ccx_network_step"


def layer_region(layer: Layer) -> str:
    """The function of a population's step, its connections' included."""
    return f"layer_{layer.ident}"


def link_region(link: Link) -> str:
    """The function of what one connection adds to the sums."""
    return f"products_{link.ident}"


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts of each inference, and how much of the stack they took, in bytes."""

    runs: tuple[Counts, ...]
    stack: int


def count_inferences(artifact: CortexMArtifact, inputs: Arrays) -> Counted:
    """Count each of the first inferences.

    Its regions are ``ccx_network_step``, and the functions of populations and connections.

    Raises:
        DataError: an input does not fit.
        TargetUnavailable: the emulator or the disassembler is not installed.
    """
    core = Core(artifact, traced=False)
    sent = packed(artifact.plan, check_inputs(artifact.network, inputs), core.input)[:, :MOST]
    regions = [STEP, *map(layer_region, artifact.plan.layers), *map(link_region, artifact.plan.links)]
    runs = []
    for b in range(sent.shape[1]):
        core.reset()
        with counting(core.board, regions) as counts:
            for t, record in enumerate(sent[:, b]):
                core.step(None if t and record.tobytes() == sent[t - 1, b].tobytes() else record)
        runs.append(counts)
    return Counted(tuple(runs), core.board.stack_used())
