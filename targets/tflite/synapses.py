"""Currents in TFLite: float32 products with weights that stand in the file as int8, proven exact.

A weight is a DEQUANTIZE of its int8 constant (int16 where it does not fit), which the runtime computes once: an int8
weight that fed a float product directly would choose a hybrid kernel, which quantizes the activations. The scale is the
power of two by which the current counts, so that no digit is lost and no operator spent.

Float32 holds every integer up to 2^24, so a sum of products is exact in whatever order it runs while no part of it can
exceed 2^24. Sources that exceed this are split into digits small enough, one product per digit, and put together again
in int32, modulo what can matter: u wraps to 24 bits after a shift by 6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.bounds import sent_ranges
from cortexcore.export.integer_currents import WRAP
from cortexcore.export.network import THRESHOLD_SHIFT, Conv1d, Conv2d, Dense, IntegerNetwork, Synapses
from cortexcore.export.stored_weight import stored_weight
from cortexcore.targets.bounds import digit_bits
from cortexcore.targets.tflite.exact import fits_float32
from cortexcore.targets.tflite.flatbuffer import NONE, ModelBuild, Quantization
from cortexcore.targets.tflite.neuron import emit_wrap, real

DEQUANTIZE_VERSION = {"int8": 2, "int16": 3}
"""Which version of the operator brought each type."""


def emit_drive(
    m: ModelBuild, network: IntegerNetwork, parts: list[tuple[Synapses, int]], start: int | None, whole: bool
) -> int | None:
    """Σ a·2^6 [rows, neurons], float32 within ±2^23; None of nothing.

    Args:
        parts: each connection with what its source sends, [rows, flattened source] of any type.
        start: a drive to add to, of connections that were summed before.
        whole: no sum of the population's currents can leave ±2^23; otherwise all are summed modulo 2^24.
    """
    total = start
    for s, source in parts:
        current = emit_current(m, network, s, source)
        if total is None:
            total = current
        else:
            total = m.op("ADD", [total, current])
            total = total if whole else emit_wrap(m, total)
    return total


def emit_current(m: ModelBuild, network: IntegerNetwork, s: Synapses, source: int) -> int:
    """a·2^6 of one connection, float32 within ±2^23: exact, or modulo 2^24 where it could leave that."""
    operation = s.operation
    shift = operation.weight_exp + stored_weight(operation)[1]
    if not fits_float32(operation, sent_ranges(network)[s.source]):
        return _emit_digits(m, network, s, source, shift)
    values = m.cast(source, "float32")
    if shift >= 0:
        return _emit_sum(m, network, s, values, 2.0 ** (shift + THRESHOLD_SHIFT))
    floored = m.op("FLOOR", [_emit_sum(m, network, s, values, 2.0**shift)])
    return m.op("MUL", [floored, real(m, 2**THRESHOLD_SHIFT)])


def _emit_digits(m: ModelBuild, network: IntegerNetwork, s: Synapses, source: int, shift: int) -> int:
    """a·2^6 modulo 2^24: source = Σ digit_k·2^(bits·k), all digits non-negative but the last.

    a = ⌊Σ part_k·2^(bits·k + shift)⌋ matters modulo 2^18, the sum before a right shift by n ≤ 8 modulo 2^(18 + n).
    Parts are reduced before they are scaled, so that the 26 there can be stay below 2^31 together; shifts to the left
    are by 15 at most, so that there is always one.
    """
    bits, right = digit_bits(s.operation), max(-shift, 0)
    most = max(map(abs, sent_ranges(network)[s.source]))
    modulus = WRAP >> THRESHOLD_SHIFT << right
    rest, scale = m.cast(source, "int32"), 2 ** max(shift, 0)
    parts: list[int] = []
    while scale < modulus:
        last = most < 2**bits
        digit = rest
        if not last:
            above = m.op("FLOOR_DIV", [rest, _whole(m, 2**bits)])
            digit = m.op("SUB", [rest, m.op("MUL", [above, _whole(m, 2**bits)])])
            rest, most = above, -(-most >> bits)
        part = m.cast(_emit_sum(m, network, s, m.cast(digit, "float32"), 1.0), "int32")
        parts.append(m.op("MUL", [m.op("FLOOR_MOD", [part, _whole(m, modulus // scale)]), _whole(m, scale)]))
        scale <<= bits
        if last:
            break
    total = parts[0]
    for part in parts[1:]:
        total = m.op("ADD", [total, part])
    if right:
        total = m.op("FLOOR_DIV", [total, _whole(m, 2**right)])
    centre = (modulus >> right) // 2 - 1
    shifted = m.op("ADD", [m.op("FLOOR_MOD", [total, _whole(m, modulus >> right)]), _whole(m, centre)])
    centred = m.op("SUB", [m.op("FLOOR_MOD", [shifted, _whole(m, modulus >> right)]), _whole(m, centre)])
    return m.op("MUL", [m.cast(centred, "float32"), real(m, 2**THRESHOLD_SHIFT)])


def _emit_sum(m: ModelBuild, network: IntegerNetwork, s: Synapses, source: int, scale: float) -> int:
    """scale·Σ w·s as float32 [rows, neurons] from float32 [rows, flattened source], w without its common factor."""
    operation = s.operation
    weight = stored_weight(operation)[0]
    match operation:
        case Dense():
            kernel = _emit_weight(m, s, weight, scale)
            return m.op("FULLY_CONNECTED", [source, kernel, NONE], "float32", (-1, len(weight)))
        case Conv1d() | Conv2d():
            return _emit_convolution(m, network, s, operation, source, scale)
        case _:
            raise TypeError(f"no TFLite for the operation {type(operation).__name__}")


def _emit_convolution(
    m: ModelBuild, network: IntegerNetwork, s: Synapses, operation: Conv1d | Conv2d, source: int, scale: float
) -> int:
    """A convolution as TFLite has it: channels last, two spatial axes, padded by an operator of its own.

    Groups need no operator: a kernel of fewer channels than the image makes them (CONV_2D from version 6 on).
    """
    weight = stored_weight(operation)[0]
    channels, *sizes = network.shape_of(s.source)
    window, lone = operation.window, (1,) * (3 - len(network.shape_of(s.source)))
    positions = window.positions(tuple(sizes))
    high, wide = lone + tuple(sizes)
    up, left = (0,) * len(lone) + window.padding
    out_high, out_wide = lone + positions
    stride, dilation = lone + window.stride, lone + window.dilation
    x = m.op("RESHAPE", [source, m.ints(-1, channels, high, wide)], shape=(-1, channels, high, wide))
    x = m.op("TRANSPOSE", [x, m.ints(0, 2, 3, 1)], shape=(-1, high, wide, channels))
    if up or left:
        pads = m.constant(np.array([[0, 0], [up, up], [left, left], [0, 0]], np.int32))
        x = m.op("PAD", [x, pads], shape=(-1, high + 2 * up, wide + 2 * left, channels))
    kernel = weight.reshape(*weight.shape[:2], *lone, *weight.shape[2:]).transpose(0, 2, 3, 1)
    out = len(weight)
    y = m.op(
        "CONV_2D",
        [x, _emit_weight(m, s, kernel, scale), real(m, np.zeros(out, np.int64))],
        "float32",
        (-1, out_high, out_wide, out),
        version=1 if operation.groups == 1 else 6,
        padding="VALID",
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
    )
    y = m.op("TRANSPOSE", [y, m.ints(0, 3, 1, 2)], shape=(-1, out, out_high, out_wide))
    neurons = out * math.prod(positions)
    return m.op("RESHAPE", [y, m.ints(-1, neurons)], shape=(-1, neurons))


def _emit_weight(m: ModelBuild, s: Synapses, weight: NDArray[Any], scale: float) -> int:
    stored = m.constant(np.ascontiguousarray(weight), f"weight/{s.name}", Quantization((scale,)))
    return m.dequantize(stored, DEQUANTIZE_VERSION[weight.dtype.name])


def _whole(m: ModelBuild, value: int) -> int:
    return m.constant(np.array(value, np.int32))
