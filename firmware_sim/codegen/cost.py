"""Which kernel a connection gets: the one that is expected to take fewer instructions.

An event-driven kernel takes, for each neuron that fired, ``per_event`` instructions and ``per_weight`` for each of its
synapses; a dense one takes ``per_product`` for every weight and ``per_target`` for every target. Graded sources count
as if every neuron fired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Cost:
    """Instructions of the two kernels of one kind of connection."""

    per_event: float
    per_weight: float
    per_product: float
    per_target: float


@dataclass(frozen=True)
class Core:
    """Costs on one kind of processor: spikes to 16-bit sums, spikes to 32-bit sums, graded values."""

    narrow: Cost
    wide: Cost
    graded: Cost


CORES: Mapping[str, Core] = MappingProxyType(
    {
        "cortex_m4": Core(Cost(12, 1.1, 2.3, 20), Cost(12, 4.3, 2.3, 20), Cost(12, 5.3, 2.3, 20)),
        "host": Core(Cost(12, 0.1, 0.2, 20), Cost(12, 0.2, 0.2, 20), Cost(12, 0.3, 0.2, 20)),
    }
)


def event_driven(
    core: str, narrow: bool, graded: bool, rate: float, events: float, fan_out: float, targets: int
) -> bool:
    """Whether the event-driven kernel is expected to take no more than the dense one.

    Args:
        narrow: sums have 16 bits; graded: the source sends values, not spikes.
        rate: share of the source's neurons that fire in a step.
        events: neurons of the source; ``fan_out``: synapses of one of them; ``targets``: neurons that they reach.
    """
    costs = CORES[core]
    cost = costs.graded if graded else costs.narrow if narrow else costs.wide
    share = 1.0 if graded else rate
    driven = share * events * (cost.per_event + cost.per_weight * fan_out)
    return driven <= cost.per_product * events * fan_out + cost.per_target * targets
