"""What float32 and int32, the types TFLite's kernels compute in, hold exactly; needs nothing but NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.bounds import Range, bound, sent_ranges
from cortexcore.export.integer_currents import FLOAT32_EXACT
from cortexcore.export.network import STATE_LIMIT, THRESHOLD_SHIFT, InputPort, IntegerNetwork, Operation, Population
from cortexcore.export.stored_weight import stored_weight
from cortexcore.targets.bounds import guards, largest_sum

HALF_WRAP = STATE_LIMIT + 1
"""Currents in (−2^23, 2^23] are their own value modulo 2^24, and two of them add up exactly in float32."""


def input_dtype(port: InputPort) -> str:
    """The smallest signed integer type that holds the port's range, int32 at most."""
    types = (np.int8, np.int16)
    fitting = (t for t in types if np.iinfo(t).min <= port.low and port.high <= np.iinfo(t).max)
    return np.dtype(next(fitting, np.int32)).name


def reach(operation: Operation, sent: Range) -> int:
    """Largest |a·2^6| that one connection delivers; a right shift toward −∞ may reach one further."""
    most, exponent = largest_sum(operation, sent), operation.weight_exp
    return (most << exponent if exponent >= 0 else -(-most >> -exponent)) << THRESHOLD_SHIFT


def fits_float32(operation: Operation, sent: Range) -> bool:
    """Whether Σ w·s is exact in float32 as it stands, whatever adds it up, and a·2^6 within ±2^23."""
    small = largest_sum(operation, sent) >> stored_weight(operation)[1] <= FLOAT32_EXACT
    return small and reach(operation, sent) <= HALF_WRAP


@dataclass(frozen=True)
class Limits:
    """What a population's values cannot leave.

    Attributes:
        whole: no sum of its currents can leave ±2^23.
        may_wrap, may_clip: of :class:`cortexcore.targets.bounds.Guards`.
        u, v: largest |u| and |v| that a step hands to the next.
    """

    whole: bool
    may_wrap: bool
    may_clip: bool
    u: int
    v: int


def limits(network: IntegerNetwork, p: Population) -> Limits:
    """What is proven of one population, for every input and any number of steps."""
    needed, proven = guards(network, p), bound(p, sent_ranges(network))
    current, voltage = max(-proven.u[0], proven.u[1]), max(-proven.v[0], proven.v[1])
    u, v = math.ceil(min(current, HALF_WRAP)), math.ceil(min(voltage, STATE_LIMIT))
    return Limits(needed.drive <= HALF_WRAP, needed.may_wrap, needed.may_clip, u, v)


def decays_at_once(factor: NDArray[np.int64], peak: int) -> bool:
    """Whether x·factor/4096 is exact in float32 for all |x| ≤ ``peak``: the factor's trailing zeros cost no digits."""
    bits = int(np.bitwise_or.reduce(factor, axis=None))
    return peak * (int(factor.max()) // (bits & -bits or 1)) <= FLOAT32_EXACT
