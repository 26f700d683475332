"""The types in which a float model can compute; needs nothing installed."""

from __future__ import annotations

from typing import Literal, get_args

Precision = Literal["float32", "float64"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""float64 reproduces the reference to the last spike; float32 is smaller, quicker and what networks are trained in."""
