"""What the proven bounds of :mod:`cortexcore.export.bounds` mean for a target: which guards it can leave out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cortexcore.export.bounds import Range, bound, sent_ranges, sum_range
from cortexcore.export.integer_currents import FLOAT32_EXACT
from cortexcore.export.network import STATE_LIMIT, IntegerNetwork, Operation, Population
from cortexcore.export.stored_weight import stored_weight


@dataclass(frozen=True)
class Guards:
    """What a population may need.

    Attributes:
        drive: largest |Σ a·2^6| that can arrive in one step.
        may_wrap: u can leave 24 bits.
        may_clip: v can reach its clip.
    """

    drive: int
    may_wrap: bool
    may_clip: bool


def guards(network: IntegerNetwork, p: Population) -> Guards:
    """What one population may need, for every input within the ports' ranges and any number of steps."""
    proven = bound(p, sent_ranges(network))
    current = max(-proven.u[0], proven.u[1])
    voltage = max(-proven.v[0], proven.v[1])
    return Guards(math.ceil(proven.drive), current > STATE_LIMIT, voltage > STATE_LIMIT)


def largest_sum(operation: Operation, sent: Range) -> int:
    """Largest magnitude that Σ w·s, or any part of it, can have for s anywhere in ``sent``."""
    least, most = sum_range(operation, sent)
    return int(np.maximum(-least, most).max(initial=0))


def digit_bits(operation: Operation) -> int:
    """Bits of a source value for which the sum stays exact in float32; 0 where not even one bit does."""
    one = max(1, largest_sum(operation, (-1, 1)) >> stored_weight(operation)[1])
    return (FLOAT32_EXACT // one).bit_length() - 1 if one <= FLOAT32_EXACT // 2 else 0
