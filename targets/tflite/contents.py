"""What a TFLite file is made of, as plain data; needs nothing installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of every TFLite file."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Quantization:
    """real = scale·(stored − zero_point): one pair for the tensor, or one per index of ``axis``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...] = (0,)
    axis: int = 0


@dataclass(frozen=True)
class Tensor:
    """One tensor; ``buffer`` 0 holds nothing, which is what all but constants have."""

    name: str
    dtype: str
    shape: Shape
    buffer: int
    quantization: Quantization | None


@dataclass(frozen=True)
class Operator:
    """One operator; ``inputs`` and ``outputs`` are tensors by number, ``scope`` is its population or layer."""

    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]
    scope: str


@dataclass(frozen=True)
class Contents:
    """A whole model of one subgraph.

    Attributes:
        operators: in order of computation.
        buffers: the constants' bytes, the first of them empty.
        inputs, outputs: name → tensor; one tensor may leave under several names.
        metadata: entry → text.
    """

    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    buffers: Sequence[bytes]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    metadata: Mapping[str, str]
    description: str
