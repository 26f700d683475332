"""The shapes of beat a patient has, learnt while listening; the commonest is what the others are compared with."""

from __future__ import annotations

from cortexcore.runtime.frontend.config import FrontEndConfig
from cortexcore.runtime.frontend.fixed import clip8, correlation

FRACTION_BITS = 8


class Shape:
    """One running average of windows, int16 in 1/256 of a window step, and how many beats it stands for."""

    def __init__(self, window: list[int]) -> None:
        self.average = [value << FRACTION_BITS for value in window]
        self.count = 1

    def rounded(self) -> list[int]:
        """The average in window steps, halves up."""
        half = 1 << (FRACTION_BITS - 1)
        return [(value + half) >> FRACTION_BITS for value in self.average]

    def follow(self, window: list[int], shift: int) -> None:
        """average += (window − average) / 2^shift, rounded down."""
        self.average = [
            old + (((new << FRACTION_BITS) - old) >> shift) for old, new in zip(self.average, window, strict=True)
        ]
        self.count += 1


class ShapeBook:
    """Up to ``templates`` shapes. A beat joins the one its QRS correlates with best, if well enough, else starts one.

    A full book gives up its rarest shape (never the commonest; the lower index of two). All state is integer.
    """

    def __init__(self, config: FrontEndConfig) -> None:
        self._config = config
        self._shapes: list[Shape] = []
        self._qrs = slice(config.window_before - config.shape_reach, config.window_before + config.shape_reach + 1)
        self._p_wave = slice(config.window_before - config.p_start, config.window_before - config.p_stop)
        self._threshold = (127 * config.match_percent) // 100

    def compare(self, window: list[int]) -> tuple[list[int], int, int, int]:
        """Compare a window with the shapes so far, then let it join them.

        Args:
            window: int8 values, decimated.

        Returns:
            the window less the commonest shape (int8, saturated; zeros for the first beat); its correlation with that
            shape over the QRS and over the P wave (127 = equal); the share of the patient's recent beats that look like
            this one (127 = all).
        """
        if not self._shapes:
            self._shapes.append(Shape(window))
            return [0] * len(window), 127, 127, 127
        common = self._commonest().rounded()
        difference = [clip8(new - old) for new, old in zip(window, common, strict=True)]
        qrs = correlation(window[self._qrs], common[self._qrs])
        p_wave = correlation(window[self._p_wave], common[self._p_wave])
        joined = self._join(window)
        share = 127 * joined.count // sum(shape.count for shape in self._shapes)
        return difference, qrs, p_wave, share

    def _commonest(self) -> Shape:
        return max(self._shapes, key=lambda shape: shape.count)

    def _join(self, window: list[int]) -> Shape:
        qrs = window[self._qrs]
        scores = [correlation(qrs, shape.rounded()[self._qrs]) for shape in self._shapes]
        best = max(range(len(scores)), key=scores.__getitem__)
        if scores[best] >= self._threshold:
            shape = self._shapes[best]
            shift = min(shape.count.bit_length(), self._config.template_shift)
            shape.follow(window, shift)
        else:
            shape = self._replace(Shape(window))
        if shape.count >= self._config.count_limit:
            for each in self._shapes:
                each.count = max(1, each.count >> 1)
        return shape

    def _replace(self, shape: Shape) -> Shape:
        if len(self._shapes) < self._config.templates:
            self._shapes.append(shape)
        else:
            rarest = min(range(len(self._shapes)), key=lambda index: self._shapes[index].count)
            self._shapes[rarest] = shape
        return shape
