"""Distributing a network over a chip's cores.

Each population starts on one core of its own and is split evenly over more, in C order, until every core keeps its
limits; where axons lead to single cores, what sends to a population that was split needs more of them, so that a
split can force another. The same network is always split the same way. A delay is bits of each synapse; biases and
reading the outputs take nothing that is counted here.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.loihi.config import Chip
from cortexcore.targets.loihi.mapping.chips import ChipLimits, chip_limits
from cortexcore.targets.loihi.mapping.cores import Core, CoreMapping
from cortexcore.targets.loihi.mapping.links import Link, links
from cortexcore.targets.loihi.mapping.memory import WORD_BITS, Counts, StoredSynapses, store

_SHRINK = "use fewer channels or neurons, prune, quantize to fewer bits, or use the target 'onnx'"


def map_network(network: IntegerNetwork, chip: Chip = "loihi2") -> CoreMapping:
    """The cores that ``network`` takes on one chip.

    Raises:
        GraphError: it does not fit; all reasons, with numbers.
    """
    mapping, problems = _map(network, chip)
    CheckReport("loihi", tuple(problems)).require()
    return mapping


def mapping_problems(network: IntegerNetwork, chip: Chip = "loihi2") -> list[Problem]:
    """Why ``network`` does not fit on one chip, each reason with its numbers; empty where it does."""
    return _map(network, chip)[1]


def _map(network: IntegerNetwork, chip: Chip) -> tuple[CoreMapping, list[Problem]]:
    limits = chip_limits(chip)
    connections = links(network)
    parts = {p.name: 1 for p in network.populations}
    mapping = _place(network, connections, parts, limits)
    if problems := [problem for p in network.populations for problem in _neuron_problems(p, connections, limits)]:
        return mapping, problems
    while True:
        grown = {p.name: min(_more(mapping, p.name, parts[p.name]), p.size) for p in network.populations}
        if sum(grown.values()) > limits.cores:
            return mapping, [_too_large(mapping, grown)]
        if grown == parts:
            return mapping, _over(mapping)
        parts = grown
        mapping = _place(network, connections, parts, limits)


def _more(mapping: CoreMapping, name: str, parts: int) -> int:
    """Into how many cores a population must at least be split, as far as its present split tells."""
    cores = [mapping.cores[i] for i in mapping.of(name)]
    if not any(core.exceeds(mapping.limits) for core in cores):
        return parts
    least = {
        "neurons": sum(core.neurons for core in cores),
        "synapse_words": sum(core.least_words for core in cores),
        "axons_out": sum(core.axons_out for core in cores),
    }
    return max(parts + 1, *(-(-total // mapping.limits.of_core(use)) for use, total in least.items()))


def _place(
    network: IntegerNetwork, connections: tuple[Link, ...], parts: dict[str, int], limits: ChipLimits
) -> CoreMapping:
    """All cores, each population split evenly into its ``parts``."""
    bounds = {p.name: [i * p.size // parts[p.name] for i in range(parts[p.name] + 1)] for p in network.populations}
    stored: dict[tuple[str, int], list[StoredSynapses]] = {}
    axons_in = {(name, i): 0 for name, count in parts.items() for i in range(count)}
    axons_out = {name: np.zeros(count, np.int64) for name, count in parts.items()}
    for link in connections:
        starts = bounds[link.source][:-1] if link.source in bounds else [0]
        reached, shared = [], []
        for i, (first, last) in enumerate(pairwise(bounds[link.target])):
            fan = link.fan(first, last)
            kept = store(
                link.name, fan, last - first, link.bits, link.delay_bits, link.kernel_weights(first, last), limits
            )
            shared.append(kept.format == "shared")
            reached.append(_axons(fan > 0, starts, shared[-1]))
            stored.setdefault((link.target, i), []).append(kept)
            axons_in[link.target, i] += int(reached[-1].sum())
        if link.source in axons_out:
            anywhere = _axons(link.fan(0, bounds[link.target][-1]) > 0, starts, all(shared))
            axons_out[link.source] += anywhere if limits.multicast else np.sum(reached, axis=0)
    cores = (
        Core(
            population=p.name,
            first=first,
            last=last,
            groups=_groups(p, first, last),
            synapses=tuple(stored.get((p.name, i), ())),
            axons_in=axons_in[p.name, i],
            axons_out=int(axons_out[p.name][i]),
        )
        for p in network.populations
        for i, (first, last) in enumerate(pairwise(bounds[p.name]))
    )
    return CoreMapping(limits, tuple(cores), connections)


def _axons(reaches: NDArray[np.bool_], starts: list[int], shared: bool) -> Counts:
    """Axons that leave each source core: one per value that reaches the target, or one for all to a shared kernel."""
    values = np.add.reduceat(reaches.astype(np.int64), starts)
    return np.minimum(values, 1) if shared else values


def _groups(p: Population, first: int, last: int) -> int:
    fields = [np.broadcast_to(0 if f is None else f, p.shape).reshape(-1)[first:last] for f in (p.du, p.dv, p.vth)]
    return len(np.unique(np.stack(fields), axis=1).T)


def _neuron_problems(p: Population, connections: tuple[Link, ...], limits: ChipLimits) -> list[Problem]:
    """What a single neuron of ``p`` reads beyond a core's limits, so that no split helps."""
    into = [x for x in connections if x.target == p.name]
    alone = [x for x in into if not (limits.shared_kernels and x.positions)]
    worst = int(np.sum([np.diff(x.starts) for x in alone], axis=0).argmax()) if alone else 0
    fans = {x: x.fan(worst, worst + 1) for x in into}
    kept = {
        x: store(x.name, f, 1, x.bits, x.delay_bits, x.kernel_weights(worst, worst + 1), limits)
        for x, f in fans.items()
    }
    axons = sum(int(_axons(fans[x] > 0, [0], kept[x].format == "shared").sum()) for x in into)
    words = sum(stored.words for stored in kept.values())
    problems = []
    if axons > limits.axons_in:
        problems.append(
            Problem(
                p.name,
                f"a neuron of it reads {axons:,} values, each through an axon of its own, and a core of {limits.title} "
                f"takes {limits.axons_in:,}",
                f"leave at most {limits.axons_in:,} weights per neuron that are not zero: prune or pool what feeds it, "
                "or use the target 'onnx'",
            )
        )
    if words > limits.synapse_words:
        problems.append(
            Problem(
                p.name,
                f"the synapses of one neuron take {words:,} words of 64 bits, and a core of {limits.title} has "
                f"{limits.synapse_words:,}",
                "prune them, quantize to fewer bits, or use the target 'onnx'",
            )
        )
    return problems


