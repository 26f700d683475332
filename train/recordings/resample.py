"""The database's 360 Hz to the 250 Hz a wearable sends."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np

from cortexcore.errors import missing_package
from cortexcore.train.recordings.recording import Recording

WEARABLE_RATE_HZ = 250
"""The rate inside CortexCore."""


def to_wearable_rate(recording: Recording) -> Recording:
    """Resample to 250 Hz: polyphase (25/36 from 360 Hz, zero phase), rounded to 16-bit counts of the same gain.

    Samples beyond 16 bit are clipped, never wrapped, and counted in ``clipped``. The signal is continued by its edge
    values, so that an offset does not ring at the ends. A recording at 250 Hz already is returned as it is.
    """
    if recording.rate_hz == WEARABLE_RATE_HZ:
        return recording
    try:
        from scipy.signal import resample_poly
    except ImportError:
        raise missing_package("scipy", "train", "resampling recordings") from None
    divisor = gcd(WEARABLE_RATE_HZ, recording.rate_hz)
    exact = resample_poly(
        recording.counts.astype(np.float64), WEARABLE_RATE_HZ // divisor, recording.rate_hz // divisor, padtype="edge"
    )
    rounded = np.rint(exact)
    limits = np.iinfo(np.int16)
    clipped = int(np.count_nonzero((rounded < limits.min) | (rounded > limits.max)))
    counts = np.clip(rounded, limits.min, limits.max).astype(np.int16)
    return replace(recording, counts=counts, rate_hz=WEARABLE_RATE_HZ, clipped=recording.clipped + clipped)
