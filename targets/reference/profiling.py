"""The profile of a float graph on this machine's processor, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cortexcore.export.graph import Graph
from cortexcore.targets.energy.footprint import float_footprint
from cortexcore.targets.energy.host import host_energy
from cortexcore.targets.energy.latency import POWERCAP, cpu_name, latency_figures, measure, rapl_note
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.reference.operations import FloatOperations


def float_profile(
    target: str,
    graph: Graph,
    operations: FloatOperations,
    run: Callable[[], object],
    step: Callable[[], object] | None,
    machine: str,
    value_bytes: int,
    memory: Mapping[str, Figure],
) -> Profile:
    """Latency measured, energy measured or modelled, operations as they were counted.

    Args:
        target: its name.
        graph: what runs.
        operations: of the batch whose first inference ``run`` computes.
        run: one whole inference.
        step: one step of one inference; None where the target has none.
        machine: for the conditions, beside the processor, e.g. "NumPy float64, 1 thread".
        value_bytes: of a weight or state.
        memory: what the target knows beside weights and states.
    """
    where, bits, checks = f"{cpu_name()}, {machine}", 8 * value_bytes, "the call's checks of its inputs included"
    measured = measure(run)
    steps, kept = operations.steps, operations.states + operations.waiting
    latency = latency_figures("per inference", measured, f"{where}, batch 1, {steps} steps in one call, {checks}")
    if step is not None:
        latency |= latency_figures("per step", measure(step), f"{where}, batch 1, one call a step, {checks}")
    unmeasured = rapl_note(POWERCAP)
    return Profile(
        target=target,
        conditions=f"{where}; operations over {operations.batch} inferences of {steps} steps",
        latency=latency,
        operations=operations.figures,
        memory={
            "weights": Figure(value_bytes * operations.weights, "B", "modelled", f"{bits}-bit weights"),
            "state": Figure(value_bytes * kept, "B", "modelled", f"{bits}-bit u and v, and what waits in delays"),
            "footprint, float32": float_footprint(graph),
            **memory,
        },
        energy=host_energy(operations.macs, operations.states * steps, measured),
        layers=operations.layers,
        notes=(*((unmeasured,) if unmeasured else ()), *operations.notes),
    )