def _over(mapping: CoreMapping) -> list[Problem]:
    """What exceeds a core although each neuron has one: mostly by the axons that leave."""
    limits = mapping.limits
    over = {
        (core.population, use): used
        for core in mapping.cores
        for use, used in core.use().items()
        if used > limits.of_core(use)
    }
    return [
        Problem(
            name,
            f"a neuron of it needs {used:,} {use.replace('_', ' ')}, and a core of {limits.title} has "
            f"{limits.of_core(use):,}",
            "let it feed fewer or smaller populations, or use the target 'onnx'" if use == "axons_out" else _SHRINK,
        )
        for (name, use), used in over.items()
    ]


def _too_large(mapping: CoreMapping, parts: dict[str, int]) -> Problem:
    """More cores than the chip has. How many it needs is estimated from the last split, whose indices are wider."""
    limits, about = mapping.limits, {}
    for name, least in parts.items():
        words = sum(mapping.cores[i].synapse_words for i in mapping.of(name))
        about[name] = max(least, -(-words // limits.synapse_words))
    needed = sum(about.values())
    each = ", ".join(f"'{name}' {count:,}" for name, count in about.items())
    reason = (
        f"the network needs about {needed:,} cores ({each}), and {limits.title} has {limits.cores:,}: "
        f"{-(-100 * (needed - limits.cores) // limits.cores):,} % too many; a core holds {limits.neurons:,} neurons, "
        f"{limits.synapse_words * WORD_BITS // 8 // 1024:,} KB of synapses and {limits.axons_in:,} axons in and "
        f"{limits.axons_out:,} out"
    )
    return Problem(max(about, key=about.__getitem__), reason, _SHRINK)
