"""What a network costs on Loihi: mapped to cores, counted in the golden trace, priced with published constants."""

from __future__ import annotations

from cortexcore.export import integer
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.ann.beside import beside
from cortexcore.targets.base import Arrays
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.loihi import PRICED, ROWS, energy_figure, layer_energy_j, loihi_energy, sum_figure, total
from cortexcore.targets.energy.loihi_latency import latency_figures, layer_time_figures, loihi_times
from cortexcore.targets.energy.operations import count, operation_figures
from cortexcore.targets.loihi.check import check
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.mapping import ChipLimits, CoreMapping, count_activity, map_network
from cortexcore.targets.loihi.mapping.memory import WORD_BITS
from cortexcore.targets.loihi.occupancy import occupancy
from cortexcore.targets.loihi.timing import timing
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import state_memory

_ASSUMED = (
    "A core holds neurons of one population alone; cores fill the tiles of the mesh in the network's order, and the "
    "host injects at the first tile.",
    "Neurons are priced alike, whether the chip's own LIF or microcode runs them; reading the outputs is not priced.",
)


def loihi_profile(network: IntegerNetwork, config: LoihiConfig, inputs: Arrays) -> Profile:
    """Modelled for ``config.chip`` from counted operations; needs no Lava, whose own speed says nothing of the chip.

    Args:
        network: an integer network that the target takes.
        config: whose chip it is mapped to.
        inputs: input name → integers [T, B, *shape].

    Raises:
        GraphError: it does not fit on the chip.
        DataError: the inputs do not fit the network.
    """
    chip, mapping = config.chip, map_network(network, config.chip)
    checked = integer.check_inputs(network, inputs)
    trace = integer.run(network, checked)
    layers, counts = count(network, checked, trace), count_activity(mapping, network, checked, trace)
    steps, batch = layers[0].macs.shape
    when = timing(network)
    times = loihi_times(chip, mapping, counts, when.depth, when.every)
    latency = latency_figures(chip, mapping, times, steps)
    joules, seconds = layer_energy_j(mapping, counts, when.every), layer_time_figures(mapping, times)
    verdict, ann = break_even(layers), beside(network, layers, inputs)
    conditions = f"mean over {batch} inferences of {steps} steps"
    return Profile(
        target="loihi",
        conditions=f"{mapping.limits.title}, modelled: {PRICED[chip]}; {conditions}",
        latency=latency,
        operations={
            **operation_figures(layers),
            "spike messages": _messages(int(counts.messages.sum()), batch, conditions),
        },
        memory={"synapses": _synapse_memory(mapping), "state": state_memory(layers)},
        energy=loihi_energy(chip, mapping, counts, joules, latency["per inference p50"]),
        layers={
            x.name: {
                **operation_figures((x,)),
                **{f"energy: {term}": energy_figure(j, ROWS[term], conditions) for term, j in joules[x.name].items()},
                "energy: dynamic": sum_figure(total(list(joules[x.name].values())), "the terms", conditions),
                **seconds[x.name],
            }
            for x in layers
        },
        occupancy=occupancy(mapping),
        break_even=verdict.figures,
        verdict=verdict.verdict,
        equivalent=ann.figures,
        notes=(*check(network, config.chip).notes, *_ASSUMED, _limits(mapping.limits), *ann.notes),
    )


def _limits(limits: ChipLimits) -> str:
    """The chip's limits with their citations, in one sentence."""
    cited = (f"{name.replace('_', ' ')} {limits.said(name)} ({source})" for name, source in limits.sources.items())
    return (
        f"Limits of {limits.title}, cores and tiles of the chip, the rest of a core, graded as the constants are, and "
        f"A where no source was found: {'; '.join(cited)}."
    )


def _messages(messages: int, batch: int, conditions: str) -> Figure:
    source = "counted in the golden integer network's trace and its mapping to cores"
    return Figure(messages / batch, "messages", "modelled", source, f"one per value and core it reaches; {conditions}")


def _synapse_memory(mapping: CoreMapping) -> Figure:
    stored = sum(core.synapse_words for core in mapping.cores) * WORD_BITS // 8
    source = mapping.limits.sources["synapse_words"]
    return Figure(stored, "B", "modelled", source, f"on {len(mapping.cores)} cores, with indices and list headers")
