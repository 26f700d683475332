"""The band-pass: second-order sections in fixed point, the same for any division into blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cortexcore.runtime.frontend.config import Biquad

COEFFICIENT_BITS = 29
"""Fraction bits of the coefficients."""

INPUT_LIMIT = 2**21 - 1
"""The scaled input saturates here: ±512 mV, more than electrodes offset."""


def scale_counts(counts: NDArray[np.int16], multiplier: int, shift: int) -> NDArray[np.int64]:
    """ADC counts to the fixed unit: (counts·multiplier + half) >> shift, saturated to ±(2^21 − 1)."""
    half = (1 << shift) >> 1
    scaled = (counts.astype(np.int64) * multiplier + half) >> shift
    return np.maximum(np.minimum(scaled, INPUT_LIMIT), -INPUT_LIMIT)


class BiquadCascade:
    """Direct form I with fraction saving.

    acc[n] = b0·x[n] + b1·x[n−1] + b2·x[n−2] − a1·y[n−1] − a2·y[n−2] + r[n−1]
    y[n] = acc[n] >> 29,    r[n] = acc[n] − (y[n] << 29)

    What rounding cuts off is added to the next sample, so the rounding noise has a zero at DC, where the high-pass has
    its poles: without it they would amplify it some thousand times. Widths: x, y int32 (the largest l1 gain up to any
    section is below 2^3, so |y| < 2^24), coefficients int32, acc int64 (below 2^57), r in [0, 2^29).

    The first sample is taken as the constant level before the start, so that an offset causes no step.
    """

    def __init__(self, sections: Sequence[Biquad]) -> None:
        self._sections = tuple(sections)
        self._state: list[list[int]] = []

    def push(self, samples: Sequence[int]) -> list[int]:
        """Filter a block of any length; state carries over."""
        if not samples:
            return []
        if not self._state:
            self._state = self._settled(samples[0])
        block = list(samples)
        for index, section in enumerate(self._sections):
            block, self._state[index] = _run(section, self._state[index], block)
        return block

    def _settled(self, level: int) -> list[list[int]]:
        """State after infinitely long constant input: x1, x2, y1, y2, remainder per section."""
        states = []
        for b0, b1, b2, a1, a2 in self._sections:
            rest = level * (b0 + b1 + b2) // ((1 << COEFFICIENT_BITS) + a1 + a2)
            states.append([level, level, rest, rest, 0])
            level = rest
        return states


def _run(section: Biquad, state: list[int], block: list[int]) -> tuple[list[int], list[int]]:
    b0, b1, b2, a1, a2 = section
    x1, x2, y1, y2, rest = state
    mask = (1 << COEFFICIENT_BITS) - 1
    out = []
    for x in block:
        acc = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2 + rest
        x2, x1 = x1, x
        y2, y1 = y1, acc >> COEFFICIENT_BITS
        rest = acc & mask
        out.append(y1)
    return out, [x1, x2, y1, y2, rest]
