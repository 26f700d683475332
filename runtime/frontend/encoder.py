"""Beats to network input by direct (graded) coding: the same integer currents at every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime.frontend.beat import Beat


def encode(windows: NDArray[np.int8], rhythms: NDArray[np.int8], steps: int) -> dict[str, NDArray[np.int8]]:
    """Network input of many beats.

    Args:
        windows: int8 [n, channels, length].
        rhythms: int8 [n, features].
        steps: time steps per inference.

    Returns:
        ``{"window": [steps, n, channels, length], "rhythm": [steps, n, features]}``, read-only views.
    """
    return {
        "window": np.broadcast_to(windows, (steps, *windows.shape)),
        "rhythm": np.broadcast_to(rhythms, (steps, *rhythms.shape)),
    }


def encode_beats(beats: Sequence[Beat], steps: int) -> dict[str, NDArray[np.int8]]:
    """As :func:`encode`, of beats from the front end. Raises DataError where there are none."""
    if not beats:
        raise DataError("there is no beat to encode: the front end found none in this signal")
    return encode(np.stack([beat.window for beat in beats]), np.stack([beat.rhythm for beat in beats]), steps)
