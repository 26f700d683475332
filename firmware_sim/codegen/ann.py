"""An int8 ANN as a microcontroller computes it, all in integers, and the same arithmetic in NumPy.

A layer slides a window over what it reads, or takes all of it at once, which is a dense layer:

    acc[q][o] = bias[o] + Σ_i weight[o][i]·x[q·step + i]                            int32, never overflows
    y[q][o]   = clip((acc·multiplier + 2^(shift − 1)) >> shift) + zero, −128, 127)  int64, halves up

x is what its sources send, one after the other, each with its channels last. A value y stands for (y − zero)·scale;
the zeros of x are in the bias already. ReLU needs no operation: with zero = −128 all that is negative saturates there.

Source: Jacob et al. 2018, "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR; the product is rounded once, as TFLite does where it is built with TFLITE_SINGLE_ROUNDING.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, GraphError

LOW, HIGH = -128, 127
"""What int8 holds."""
SHIFTS = range(33, 55)
"""The half and the zero, shifted as far, lie in the upper word of the product alone, and fit into it."""
MULTIPLIERS = range(2**30, 2**31)
Int8 = NDArray[np.int8]


@dataclass(frozen=True)
class AnnPort:
    """An input: int8 as they come, 0 stands for 0; ``shape`` is (channels, positions) or (values,)."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class AnnLayer:
    """One layer, see the equation above.

    Attributes:
        name, shape: (channels, positions) of a convolution, (units,) of a dense layer.
        sources: the layer before it, unless it is the first, then input ports.
        step: values between the windows of neighbouring positions; of no account in a dense layer.
        weight: int8 [channels or units, window], symmetric.
        bias: int32 [channels or units].
        multiplier, shift, zero: bring a sum onto the output's grid.
        scale: of the output, for those who read it; nothing is computed with it.
    """

    name: str
    shape: tuple[int, ...]
    sources: tuple[str, ...]
    step: int
    weight: Int8
    bias: NDArray[np.int32]
    multiplier: int
    shift: int
    zero: int
    scale: float

    @property
    def positions(self) -> int:
        return math.prod(self.shape[1:])


@dataclass(frozen=True, eq=False)
class Int8Ann:
    """A chain of layers; checked at construction.

    Attributes:
        classes: what the last layer's units stand for.

    Raises:
        GraphError: with all that does not fit together, or that the arithmetic cannot hold.
    """

    ports: tuple[AnnPort, ...]
    layers: tuple[AnnLayer, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        problems = [f"'{layer.name}' {what}" for i, layer in enumerate(self.layers) for what in self._wrong(i, layer)]
        if len(self._shapes) < len(self.ports) + len(self.layers):
            problems.append("two of its inputs and layers have the same name")
        if not self.layers or self.layers[-1].shape != (len(self.classes),):
            problems.append(f"its last layer must have one unit for each of the {len(self.classes)} classes")
        if problems:
            raise GraphError("the int8 ANN does not hold together: " + "; ".join(problems))

    def size(self, name: str) -> int:
        """Values of an input or of a layer."""
        return math.prod(self._shapes[name])

    def read(self, layer: AnnLayer) -> int:
        """Values that a layer reads."""
        return sum(self.size(source) for source in layer.sources)

    @property
    def macs(self) -> int:
        """Multiplications of one pass, none left out."""
        return sum(layer.weight.size * layer.positions for layer in self.layers)

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = {port.name: port.shape for port in self.ports}
        return shapes | {layer.name: layer.shape for layer in self.layers}

    def _wrong(self, index: int, layer: AnnLayer) -> list[str]:
        """All that is wrong with one layer."""
        ports = {port.name for port in self.ports}
        before = () if index == 0 else (self.layers[index - 1].name,)
        if (
            layer.sources[: len(before)] != before
            or not set(layer.sources[len(before) :]) <= ports
            or not layer.sources
        ):
            return [f"reads {layer.sources}: allowed are the layer before it, first, and input ports"]
        outputs, window = layer.weight.shape
        found = []
        if layer.shape[0] != outputs or layer.bias.shape != (outputs,) or len(layer.shape) > 2:
            found.append(f"has the shape {layer.shape}, but weights for {outputs} and biases for {layer.bias.size}")
        if layer.step < 0 or (layer.positions - 1) * layer.step + window > self.read(layer):
            found.append(f"reaches beyond the {self.read(layer)} values that it reads")
        if layer.shift not in SHIFTS or layer.multiplier not in MULTIPLIERS:
            found.append(
                f"multiplies by {layer.multiplier}·2^−{layer.shift}, it must be 2^30 to 2^31 − 1 and "
                f"2^−{SHIFTS[0]} to 2^−{SHIFTS[-1]}"
            )
        if not LOW <= layer.zero <= HIGH:
            found.append(f"has the zero {layer.zero}, int8 holds {LOW} to {HIGH}")
        reach = np.abs(layer.weight.astype(np.int64)).sum(axis=1) * -LOW + np.abs(layer.bias.astype(np.int64))
        if reach.max(initial=0) >= 2**31:
            found.append("has sums that can leave 32 bits: its weights and biases are too large")
        return found


def fixed_point(factor: float) -> tuple[int, int]:
    """The multiplier and shift that stand for a real factor.

    Raises:
        GraphError: it is not in the range that SHIFTS allows, 2^−24 to just under 1/4.
    """
    mantissa, exponent = math.frexp(factor)
    multiplier = round(mantissa * 2**31)
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    shift = 31 - exponent
    if not factor > 0 or shift not in SHIFTS:
        raise GraphError(f"sums cannot be multiplied by {factor:g}: it must lie between 2^−24 and 1/4")
    return multiplier, shift


def run(ann: Int8Ann, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Int8]:
    """One pass over a batch.

    Args:
        inputs: port → integers of int8's range [B, *shape].

    Returns:
        layer → what it sends [B, *shape].

    Raises:
        DataError: an input is missing, has another shape, or leaves int8.
    """
    sent: dict[str, NDArray[np.int64]] = {}
    for port in ann.ports:
        values = np.asarray(inputs.get(port.name, ()))
        if values.shape[1:] != port.shape or not np.array_equal(values, values.astype(np.int8)):
            raise DataError(f"input '{port.name}' must hold integers from {LOW} to {HIGH} of shape [B, *{port.shape}]")
        sent[port.name] = _channels_last(values.astype(np.int64))
    found = {}
    for layer in ann.layers:
        x = np.concatenate([sent[source] for source in layer.sources], axis=1)
        window = layer.weight.shape[1]
        at = np.arange(layer.positions)[:, None] * layer.step + np.arange(window)
        acc = x[:, at] @ layer.weight.T.astype(np.int64) + layer.bias
        rounded = (acc * layer.multiplier + (1 << (layer.shift - 1))) >> layer.shift
        y = (rounded + layer.zero).clip(LOW, HIGH)
        sent[layer.name] = y.reshape(len(y), -1)
        found[layer.name] = np.ascontiguousarray(y.swapaxes(1, 2), np.int8).reshape(len(y), *layer.shape)
    return found


def _channels_last(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """[B, channels, positions] or [B, values] → [B, values]."""
    return (values.swapaxes(1, 2) if values.ndim == 3 else values).reshape(len(values), -1)
