"""A figure's value as text."""

from __future__ import annotations

from cortexcore.targets.profile import Figure

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_PREFIXED = ("s", "J", "W")


def quantity(value: float, unit: str) -> str:
    """A value with its unit, seconds and joules and watts with a prefix: ``quantity(2.5e-6, "J")`` is "2.5 µJ"."""
    if unit in _PREFIXED and value:
        scale, prefix = next((p for p in _PREFIXES if abs(value) >= p[0]), _PREFIXES[-1])
        return f"{value / scale:.3g} {prefix}{unit}"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
    return f"{number} {unit}"


def shown(figure: Figure) -> str:
    """The figure's value, on one line with its unit."""
    return unbroken(quantity(figure.value, figure.unit))


def band(figure: Figure) -> str:
    """The figure's band, "3 to 4 µJ"; empty where it has none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{quantity(figure.low, figure.unit)} to {quantity(figure.high, figure.unit)}"


def unbroken(text: str) -> str:
    """A number stays on one line with its unit."""
    return text.replace(" ", "\u00a0")
