"""Instructions per synaptic operation and per neuron, kernel by kernel, beside the least that they could be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.export import integer
from cortexcore.firmware_sim.board import Counts
from cortexcore.firmware_sim.codegen.plan import Layer, Link, Sums
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.counts import layer_region, link_region
from cortexcore.targets.cortex_m.floors import Floor, neuron_floor, operation_floor
from cortexcore.targets.energy.operations import fan_out


@dataclass(frozen=True)
class KernelCost:
    """One kernel over whole inferences.

    Attributes:
        name: of the connection, or of the population whose neurons these are.
        kernel: "event-driven", "dense" or "neurons".
        instructions: per inference, mean.
        operations: synaptic events, products or neuron updates per inference, mean.
        floor: the least for one of them.
    """

    name: str
    kernel: str
    instructions: float
    operations: float
    floor: Floor

    @property
    def each(self) -> float | None:
        """Instructions per operation; None where there was none."""
        return self.instructions / self.operations if self.operations else None


def kernel_costs(artifact: CortexMArtifact, inputs: Arrays, runs: tuple[Counts, ...]) -> dict[str, list[KernelCost]]:
    """Population → its connections in order, then its neurons.

    Args:
        inputs: what was counted, [T, B, *shape]; the first of the batch are those of ``runs``.
        runs: of :func:`cortexcore.targets.cortex_m.counts.count_inferences`.
    """
    checked = {name: x[:, : len(runs)] for name, x in integer.check_inputs(artifact.network, inputs).items()}
    trace = integer.run(artifact.network, checked)
    sent = {**checked, **trace.v, **trace.spikes}
    fresh = _fresh(checked)
    steps = len(fresh)
    costs = {}
    for layer in artifact.plan.layers:
        links = [(link, sums) for sums in layer.sums for link in sums.links]
        rows = [_link_cost(link, sums, sent[link.source.name], fresh, runs) for link, sums in links]
        costs[layer.population.name] = [*rows, _neuron_cost(layer, runs, steps)]
    return costs


def _fresh(inputs: Arrays) -> Array:
    """Whether the inputs of a step are not those of the step before, bool [T, B]."""
    steps, batch = next(iter(inputs.values())).shape[:2]
    fresh = np.zeros((steps, batch), bool)
    fresh[0] = True
    for x in inputs.values():
        fresh[1:] |= (x[1:] != x[:-1]).reshape(steps - 1, batch, -1).any(axis=2)
    return fresh


def _link_cost(link: Link, sums: Sums, sent: Array, fresh: Array, runs: tuple[Counts, ...]) -> KernelCost:
    values = np.concatenate([np.zeros_like(sent[:1]), sent[:-1]]) if link.late else sent
    met = fan_out(link.synapses.operation, link.source.shape)[0]
    counted = (values != 0).reshape(*fresh.shape, -1) if link.event else np.ones((*fresh.shape, met.size), bool)
    executed = fresh if sums.held else np.ones_like(fresh)
    operations = float((counted @ met)[executed].sum()) / len(runs)
    instructions = _mean(runs, link_region(link))
    return KernelCost(
        link.synapses.name,
        "event-driven" if link.event else "dense",
        instructions,
        operations,
        operation_floor(link, sums),
    )


def _neuron_cost(layer: Layer, runs: tuple[Counts, ...], steps: int) -> KernelCost:
    """What is left of the layer without its connections: also clearing the sums."""
    links = [link for sums in layer.sums for link in sums.links]
    instructions = _mean(runs, layer_region(layer)) - sum(_mean(runs, link_region(link)) for link in links)
    return KernelCost(
        layer.population.name, "neurons", instructions, float(layer.population.size * steps), neuron_floor(layer)
    )


def _mean(runs: tuple[Counts, ...], region: str) -> float:
    """Instructions of a region per inference; one that was never called is in no count."""
    found = (run.regions.get(region) for run in runs)
    return sum(0 if region is None else region.total.instructions for region in found) / len(runs)
