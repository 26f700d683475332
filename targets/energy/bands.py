"""Values that are known to lie between two others, and arithmetic with them."""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.targets.profile import Figure, FigureKind


@dataclass(frozen=True)
class Band:
    """A value that is not negative, and the least and the most that it may be."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Band:
        """A value without doubt."""
        return cls(value, value, value)

    @classmethod
    def between(cls, low: float, high: float) -> Band:
        """The middle of two bounds."""
        return cls((low + high) / 2, low, high)

    def __add__(self, other: Band) -> Band:
        return Band(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, factor: Band | float) -> Band:
        other = factor if isinstance(factor, Band) else Band.exactly(factor)
        return Band(self.value * other.value, self.low * other.low, self.high * other.high)

    def __truediv__(self, divisor: Band | float) -> Band:
        other = divisor if isinstance(divisor, Band) else Band.exactly(divisor)
        return Band(self.value / other.value, self.low / other.high, self.high / other.low)

    def figure(self, unit: str, kind: FigureKind, source: str, conditions: str = "") -> Figure:
        """With what it takes to be believed; without a band where it has none."""
        if self.low == self.high:
            return Figure(self.value, unit, kind, source, conditions)
        return Figure(self.value, unit, kind, source, conditions, self.low, self.high)
