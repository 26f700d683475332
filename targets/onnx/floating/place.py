"""Where tensors of a float model are computed: all steps at once, or one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cortexcore.targets.onnx.build import DTYPES, Build, value
from cortexcore.targets.onnx.config import Precision


@dataclass(frozen=True)
class Place:
    """Tensors [T, B, *shape], or [B, *shape] of one step.

    Names of tensors hold a "/", which no node of a graph may have in its name: an input or output cannot clash.

    Attributes:
        build: where nodes are added.
        dtype: the type of all signals, states and parameters.
        lead: a tensor with the sizes of the leading axes.
        axes: how many leading axes there are, 2 or 1.
    """

    build: Build
    dtype: Precision
    lead: str
    axes: int

    def op(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.build.node(op, inputs, name=self.build.name(f"float/{op}"), **attributes)

    def cast(self, tensor: str, dtype: str) -> str:
        """A tensor as another type."""
        return self.op("Cast", tensor, to=DTYPES[dtype])

    def parameter(self, values: ArrayLike, hint: str) -> str:
        """A constant in the place's type."""
        return self.build.constant(np.asarray(values).astype(self.dtype), f"float/{hint}")

    def index(self, values: ArrayLike) -> str:
        """A constant of int64: sizes, axes, positions."""
        return self.build.constant(np.asarray(values, np.int64), "float/index")

    def number(self, value: int) -> str:
        """A constant of int64 without axes, which ``Range`` and ``Gather`` tell from a vector of one."""
        return self.op("Constant", value_int=value)

    def joined(self, *sizes: str) -> str:
        """Vectors of sizes as one."""
        return self.op("Concat", *sizes, axis=0)

    def shaped(self, tensor: str, shape: Sequence[int]) -> str:
        """Values of any shape as [*lead, *shape]."""
        if self.axes == 1:
            return self.op("Reshape", tensor, self.index([-1, *shape]))
        return self.op("Reshape", tensor, self.joined(self.lead, self.index(shape)))

    def zeros(self, lead: str, dtype: str, shape: Sequence[int]) -> str:
        """Zeros [*lead, *shape]; ``lead``: a tensor with one size."""
        zero = self.build.constant(np.zeros((1,) * (1 + len(shape)), dtype), "float/zero")
        return self.op("Expand", zero, self.joined(lead, self.index(shape)))


def port(name: str, dtype: str, lead: Sequence[str], shape: Sequence[int]) -> Any:
    """A ValueInfoProto of [*lead, *shape]; a graph's shapes may hold NumPy's integers, which ONNX refuses."""
    return value(name, dtype, [*lead, *map(int, shape)])
