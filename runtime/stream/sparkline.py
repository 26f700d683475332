"""A signal in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """``values`` as bars between their least and greatest, at most ``width`` of them.

    Each bar shows the value of its stretch that lies farthest from the median, so that a narrow QRS stays visible.
    """
    if not values:
        return ""
    signal = np.asarray(values, dtype=np.float64)
    middle = np.median(signal)
    stretches = np.array_split(signal, min(width, signal.size))
    shown = np.array([stretch[np.argmax(np.abs(stretch - middle))] for stretch in stretches])
    low, high = float(shown.min()), float(shown.max())
    span = high - low or 1.0
    return "".join(_BARS[int((value - low) / span * (len(_BARS) - 1) + 0.5)] for value in shown)
