"""Currents in ONNX: products in int8 where the source sends spikes, else in float32, that a static bound proves exact.

Float32 holds every integer up to 2^24, so a sum of products is exact in whatever order it runs while no part of it
can exceed 2^24. Sources that exceed this are split into digits small enough, one product per digit, and put
together again in float64. Only the current modulo 2^18 can matter, since u wraps to 24 bits after a shift by 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cortexcore.export.bounds import sent_ranges
from cortexcore.export.integer_currents import FLOAT32_EXACT, WRAP
from cortexcore.export.network import THRESHOLD_SHIFT, Conv1d, Conv2d, Dense, IntegerNetwork, Synapses
from cortexcore.export.stored_weight import stored_weight
from cortexcore.targets.bounds import digit_bits, largest_sum
from cortexcore.targets.onnx.build import Build
from cortexcore.targets.onnx.integer.exact import multiplies_in_int8


@dataclass(frozen=True)
class Lead:
    """The leading axes of a form: their number (2 for [T, B, …], 1 for [B, …]) and a tensor that holds their sizes."""

    axes: int
    sizes: str


def emit_current(b: Build, network: IntegerNetwork, synapses: Synapses, source: str, lead: Lead, whole: bool) -> str:
    """a·2^6 of one connection as float64 [*lead, neurons].

    Args:
        source: tensor [*lead, flattened source], of any type, holding integers.
        whole: the population's currents add up exactly; otherwise each comes modulo 2^24.
    """
    operation = synapses.operation
    k = stored_weight(operation)[1]
    shift = operation.weight_exp + k
    sent = sent_ranges(network)[synapses.source]
    if multiplies_in_int8(operation, sent):
        weight = b.constant(np.ascontiguousarray(stored_weight(operation)[0].T), f"weight/{synapses.name}")
        total = b.node("MatMulInteger", [b.cast(source, "uint8"), weight])
    elif largest_sum(operation, sent) >> k <= FLOAT32_EXACT:
        total = _emit_sum(b, network, synapses, b.cast(source, "float32"), lead)
    else:
        total = _emit_digits(b, network, synapses, source, lead)
    total = b.cast(total, "float64")
    if shift < 0:
        total = b.node("Floor", [b.node("Mul", [total, b.real(2.0**shift)])])
    scaled = b.node("Mul", [total, b.real(2.0 ** (max(shift, 0) + THRESHOLD_SHIFT))])
    return scaled if whole else emit_modulo(b, scaled)


def emit_modulo(b: Build, x: str) -> str:
    """x modulo 2^24, in [0, 2^24), of whole float64."""
    turns = b.node("Floor", [b.node("Mul", [x, b.real(1.0 / WRAP)])])
    return b.node("Sub", [x, b.node("Mul", [turns, b.real(float(WRAP))])])


def _emit_digits(b: Build, network: IntegerNetwork, synapses: Synapses, source: str, lead: Lead) -> str:
    """The sum in float64: source = Σ digit_k·2^(bits·k), all digits non-negative but the last."""
    bits = digit_bits(synapses.operation)
    most = max(map(abs, sent_ranges(network)[synapses.source]))
    rest = b.cast(source, "float64")
    parts: list[str] = []
    scale = 0
    while True:
        last = most < 2**bits
        if last:
            digit = rest
        else:
            above = b.node("Floor", [b.node("Mul", [rest, b.real(2.0**-bits)])])
            digit = b.node("Sub", [rest, b.node("Mul", [above, b.real(2.0**bits)])])
            rest, most = above, -(-most >> bits)
        part = b.cast(_emit_sum(b, network, synapses, b.cast(digit, "float32"), lead), "float64")
        parts.append(b.node("Mul", [part, b.real(2.0**scale)]))
        scale += bits
        if last:
            return b.node("Sum", parts)


def _emit_sum(b: Build, network: IntegerNetwork, synapses: Synapses, source: str, lead: Lead) -> str:
    """Σ w·s as float32 [*lead, neurons] from float32 [*lead, flattened source]."""
    operation = synapses.operation
    weight = stored_weight(operation)[0]
    match operation:
        case Dense():
            stored = b.constant(np.ascontiguousarray(weight.T), f"weight/{synapses.name}")
            return b.node("MatMul", [source, b.cast(stored, "float32")])
        case Conv1d() | Conv2d():
            window, source_shape = operation.window, network.shape_of(synapses.source)
            stored = b.constant(weight, f"weight/{synapses.name}")
            y = b.node(
                "Conv",
                [b.node("Reshape", [source, b.whole(-1, *source_shape)]), b.cast(stored, "float32")],
                kernel_shape=list(window.kernel),
                strides=list(window.stride),
                pads=[*window.padding, *window.padding],
                dilations=list(window.dilation),
                group=operation.groups,
            )
            flat = b.node("Flatten", [y], axis=1)
            if lead.axes == 1:
                return flat
            neurons = b.whole(len(weight) * math.prod(window.positions(source_shape[1:])))
            return b.node("Reshape", [flat, b.node("Concat", [lead.sizes, neurons], axis=0)])
        case _:
            raise TypeError(f"no ONNX for the operation {type(operation).__name__}")
