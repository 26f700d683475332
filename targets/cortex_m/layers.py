"""Each population's instructions and cycles, and its kernels' per operation beside their floors, as figures."""

from __future__ import annotations

from collections.abc import Mapping

from cortexcore.targets.base import Arrays
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.cost_figures import COUNTED, cost_figures
from cortexcore.targets.cortex_m.counts import Counted, layer_region
from cortexcore.targets.cortex_m.kernels import KernelCost, kernel_costs
from cortexcore.targets.profile import Figure

ISA = "Armv7-M Architecture Reference Manual (DDI 0403): the least instructions that do it"


def with_kernels(
    known: Mapping[str, Mapping[str, Figure]], artifact: CortexMArtifact, inputs: Arrays, found: Counted, said: str
) -> dict[str, dict[str, Figure]]:
    """Population → what is ``known`` of it, then instructions and cycles per inference, then its kernels."""
    layers = {name: dict(figures) for name, figures in known.items()}
    kernels = kernel_costs(artifact, inputs, found.runs)
    for layer in artifact.plan.layers:
        name = layer.population.name
        layers[name] |= cost_figures([run.regions[layer_region(layer)].total for run in found.runs], said)
        for kernel in kernels[name]:
            layers[name] |= _figures(kernel, said)
    return layers


def _figures(kernel: KernelCost, said: str) -> dict[str, Figure]:
    neurons = kernel.kernel == "neurons"
    label = "neurons" if neurons else f"products of '{kernel.name}', {kernel.kernel}"
    unit = "instructions per neuron update" if neurons else "instructions per synaptic operation"
    figures = {f"instructions, {label}": Figure(kernel.instructions, "instructions", "simulated", COUNTED, said)}
    if kernel.each is not None:
        figures[f"each, {label}"] = Figure(kernel.each, unit, "simulated", COUNTED, said)
    figures[f"each at least, {label}"] = Figure(kernel.floor.instructions, unit, "modelled", ISA, kernel.floor.why)
    return figures
