"""Integer arithmetic of the front end. C99: int32 values, int64 products; >> is arithmetic, // rounds down."""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, isfinite, isqrt

from cortexcore.errors import DataError
from cortexcore.runtime.frontend.config import UNIT_PER_MV

LOG2_ONE = 64
"""Steps per octave of :func:`log2_steps`: ±127 is a factor of about four either way."""


def clip8(value: int) -> int:
    """Saturate to [−127, 127]."""
    return max(-127, min(127, value))


def gain_multiplier(gain_per_mv: float) -> tuple[int, int]:
    """Multiplier and shift that turn counts into units: (counts·m + 2^(shift−1)) >> shift, m in [2^14, 2^15).

    The one place where the front end meets a float: once, at the start. |counts·m| < 2^30.

    Raises:
        DataError: a gain that is not a number between 1 and 2^20 counts per mV.
    """
    if not isfinite(gain_per_mv) or not 1 <= gain_per_mv <= 2**20:
        raise DataError(f"front end: a gain of {gain_per_mv} counts/mV makes no sense: give the device's, 1 to 1048576")
    mantissa, exponent = frexp(UNIT_PER_MV / gain_per_mv)
    multiplier, shift = round(mantissa * 2**15), 15 - exponent
    if multiplier == 2**15:
        multiplier, shift = 2**14, shift - 1
    return multiplier, shift


def log2_steps(value: int) -> int:
    """64·log2(value) for value ≥ 1, error below 1.25 steps: position of the top bit, then a parabola in between.

    log2(1 + f) ≈ f + 0.3438·f·(1 − f), with f in 1/256. For an int32 value the shift by 8 needs 64 bit.
    """
    top = value.bit_length() - 1
    fraction = ((value << 8) >> top) - 256
    curved = fraction + ((fraction * (256 - fraction) * 88) >> 16)
    return top * LOG2_ONE + ((curved + 2) >> 2)


def log2_ratio(value: int, reference: int) -> int:
    """64·log2(value / reference) in int8; 0 where either is unknown (0)."""
    if value <= 0 or reference <= 0:
        return 0
    return clip8(log2_steps(value) - log2_steps(reference))


def lower_median(values: Sequence[int]) -> int:
    """The middle one of the sorted values, the lower of two; 0 for none."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0


def correlation(a: Sequence[int], b: Sequence[int]) -> int:
    """127 times the correlation coefficient of two sequences of int8, rounded down; 0 where one is constant.

    Sums stay below 2^30 for 128 samples; the product of the variances needs 64 bit.
    """
    count = len(a)
    sum_a, sum_b = sum(a), sum(b)
    covariance = count * sum(x * y for x, y in zip(a, b, strict=True)) - sum_a * sum_b
    variance_a = count * sum(x * x for x in a) - sum_a * sum_a
    variance_b = count * sum(x * x for x in b) - sum_b * sum_b
    norm = isqrt(variance_a * variance_b)
    return clip8(127 * covariance // norm) if norm else 0
