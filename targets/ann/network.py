"""An int8 ANN in the usual affine form: real = scale·(q − zero), one scale per tensor.

Source of the form: Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", CVPR; ONNX's QLinear operators and TFLite's int8 ones compute it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import Operation

Int32 = NDArray[np.int32]
LOW, HIGH = -128, 127
"""What int8 holds."""


@dataclass(frozen=True)
class Grid:
    """A tensor's scale, a float32 number, and the integer that stands for 0."""

    scale: float
    zero: int


@dataclass(frozen=True, eq=False)
class Connection:
    """One connection: int8 weights, symmetric.

    Attributes:
        name, source: as in the integer network.
        operation: its ``weight`` holds the int8 values, its ``weight_exp`` is 0.
        scale: real weight of one unit.
        bias: int32 [out], in units of the source's scale times ``scale``; out are channels, or neurons where dense.
    """

    name: str
    source: str
    operation: Operation
    scale: float
    bias: Int32


@dataclass(frozen=True, eq=False)
class AnnLayer:
    """What a population becomes: y = ReLU(Σ w·x + bias) on int8; a leaky integrator becomes a linear readout.

    Attributes:
        name, shape: the population's.
        connections: at least one; several are each brought to ``part`` and then added.
        grid: of the output. ReLU needs no operation: its 0 is the lowest int8, where all that is negative saturates.
        part: of each connection's share, where there are several.
        relu: whether the population spikes.
    """

    name: str
    shape: tuple[int, ...]
    connections: tuple[Connection, ...]
    grid: Grid
    part: Grid
    relu: bool


@dataclass(frozen=True)
class AnnInput:
    """An input port, its steps gathered into one value: the mean."""

    name: str
    shape: tuple[int, ...]
    grid: Grid


@dataclass(frozen=True, eq=False)
class Ann:
    """The whole network, layers in order; one pass takes the place of all steps.

    Attributes:
        outputs: layers whose values leave.
        notes: what of the integer network it leaves out or changes, a sentence each.
    """

    inputs: tuple[AnnInput, ...]
    layers: tuple[AnnLayer, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]

    def shape_of(self, source: str) -> tuple[int, ...]:
        return self._tensor(source).shape

    def grid_of(self, source: str) -> Grid:
        return self._tensor(source).grid

    @property
    def tensors(self) -> list[AnnInput | AnnLayer]:
        """Inputs and layers, in order of computation."""
        return [*self.inputs, *self.layers]

    def _tensor(self, name: str) -> AnnInput | AnnLayer:
        return next(tensor for tensor in self.tensors if tensor.name == name)
