"""At which spike rate a network would take as many instructions as an ANN.

Its instructions are those that its spikes cost, in event-driven connections, and the rest: its neurons, the currents of
its inputs, loops. The rest is there whatever fires:

    instructions(rate) = rest + spiking · rate / rate now

Both parts are counted on the core, so the rate where this equals the ANN's count follows. There is none where the rest
alone is more than the ANN takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.cost_figures import COUNTED
from cortexcore.targets.cortex_m.counts import STEP, Counted, link_region
from cortexcore.targets.energy.operations import LayerOperations
from cortexcore.targets.profile import Figure

RATE = "spikes per neuron and step"
SOLVED = "solved from instructions counted on the emulated core"


@dataclass(frozen=True)
class NetworkParts:
    """What the network's instructions are made of: means per inference.

    Attributes:
        spiking: instructions of event-driven connections that read spikes; ``synops`` such events.
        held: those of connections that read inputs, which are computed once while an input stays.
        neurons: all others; ``updates`` neuron updates.
        rate: spikes per neuron and step, of the neurons that can fire.
        steps: of an inference.
    """

    spiking: float
    held: float
    neurons: float
    synops: float
    updates: float
    rate: float
    steps: int

    @property
    def rest(self) -> float:
        """Instructions without a single spike."""
        return self.held + self.neurons

    def at(self, rate: float) -> float:
        """Instructions at another rate, the spikes spread over the layers as they are."""
        return self.rest + (self.spiking * rate / self.rate if self.rate else 0.0)

    def meeting_rate(self, instructions: float) -> float | None:
        """The rate at which the network takes as many; None where it takes more without a single spike."""
        if self.rest > instructions or not self.spiking:
            return None
        return self.rate * (instructions - self.rest) / self.spiking

    def meeting_steps(self, instructions: float) -> float:
        """The number of steps, each like the mean one, with which the network takes as many."""
        return max(0.0, instructions - self.held) / ((self.neurons + self.spiking) / self.steps)


def network_parts(artifact: CortexMArtifact, layers: Sequence[LayerOperations], found: Counted) -> NetworkParts:
    """What the network's instructions are made of.

    Args:
        layers: operations on the very inferences of ``found``.
    """
    runs = len(found.runs)

    def mean(regions: Sequence[str]) -> float:
        costs = [run.regions[name].total for run in found.runs for name in regions if name in run.regions]
        return sum(cost.instructions for cost in costs) / runs

    links = artifact.plan.links
    spiking = mean([link_region(link) for link in links if link.event and link.source.spiking])
    held = mean([link_region(link) for link in links if link.source.port and not link.source.spiking])
    steps = len(layers[0].spikes)
    return NetworkParts(
        spiking=spiking,
        held=held,
        neurons=mean([STEP]) - spiking - held,
        synops=sum(int(layer.acs.sum()) for layer in layers) / runs,
        updates=float(steps * sum(layer.neurons for layer in layers)),
        rate=sum(int(layer.spikes.sum()) for layer in layers) / (runs * steps * sum(x.firing for x in layers)),
        steps=steps,
    )


def meeting_figures(parts: NetworkParts, ann: float, said: str) -> dict[str, Figure]:
    """The parts, what one event and one neuron cost, and where the network would take the ANN's instructions."""

    def counted(value: float, what: str) -> Figure:
        return Figure(value, "instructions", "simulated", COUNTED, f"{what}; {said}")

    figures = {
        "inputs": counted(parts.held, "currents of the inputs, once per inference"),
        "neurons": counted(parts.neurons, "neurons and all that is not a connection"),
        "spikes": counted(parts.spiking, "event-driven connections"),
        "without a spike": counted(parts.rest, "inputs and neurons"),
        "per neuron update": counted(parts.neurons / parts.updates, "neurons over updates"),
    }
    if parts.synops:
        figures["per synaptic event"] = counted(parts.spiking / parts.synops, "event-driven connections over events")
    steps = f"of {parts.steps} steps, each like the mean one; {said}"
    figures["steps at equal cost"] = Figure(parts.meeting_steps(ann), "steps", "modelled", SOLVED, steps)
    rate = parts.meeting_rate(ann)
    if rate is not None:
        spread = f"spikes spread over the layers as they are; {said}"
        figures["break-even spike rate"] = Figure(rate, RATE, "modelled", SOLVED, spread)
    return figures


def verdict(parts: NetworkParts, ann: float) -> str:
    """Who takes less, and where they would meet, in words."""
    ours = parts.at(parts.rate)
    head = f"The SNN takes {ours:.0f} instructions per inference, {ours / ann:.2f} times the int8 ANN's {ann:.0f}"
    steps = f"with {parts.meeting_steps(ann):.1f} steps instead of {parts.steps} it would take as many"
    rate = parts.meeting_rate(ann)
    if rate is None:
        silent = f"without a single spike it would still take {parts.rest:.0f}, so no spike rate breaks even"
        return f"{head}, at {parts.rate:.1%} {RATE}. {silent[0].upper()}{silent[1:]}; {steps}."
    return f"{head}, at {parts.rate:.1%} {RATE}; they are equal at {rate:.1%}. {steps[0].upper()}{steps[1:]}."
