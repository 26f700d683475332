"""The int8 arithmetic of an ANN in NumPy: what ONNX Runtime and TFLite are compared with.

    acc = Σ w·(x − zero_x) + bias                                                int32
    y = clip(round(acc·scale_x·scale_w / scale_y) + zero_y, −128, 127)           in float32, half to even

as ONNX Runtime's kernels do it. TFLite multiplies with a 31-bit fixed-point number instead and rounds half away from
zero, which can differ by one unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer import Array
from cortexcore.targets.ann.network import HIGH, LOW, Ann, AnnLayer, Connection, Grid
from cortexcore.targets.ann.products import products

Int8 = NDArray[np.int8]


def encode(ann: Ann, inputs: Mapping[str, Array]) -> dict[str, Int8]:
    """Inputs of the integer network [T, B, *shape] → the ANN's [B, *shape], the mean over the steps on int8."""
    means = {port.name: np.asarray(inputs[port.name]).mean(axis=0, dtype=np.float64) for port in ann.inputs}
    return {port.name: _on(port.grid, means[port.name] / port.grid.scale) for port in ann.inputs}


def run(ann: Ann, inputs: Mapping[str, Int8]) -> dict[str, Int8]:
    """One pass: inputs [B, *shape] → every layer's values [B, *shape]."""
    values: dict[str, Int8] = dict(inputs)
    for layer in ann.layers:
        values[layer.name] = _layer(ann, layer, values)
    return {layer.name: values[layer.name] for layer in ann.layers}


def _layer(ann: Ann, layer: AnnLayer, values: Mapping[str, Int8]) -> Int8:
    alone = len(layer.connections) == 1
    grid = layer.grid if alone else layer.part
    shares = [_share(c, values[c.source], ann.grid_of(c.source), grid) for c in layer.connections]
    shape = (len(shares[0]), *layer.shape)
    if alone:
        return shares[0].reshape(shape)
    total = shares[0].reshape(shape)
    for i, share in enumerate(shares[1:], start=2):
        last = layer.grid if i == len(shares) else layer.part
        units = total.astype(np.float32) + share.reshape(shape).astype(np.float32)
        total = _on(last, units * (np.float32(layer.part.scale) / np.float32(last.scale)))
    return total


def _share(connection: Connection, x: Int8, source: Grid, grid: Grid) -> Int8:
    acc = products(connection.operation, x.astype(np.int16) - source.zero)
    acc += connection.bias.reshape(-1, *(1 for _ in acc.shape[2:]))
    factor = np.float32(source.scale) * np.float32(connection.scale) / np.float32(grid.scale)
    return _on(grid, acc.astype(np.float32) * factor)


def _on(grid: Grid, units: NDArray[np.floating[Any]]) -> Int8:
    held: Int8 = (np.rint(units) + grid.zero).clip(LOW, HIGH).astype(np.int8)
    return held
