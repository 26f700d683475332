"""The ANN as a TFLite model of int8 CONV_2D, FULLY_CONNECTED and ADD.

TFLite keeps channels last, so tensors are stored that way and the weights of dense layers are put in that order;
nothing is transposed at run time but what enters and leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import Conv1d, Conv2d, Convolution, Dense
from cortexcore.targets.ann.network import Ann, AnnLayer, Connection, Grid
from cortexcore.targets.ann.run import Int8

if TYPE_CHECKING:
    from cortexcore.targets.tflite.flatbuffer import ModelBuild, Quantization

VERSIONS = {"FULLY_CONNECTED": 4, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "ADD": 2, "PAD": 2}
"""The first of each operator that takes int8."""


def to_tflite(ann: Ann, trace: bool = False) -> bytes:
    """The model: inputs int8 [N, *stored] → outputs int8 [N, *stored], see :func:`stored`; all layers with ``trace``.

    Raises:
        TargetUnavailable: the package tflite is not installed.
    """
    from cortexcore.targets.tflite.flatbuffer import ModelBuild

    m = ModelBuild()
    tensors = {p.name: m.input(p.name, "int8", (-1, *stored(p.shape)), _quantization(p.grid)) for p in ann.inputs}
    for layer in ann.layers:
        grid = layer.grid if len(layer.connections) == 1 else layer.part
        total, *others = [_connect(m, ann, layer, c, tensors[c.source], grid) for c in layer.connections]
        for i, share in enumerate(others, start=1):
            last = layer.grid if i == len(others) else layer.part
            total = _op(m, "ADD", [total, share], layer.shape, last, fused_activation_function="NONE")
        tensors[layer.name] = total
    for name in [layer.name for layer in ann.layers] if trace else ann.outputs:
        m.output(name, tensors[name])
    return m.finish({})


def tflite_runner(
    ann: Ann, interpreter: Callable[..., Any], batch: int = 1, threads: int = 1, trace: bool = False
) -> Callable[[Mapping[str, Int8]], dict[str, Int8]]:
    """A function that runs the model: inputs [batch, *shape] → outputs [batch, *shape].

    Args:
        interpreter: the class ``Interpreter`` of tflite-runtime or of ai-edge-litert.
    """
    session = interpreter(model_content=to_tflite(ann, trace), num_threads=threads)
    entering = dict(zip([p.name for p in ann.inputs], session.get_input_details(), strict=True))
    for port in ann.inputs:
        session.resize_tensor_input(entering[port.name]["index"], (batch, *stored(port.shape)))
    session.allocate_tensors()
    names = [layer.name for layer in ann.layers] if trace else list(ann.outputs)
    leaving = dict(zip(names, session.get_output_details(), strict=True))

    def run(inputs: Mapping[str, Int8]) -> dict[str, Int8]:
        for name, detail in entering.items():
            session.set_tensor(detail["index"], _laid(inputs[name]))
        session.invoke()
        return {n: _unlaid(session.get_tensor(d["index"]), (batch, *ann.shape_of(n))) for n, d in leaving.items()}

    return run


def stored(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How a tensor lies in the model: (C, L) as (1, L, C) and (C, H, W) as (H, W, C); any other flat."""
    match shape:
        case (channels, length):
            return 1, length, channels
        case (channels, height, width):
            return height, width, channels
        case _:
            return (math.prod(shape),)


def _connect(m: ModelBuild, ann: Ann, layer: AnnLayer, c: Connection, source: int, grid: Grid) -> int:
    """One connection's share on ``grid``, laid out as the layer's output."""
    match c.operation:
        case Dense():
            return _dense(m, ann, layer, c, source, grid)
        case Conv1d() | Conv2d():
            return _convolution(m, ann, layer, c, c.operation, source, grid)
        case _:
            raise TypeError(f"no TFLite for the operation {type(c.operation).__name__}")


def _dense(m: ModelBuild, ann: Ann, layer: AnnLayer, c: Connection, source: int, grid: Grid) -> int:
    rows, columns = _order(layer.shape), _order(ann.shape_of(c.source))
    weight = m.constant(c.operation.weight[rows][:, columns].astype(np.int8), c.name, _quantization(Grid(c.scale, 0)))
    bias = m.constant(c.bias[rows], f"{c.name}/bias", _quantization(_products(ann, c)))
    size = math.prod(layer.shape)
    flat = _op(m, "FULLY_CONNECTED", [source, weight, bias], (size,), grid, fused_activation_function="NONE")
    if len(layer.shape) == 1:
        return flat
    return _op(m, "RESHAPE", [flat, m.ints(-1, *stored(layer.shape))], layer.shape, grid)


def _convolution(
    m: ModelBuild, ann: Ann, layer: AnnLayer, c: Connection, op: Convolution, source: int, grid: Grid
) -> int:
    out, per_group, *kernel = op.weight.shape
    height, width = (1, *kernel) if len(kernel) == 1 else kernel
    vertical, horizontal = (0, *op.window.padding) if len(kernel) == 1 else op.window.padding
    if vertical or horizontal:
        channels, *space = ann.shape_of(c.source)
        grown = [n + 2 * p for n, p in zip(space, op.window.padding, strict=True)]
        pads = m.constant(np.array([[0, 0], [vertical] * 2, [horizontal] * 2, [0, 0]], np.int32))
        source = _op(m, "PAD", [source, pads], (channels, *grown), ann.grid_of(c.source))
    depthwise = per_group == 1 and op.groups > 1
    stride, dilation = ((1, *x) if len(x) == 1 else x for x in (op.window.stride, op.window.dilation))
    values = np.moveaxis(op.weight.reshape(out, per_group, height, width), 1, -1).astype(np.int8)
    values = np.moveaxis(values, 0, -1).reshape(1, height, width, out) if depthwise else values
    weight = m.constant(np.ascontiguousarray(values), c.name, _quantization(Grid(c.scale, 0)))
    bias = m.constant(c.bias, f"{c.name}/bias", _quantization(_products(ann, c)))
    return _op(
        m,
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [source, weight, bias],
        layer.shape,
        grid,
        padding="VALID",
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
        fused_activation_function="NONE",
        **({"depth_multiplier": out // op.groups} if depthwise else {}),
    )


def _op(m: ModelBuild, kind: str, inputs: list[int], shape: tuple[int, ...], grid: Grid, **options: Any) -> int:
    version = VERSIONS.get(kind, 1)
    return m.op(kind, inputs, "int8", (-1, *stored(shape)), _quantization(grid), version=version, **options)


def _products(ann: Ann, c: Connection) -> Grid:
    """The grid of Σ w·x, on which the bias stands."""
    return Grid(float(np.float32(ann.grid_of(c.source).scale) * np.float32(c.scale)), 0)


def _quantization(grid: Grid) -> Quantization:
    from cortexcore.targets.tflite.flatbuffer import Quantization

    return Quantization((grid.scale,), (grid.zero,))


def _order(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Which of a tensor's values, flattened as the network has them, lies at each place of the model's."""
    return _laid(np.arange(math.prod(shape)).reshape(1, *shape)).reshape(-1)


def _laid(values: NDArray[Any]) -> NDArray[Any]:
    """[N, *shape] → [N, *stored]."""
    return np.ascontiguousarray(np.moveaxis(values, 1, -1)).reshape(len(values), *stored(values.shape[1:]))


def _unlaid(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """[N, *stored] → ``shape``, [N, channels, *space]."""
    return np.moveaxis(values.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
