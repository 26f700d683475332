"""When each population computes: a Lava connection takes a step, so what meets in a neuron must have waited alike.

A population at depth d computes the network's step t at Lava step every·t + d + 1. What a source at depth c sent is
there one step after it, so that a connection waits d − c − 1 steps more, or d − c − 1 + every where it is recurrent
and carries the step before. ``every`` is 1 as long as no loop spans several populations; else it is the smallest
number that leaves no wait negative, and neurons compute at every so manieth step alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cortexcore.export.network import IntegerNetwork, Population, Synapses

MAX_DELAY = 63
"""Steps: a synapse's delay has 6 bits (Lava 0.10, ``proc/dense/models.py``, DelayDense)."""


@dataclass(frozen=True)
class Timing:
    """Depth of every population, and Lava steps per step of the network."""

    depth: Mapping[str, int]
    every: int

    def delay(self, p: Population, s: Synapses) -> int:
        """Steps that a connection waits beyond its own; inputs are sent when they are due."""
        if s.source not in self.depth:
            return 0
        return self.depth[p.name] - self.depth[s.source] - 1 + (self.every if s.recurrent else 0)


def timing(network: IntegerNetwork) -> Timing:
    """The timing of a network."""
    depth = depths(network)
    loops = [depth[s.source] - depth[p.name] + 1 for p, s in _recurrent(network, depth)]
    return Timing(depth, max([1, *loops]))


def depths(network: IntegerNetwork) -> dict[str, int]:
    """Population → connections between it and the inputs, along its longest path; a late one's step is its lateness."""
    found = {port.name: 0 for port in network.inputs}
    for p in network.populations:
        found[p.name] = max([1, *(found.get(s.source, 0) + (not s.recurrent) for s in p.synapses)])
    return {p.name: found[p.name] for p in network.populations}


def _recurrent(network: IntegerNetwork, depth: Mapping[str, int]) -> list[tuple[Population, Synapses]]:
    return [(p, s) for p in network.populations for s in p.synapses if s.recurrent and s.source in depth]
