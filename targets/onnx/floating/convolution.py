"""Convolutions in ONNX: its operator in float32; in float64, for which ONNX Runtime has none, a sum over the taps."""

from __future__ import annotations

import numpy as np

from cortexcore.export.nodes import Float
from cortexcore.export.windows import Sizes, Window
from cortexcore.targets.onnx.floating.place import Place


def emit_convolution(place: Place, x: str, shape: tuple[int, ...], weight: Float, window: Window, groups: int) -> str:
    """Cross-correlation without bias, as :func:`cortexcore.export.windows.convolve`.

    Args:
        place: where.
        x: tensor [*lead, *shape], with ``shape`` (in, *sizes).
        shape: as above.
        weight: [out, in/groups, *kernel].
        window: how the kernel slides.
        groups: of channels.

    Returns:
        tensor [*lead, out, *positions].
    """
    positions = window.positions(shape[1:])
    rows = x if place.axes == 1 else place.op("Reshape", x, place.index([-1, *shape]))
    match place.dtype:
        case "float32":
            y = _operator(place, rows, weight, window, groups)
        case "float64":
            y = _taps(place, rows, weight, window, groups, positions)
        case _:
            raise TypeError(f"no convolution in {place.dtype}")
    return place.shaped(y, (len(weight), *positions))


def _operator(place: Place, rows: str, weight: Float, window: Window, groups: int) -> str:
    return place.op(
        "Conv",
        rows,
        place.parameter(weight, "weight"),
        kernel_shape=list(window.kernel),
        strides=list(window.stride),
        pads=[*window.padding, *window.padding],
        dilations=list(window.dilation),
        group=groups,
    )


def _taps(place: Place, rows: str, weight: Float, window: Window, groups: int, positions: Sizes) -> str:
    """Σ_k W[…, k]·x[…, p·stride + k·dilation − padding], one matrix product over the channels per tap k."""
    axes = len(window.kernel)
    if any(window.padding):
        pads = [0, 0, *window.padding, 0, 0, *window.padding]
        rows = place.op("Pad", rows, place.index(pads))
    out, per_group = weight.shape[:2]
    split = place.index([-1, groups, per_group, int(np.prod(positions))])
    total = ""
    for k, tap in enumerate(np.ndindex(*window.kernel)):
        first = [i * d for i, d in zip(tap, window.dilation, strict=True)]
        last = [f + (p - 1) * s + 1 for f, p, s in zip(first, positions, window.stride, strict=True)]
        limits = (place.index(values) for values in (first, last, list(range(2, 2 + axes)), window.stride))
        met = place.op("Reshape", place.op("Slice", rows, *limits), split)
        taken = weight.reshape(out, per_group, -1)[:, :, k].reshape(groups, out // groups, per_group)
        product = place.op("MatMul", place.parameter(taken, "weight"), met)
        total = place.op("Add", total, product) if total else product
    return total
