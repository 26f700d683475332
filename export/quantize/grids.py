"""Loihi's number grids: which integers a weight, a decay, a threshold and a bias can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import BIAS_EXPONENT_LIMIT, BIAS_LIMIT, DECAY_ONE, WEIGHT_LIMIT, Field

Float = NDArray[np.float64]
Int = NDArray[np.int32]


def step_of(bits: int) -> int:
    """Distance of neighbouring mixed-sign weights: 2 at 8 bits, 128 at 2 bits."""
    return 1 << (9 - bits)


def weights_on_grid(wanted: Float, bits: int) -> Int:
    """The nearest weights in [−256, 256 − step], clipped to it; halves go to even multiples."""
    step = step_of(bits)
    grid: Int = np.clip(np.round(wanted / step) * step, -WEIGHT_LIMIT, WEIGHT_LIMIT - step).astype(np.int32)
    return grid


def top_ratio(weights: Float, bits: int, percentile: float = 100.0) -> float:
    """The factor that must divide ``weights`` so that they just fit the grid; 0 for weights that are all zero.

    With a ``percentile`` below 100 that share of the magnitudes fits and the rest is clipped.
    """
    relative = np.where(weights > 0, weights / (WEIGHT_LIMIT - step_of(bits)), -weights / WEIGHT_LIMIT)
    return float(np.percentile(relative, percentile)) or float(relative.max(initial=0.0))


def decay_voltage(beta: Float) -> Field:
    """dv of membranes that keep the share β per step: (4096 − dv)/4096 ≈ β; 4096 where β is 0, else 12 bits."""
    return field_of(np.where(beta == 0, DECAY_ONE, np.minimum(np.round(DECAY_ONE * (1 - beta)), DECAY_ONE - 1)))


def decay_current(alpha: Float) -> Field:
    """du of currents that keep the share α per step: (4096 − du − 1)/4096 ≈ α, 12 bits."""
    return field_of(np.clip(np.round(DECAY_ONE * (1 - alpha)) - 1, 0, DECAY_ONE - 1))


def field_of(values: Float) -> Field:
    """Whole numbers as a register holds them: one where all are equal, else one per neuron."""
    if bool(np.all(values == values.flat[0])):
        return int(values.flat[0])
    return values.astype(np.int32)


def bias_on_grid(wanted: Float) -> tuple[Int, int] | None:
    """Mantissas and the shared exponent for biases in units of v; None where they are too large.

    The mantissas are a scalar where all are equal. The exponent is the smallest that holds the largest.
    """
    if wanted.ndim and np.all(wanted == wanted.flat[0]):
        wanted = wanted.reshape(-1)[0].reshape(())
    for exponent in range(BIAS_EXPONENT_LIMIT + 1):
        mantissa = np.round(wanted / 2**exponent)
        if np.abs(mantissa).max(initial=0) < BIAS_LIMIT:
            return mantissa.astype(np.int32), exponent
    return None
