"""A node's fields out of a NIR file: numbers, sizes and parameters, or an error that says which is of another kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.nodes import Float, Reset
from cortexcore.export.shapes import Shape

Tree = Mapping[str, Any]
"""A group: name → group, text, array of numbers, object array of texts, or None for an empty dataset."""
MAX_SIZE = 2**31
"""Sizes, strides and paddings beyond this are damage."""


@dataclass(frozen=True)
class Said:
    """What a file's own metadata, or the caller, says of a node beyond NIR's fields.

    Attributes:
        reset, reset_delay: of a spiking neuron.
        groups: of a convolution that is written without groups.
        kernel: its true kernel, where it is written as a larger one with zeros around it.
        shared: the parameters that all neurons share; None in a file that does not say.
    """

    reset: Reset | None = None
    reset_delay: bool = False
    groups: int = 1
    kernel: Shape | None = None
    shared: frozenset[str] | None = None


def number(value: Any) -> float:
    """A single number as a float; GraphError where it is none."""
    try:
        array = np.asarray(value, dtype=np.float64)
        return float(array.reshape(()))
    except (TypeError, ValueError) as error:
        raise GraphError(f"'{value}' is not a single number") from error


def array(group: Tree, key: str) -> Float:
    """Numbers of any shape as float64, in memory of their own. KeyError where the field is missing."""
    value = group[key]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise GraphError(f"holds no numbers in '{key}'")
    return np.array(value, dtype=np.float64)


def whole(group: Tree, key: str) -> Shape:
    """Whole numbers, one or several."""
    values = array(group, key).reshape(-1)
    if not np.array_equal(values, np.round(values)) or np.abs(values).max(initial=0) > MAX_SIZE:
        raise GraphError(f"holds no whole numbers in '{key}'")
    return tuple(int(v) for v in values)


def one(group: Tree, key: str) -> int:
    """A single whole number."""
    values = whole(group, key)
    if len(values) != 1:
        raise GraphError(f"holds {len(values)} numbers in '{key}', it takes one")
    return values[0]


def spatial(group: Tree, key: str, axes: int) -> Shape:
    """One whole number per spatial axis; a single one is meant for each."""
    values = whole(group, key)
    if len(values) not in (1, axes):
        raise GraphError(f"holds {len(values)} numbers in '{key}', it takes one{f' or {axes}' * (axes > 1)}")
    return values if len(values) == axes else values * axes


def shape(group: Tree, *keys: str) -> Shape | None:
    """The shape under the first of ``keys`` that is there, plain or as a dict of one entry; None if none is."""
    for key in keys:
        value = group.get(key)
        if isinstance(value, Mapping) and len(value) == 1:
            (value,) = value.values()
        if value is not None:
            return whole({key: value}, key)
    return None


def parameters(group: Tree, said: Said, *keys: str, **defaults: float) -> tuple[dict[str, Float], Shape | None]:
    """Neuron parameters by name, scalar where all neurons share one, and the neurons' shape.

    The shape is None where every parameter is a single number, which fits any shape.
    """
    arrays = {key: array(group, key) for key in keys}
    arrays |= {key: array(group, key) if key in group else np.array(value) for key, value in defaults.items()}
    try:
        common = np.broadcast_shapes(*(a.shape for a in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{key} {a.shape}" for key, a in arrays.items())
        raise GraphError(f"has parameters of different shapes ({shapes})") from None
    if math.prod(common) == 0:
        raise GraphError(f"has parameters of the shape {common}, which is empty")
    return {key: _shared(key, a, common, said) for key, a in arrays.items()}, common or None


def _shared(key: str, values: Float, common: Shape, said: Said) -> Float:
    """``values`` as a scalar where all neurons share it, else one per neuron."""
    equal = bool(np.all(values == values.flat[0]))
    if (said.shared is None and equal) or not common:
        return np.array(values.flat[0])
    if said.shared is not None and key in said.shared:
        if not equal:
            raise GraphError(f"has different values in '{key}', which all neurons share by the file's metadata")
        return np.array(values.flat[0])
    return np.array(np.broadcast_to(values, common))
