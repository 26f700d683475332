"""One TFLite model and what a caller must know to read it; needs nothing but NumPy."""

from __future__ import annotations

from dataclasses import dataclass

METADATA_KEY = "cortexcore"
"""Entry of a model's metadata that holds our JSON."""
PREVIOUS, NEXT, TRACE = "previous/", "next/", "trace/"
"""How a model calls the states that it takes, those that it returns, and what it tells beside the outputs."""


@dataclass(frozen=True, eq=False)
class Form:
    """One of the two models of a network, see :mod:`cortexcore.targets.tflite.forms`.

    Attributes:
        data: the file.
        outputs: output, or ``next/…`` of a state, ``trace/…`` → its tensor.
        operators: population → how many operators it took.
    """

    data: bytes
    outputs: dict[str, int]
    operators: dict[str, int]
