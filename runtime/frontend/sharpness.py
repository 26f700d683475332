"""How sharply the signal bends, and how much of that there is: what tells a QRS from P and T waves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.runtime.frontend.config import FrontEndConfig

BEND_SHIFT = 4
POWER_SHIFT = 8


class Sharpness:
    """Band-pass, derivative, square and moving-window integration (Pan & Tompkins 1985) without recursion.

    bend = (box(m) * box(m) * (1 − z^−d) * (1 − z^−d)) filtered >> 4: smoothing by two boxes and two differences,
    symmetric, so an R peak stays a peak, late by ``config.bend_delay`` exactly; its band is about 5 to 20 Hz.
    power = Σ (bend² >> 8) over the last ``qrs_integrate`` samples.
    Widths, from |filtered| < 2^24 on: bend int32 (below 2^27; its sum 2^31), bend² and power int64 (below 2^52).
    """

    def __init__(self, config: FrontEndConfig) -> None:
        box = np.ones(config.qrs_smooth, dtype=np.int64)
        lag = np.zeros(config.qrs_lag + 1, dtype=np.int64)
        lag[0], lag[-1] = 1, -1
        self._taps = np.convolve(np.convolve(box, box), np.convolve(lag, lag))
        self._past = np.zeros(len(self._taps) - 1, dtype=np.int64)
        self._squares = np.zeros(config.qrs_integrate, dtype=np.int64)
        self._power = 0

    def push(self, filtered: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """bend and power of the next samples, at least one, each int64 [N]."""
        samples = np.concatenate([self._past, filtered])
        bend = np.correlate(samples, self._taps) >> BEND_SHIFT  # the taps are symmetric
        self._past = samples[len(filtered) :]
        squares = np.concatenate([self._squares, (bend * bend) >> POWER_SHIFT])
        power = self._power + np.add.accumulate(squares[-len(filtered) :] - squares[: len(filtered)])
        self._squares = squares[len(filtered) :]
        self._power = int(power[-1])
        return bend, power
