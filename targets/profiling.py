"""What the profiles of several targets share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from cortexcore.errors import DataError, TargetUnavailable
from cortexcore.export import integer
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.ann.beside import beside, latency_ratio
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.footprint import integer_footprint
from cortexcore.targets.energy.host import executed_macs, executed_updates, host_energy
from cortexcore.targets.energy.latency import (
    POWERCAP,
    cpu_name,
    latency_figures,
    measure,
    measure_by_turns,
    rapl_note,
)
from cortexcore.targets.energy.operations import STATE_BYTES, LayerOperations, count, operation_figures
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.registry import get_target

MODELLED = ("loihi",)
"""Targets whose profile is arithmetic: it needs nothing of theirs installed."""


def require_profilable(names: Iterable[str]) -> None:
    """Raise before any work where one of these targets does not exist, or cannot be measured on this machine.

    Raises:
        CortexCoreError: there is no such target.
        TargetUnavailable: with every target that is missing here, and what mends it.
    """
    missing = {name: get_target(name).unavailable() for name in names if name not in MODELLED}
    if said := [f"target '{name}': {why}" for name, why in missing.items() if why]:
        raise TargetUnavailable("; ".join(said))


def counted(network: IntegerNetwork, inputs: Arrays) -> tuple[LayerOperations, ...]:
    """Operations of every population on these inputs, from a golden run."""
    checked = integer.check_inputs(network, inputs)
    return count(network, checked, integer.run(network, checked))


def layer_figures(layers: tuple[LayerOperations, ...]) -> dict[str, dict[str, Figure]]:
    """Population → its operations."""
    return {x.name: operation_figures((x,)) for x in layers}


def first_inference(inputs: Arrays) -> dict[str, Array]:
    """The first of the batch, [T, 1, *shape]."""
    return {name: np.ascontiguousarray(_series(name, values)[:, :1]) for name, values in inputs.items()}


def first_step(inputs: Arrays) -> dict[str, Array]:
    """The first step of the first inference, [1, *shape]."""
    return {name: np.ascontiguousarray(_series(name, values)[0, :1]) for name, values in inputs.items()}


def _series(name: str, values: Array) -> Array:
    """``values`` with at least a step and an inference, or a DataError."""
    array = np.asarray(values)
    if array.ndim < 3 or 0 in array.shape[:2]:
        raise DataError(
            f"input '{name}' has shape {array.shape}; a profile takes [T, B, *shape] with at least one step and one "
            "inference"
        )
    return array


def state_memory(layers: tuple[LayerOperations, ...]) -> Figure:
    """Bytes of the states that outlive a step."""
    return Figure(sum(x.states for x in layers) * STATE_BYTES, "B", "modelled", "32-bit u and v of every neuron")


def host_profile(
    target: str,
    network: IntegerNetwork,
    inputs: Arrays,
    run: Callable[[], object],
    step: Callable[[], object],
    memory: Mapping[str, Figure],
    threads: str,
    ann_threads: int = 1,
) -> Profile:
    """A profile on this machine's processor: latency measured, energy measured or modelled.

    Args:
        run: one whole inference, the inputs' first.
        step: one step of one inference.
        memory: what the target knows of its weights and code.
        threads: for the conditions, e.g. "1 thread".
        ann_threads: for the equivalent ANN on the same runtime, the network's own.
    """
    layers = counted(network, inputs)
    steps, batch = layers[0].macs.shape
    machine = f"{cpu_name()}, {threads}"
    shape, checks = f"{machine}, batch 1", "the call's checks of its inputs included"
    ann = beside(network, layers, inputs, target, ann_threads)
    whole, *passes = measure_by_turns([run] if ann.once is None else [run, ann.once])
    latency = latency_figures("per inference", whole, f"{shape}, {steps} steps in one call, {checks}")
    latency |= latency_figures("per step", measure_by_turns([step])[0], f"{shape}, one call a step, {checks}")
    ratio = latency_ratio(whole, passes[0], f"{shape}, {ann.said}") if passes else {}
    unmeasured = rapl_note(POWERCAP)
    verdict = break_even(layers)
    return Profile(
        target=target,
        conditions=f"{machine}; operations over {batch} inferences of {steps} steps",
        latency=latency,
        operations=operation_figures(layers),
        memory={**memory, "state": state_memory(layers), "footprint": integer_footprint(network)},
        energy=host_energy(executed_macs(layers), executed_updates(layers), None if unmeasured else measure(run)),
        layers=layer_figures(layers),
        break_even=verdict.figures,
        verdict=verdict.verdict,
        equivalent={**ratio, **ann.figures},
        notes=(*([unmeasured] if unmeasured else []), *ann.notes),
    )
