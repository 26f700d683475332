"""A network on a chip's cores, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.targets.loihi.mapping.chips import ChipLimits
from cortexcore.targets.loihi.mapping.links import Link
from cortexcore.targets.loihi.mapping.memory import WORD_BITS, Counts, StoredSynapses


@dataclass(frozen=True)
class Core:
    """One core: neurons of one population, their synapses, and the axons that come and go.

    Attributes:
        population: whose neurons it holds.
        first, last: neurons ``first`` to ``last`` − 1 of it, flattened in C order.
        groups: different settings of du, dv and vth among them.
        synapses: what it keeps of each connection into the population.
        axons_in: lists of synapses: one per connection and source value that reaches a neuron here, or, where a
            kernel is shared, one per connection and source core.
        axons_out: one per connection, sending neuron and core that it reaches (on a chip with multicast one for all
            these cores), or, to a shared kernel, one for all neurons here.
    """

    population: str
    first: int
    last: int
    groups: int
    synapses: tuple[StoredSynapses, ...]
    axons_in: int
    axons_out: int

    @property
    def neurons(self) -> int:
        return self.last - self.first

    @property
    def synapse_count(self) -> int:
        return sum(s.count for s in self.synapses)

    @property
    def synapse_words(self) -> int:
        return sum(s.words for s in self.synapses)

    @property
    def least_words(self) -> int:
        """Words that its weights alone would take, without indices, headers and kernels: no split makes them fewer."""
        return sum(s.count * s.weight_bits for s in self.synapses if s.format != "shared") // WORD_BITS

    @property
    def synapse_bytes(self) -> int:
        return self.synapse_words * WORD_BITS // 8

    def use(self) -> dict[str, int]:
        """What it takes of each of a core's limits, by the names in :class:`ChipLimits`."""
        return {name: int(getattr(self, name)) for name in ("neurons", "synapse_words", "axons_in", "axons_out")}

    def exceeds(self, limits: ChipLimits) -> bool:
        """Whether it takes more of anything than a core has."""
        return any(used > limits.of_core(name) for name, used in self.use().items())


@dataclass(frozen=True, eq=False)
class CoreMapping:
    """All cores that a network takes, a population's next to each other, in the network's order.

    A core holds neurons of one population alone. Core ``i`` lies on tile ``limits.tile(i)``; inputs are injected by
    the host and take no core.
    """

    limits: ChipLimits
    cores: tuple[Core, ...]
    links: tuple[Link, ...]

    def of(self, population: str) -> range:
        """The cores of one population, as indices."""
        found = [i for i, core in enumerate(self.cores) if core.population == population]
        return range(found[0], found[-1] + 1)

    @property
    def tiles(self) -> int:
        """Tiles that hold a core in use."""
        return len({self.limits.tile(i) for i in range(len(self.cores))})

    def fans(self, link: Link) -> Counts:
        """How many neurons of each of the target's cores a source value reaches, [sources, target's cores]."""
        cores = (self.cores[i] for i in self.of(link.target))
        return np.stack([link.fan(core.first, core.last) for core in cores], axis=1)

    def sources(self, link: Link) -> range:
        """The cores that send through a link; none where it starts at an input, which the host sends."""
        return self.of(link.source) if link.source in {core.population for core in self.cores} else range(0)

    def source_starts(self, link: Link) -> list[int]:
        """Where each source core's values start among a link's sources; a single start for an input."""
        return [self.cores[i].first for i in self.sources(link)] or [0]
