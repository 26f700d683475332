"""A fiducial in the filtered signal to the network's input: window, shape and rhythm."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.config import RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.fixed import log2_ratio, lower_median
from cortexcore.runtime.frontend.history import History
from cortexcore.runtime.frontend.rhythm import RR_FEATURES, RhythmTracker
from cortexcore.runtime.frontend.shapes import ShapeBook

SHAPE_FEATURES: tuple[str, ...] = ("height_to_usual", "width_to_usual", "qrs_match", "p_match", "shape_share")
"""What the beat's shape adds to the rhythm features, in this order."""

FEATURES: tuple[str, ...] = RR_FEATURES + SHAPE_FEATURES
"""Names of ``Beat.rhythm``."""

CHANNELS: tuple[str, ...] = ("signal", "difference")
"""Names of ``Beat.window``'s channels: the beat, and the beat less the patient's commonest shape."""

FEATURES_VERSION = 1
"""Changes with the meaning of windows or features, so that a host knows whether a board computes what it expects."""

MS_PER_SAMPLE = 1000 // RATE_HZ


class BeatBuilder:
    """Per-patient state, fed beat after beat in order of time.

    Heights and widths are compared with the running medians over the last ``memory`` beats, this one included, so one
    large ectopic beat stays large in its window. width = 16 · Σ|x − mean of both ends| / height over ±``qrs_reach``.
    """

    def __init__(self, config: FrontEndConfig) -> None:
        self._config = config
        self._heights: deque[int] = deque(maxlen=config.memory)
        self._widths: deque[int] = deque(maxlen=config.memory)
        self._shapes = ShapeBook(config)
        self._rhythm = RhythmTracker(config)

    def restart(self) -> None:
        """The stream broke: the next RR interval is unknown; what is usual for the patient is kept."""
        self._rhythm.restart()

    def build(self, filtered: History, fiducial: int, sample: int, ready: int) -> Beat:
        """One beat.

        Args:
            filtered: the filtered signal.
            fiducial: index of the QRS in it; windows are aligned and intervals counted by it.
            sample: index of the R peak in the input.
            ready: index of the input sample with which the beat was complete.
        """
        config = self._config
        qrs = filtered.part(fiducial - config.qrs_reach, fiducial + config.qrs_reach + 1)
        height = max(1, int(qrs.max()) - int(qrs.min()))
        base = (int(qrs[0]) + int(qrs[-1])) >> 1
        width = 16 * int(np.abs(qrs - base).sum()) // height
        self._heights.append(height)
        self._widths.append(width)
        usual_height = lower_median(self._heights)
        window = self._window(filtered, fiducial, usual_height)
        difference, qrs_match, p_match, share = self._shapes.compare(window)
        interval, features = self._rhythm.features(fiducial)
        features += [
            log2_ratio(height, usual_height),
            log2_ratio(width, lower_median(self._widths)),
            qrs_match,
            p_match,
            share,
        ]
        return Beat(
            sample=sample,
            ready=ready,
            window=np.array([window, difference], dtype=np.int8),
            rhythm=np.array(features, dtype=np.int8),
            rr_ms=interval * MS_PER_SAMPLE,
        )

    def _window(self, filtered: History, fiducial: int, usual_height: int) -> list[int]:
        """The decimated signal, scale · x / height to the nearest whole number (halves up), saturated to ±127."""
        config = self._config
        start = fiducial - config.decimation * config.window_before
        stop = fiducial + config.decimation * config.window_after + 1
        values: NDArray[np.int64] = filtered.part(start, stop)[:: config.decimation]
        scaled = (2 * config.window_scale * values + usual_height) // (2 * usual_height)
        window: list[int] = np.clip(scaled, -127, 127).tolist()
        return window
