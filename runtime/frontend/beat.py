"""What the front end hands to the network: one beat, integers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Beat:
    """A detected heart beat.

    Attributes:
        sample: index of the R peak in the 250 Hz input, counted from the stream's first sample.
        ready: index of the input sample with which the beat was complete; ready − sample is the decision's delay.
        window: int8 [channels, length], the normalised signal around the peak, in [−127, 127].
        rhythm: int8 [features], the normalised RR features, in [−127, 127]; causal.
        rr_ms: interval to the beat before in milliseconds, 0 for the first beat and the first after a long gap.
    """

    sample: int
    ready: int
    window: NDArray[np.int8]
    rhythm: NDArray[np.int8]
    rr_ms: int
