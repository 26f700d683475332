"""How many integer units one float unit is, for one population: as many as the grids and the 24 bits allow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cortexcore.errors import QuantizationError
from cortexcore.export import network as integer
from cortexcore.export.bounds import Bound, Range, bound
from cortexcore.export.network import (
    STATE_LIMIT,
    THRESHOLD_LIMIT,
    THRESHOLD_SHIFT,
    WEIGHT_EXPONENTS,
    Population,
)
from cortexcore.export.nodes import IF, LIF, Conv1d, Conv2d, CubaLIF, Float
from cortexcore.export.passes.merge import Operation
from cortexcore.export.passes.populations import FloatPopulation
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import Effective
from cortexcore.export.quantize.grids import bias_on_grid, decay_current, decay_voltage, field_of
from cortexcore.export.quantize.layers import GridLayer, grid_layer

LEAST_WEIGHT = 1e-290
"""Smaller weights than this share it as their scale, since the inverse of the smallest floats is no float."""
BoundKind = Literal["static", "calibrated"]
READOUT_LEVELS = 8
"""A readout has no threshold: its largest weight counts this many times instead."""
COARSEST = 8
"""Without calibration a static bound may leave this many times fewer steps than wanted, and no fewer."""


@dataclass(frozen=True, eq=False)
class Choice:
    """An integer population and how it was found.

    Attributes:
        population: the integers.
        scale: integer units per float unit, at the level of weights and threshold (v and u stand 2^6 above).
        kind: "static" where the bound is proven, "calibrated" where it rests on data and a margin.
        bound: the proven bound, whether or not it holds.
    """

    population: Population
    scale: float
    kind: BoundKind
    bound: Bound


@dataclass(frozen=True, eq=False)
class Seen:
    """What calibration saw: a population's largest |u| or |v| in float units, and source → E[s²] [*source]."""

    peak: float
    moments: Mapping[str, Float]


def choose(
    wanted: FloatPopulation,
    floats: Effective,
    config: QuantizationConfig,
    ranges: Mapping[str, Range],
    seen: Seen | None,
) -> Choice:
    """The finest scale at which nothing wraps, clips or leaves its field.

    Starts at the largest exponent and halves the scale until the static bound holds. Where that leaves the
    threshold fewer steps than ``config.threshold_levels`` and calibration is at hand, the finest scale at which
    the seen peak times the margin stays within 24 bits is taken instead; without calibration such a coarse scale is
    taken down to an eighth of those steps, and then refused.

    Args:
        wanted: the float population; ``floats`` its numbers as the arithmetic has them.
        config: bits, scale choice, margin.
        ranges: source → range of what it sends.
        seen: what calibration saw, None without calibration.

    Raises:
        QuantizationError: no scale fits.
    """
    layers = {
        s.name: grid_layer(
            s.name, floats.weights[s.name], s.operation, config, None if seen is None else seen.moments.get(s.source)
        )
        for s in wanted.synapses
    }
    top = _top_scale(layers, floats)
    calibrated: Choice | None = None
    reason = ""
    held = False
    for exponent in range(WEIGHT_EXPONENTS[1], WEIGHT_EXPONENTS[0] - 1, -1):
        scale = top * 2.0**exponent
        population = _population(wanted, floats, layers, scale)
        if isinstance(population, str):
            reason = population
            continue
        held = True
        proven = bound(population, ranges)
        if calibrated is None and seen is not None and _fits(seen.peak * config.margin, scale):
            calibrated = Choice(population, scale, "calibrated", proven)
        if proven.holds:
            static = Choice(population, scale, "static", proven)
            wanted_levels = config.threshold_levels if calibrated else config.threshold_levels / COARSEST
            if _levels(static, floats) >= wanted_levels or not any(np.any(w) for w in floats.weights.values()):
                return static
            break
    if calibrated is not None:
        return calibrated
    if not held:
        raise QuantizationError(f"'{wanted.name}' has {reason}")
    more = "give calibration data (--calibration)," if seen is None else "even as calibration saw it: give it"
    raise QuantizationError(
        f"'{wanted.name}' fits no integer scale that keeps u and v within 24 bits and still resolves its threshold: "
        f"{more} a faster leak, or smaller weights and biases relative to the threshold"
    )


def _fits(value: float, scale: float) -> bool:
    return bool(value * scale * 2**THRESHOLD_SHIFT <= STATE_LIMIT)


def _levels(choice: Choice, floats: Effective) -> float:
    """How many integer steps the smallest threshold above 0 has, or what stands for it in a readout."""
    if floats.threshold is not None and np.any(floats.threshold > 0):
        return float(floats.threshold[floats.threshold > 0].min()) * choice.scale
    return max(float(np.abs(w).max(initial=0)) for w in floats.weights.values()) * choice.scale * READOUT_LEVELS


def _top_scale(layers: Mapping[str, GridLayer], floats: Effective) -> float:
    """The scale, up to a power of two, at which the largest layer's weights fill the grid."""
    largest = max((layer.ratio for layer in layers.values()), default=0.0)
    if not (math.isfinite(largest) and largest > 0):
        threshold = 0.0 if floats.threshold is None else float(floats.threshold.max())
        return 256.0 / threshold if threshold else 1.0
    top = 1.0 / max(largest, LEAST_WEIGHT)
    choice = next(iter(layers.values())).choice
    if choice in ("max", "percentile"):
        return top
    candidates: list[float] = [2.0 ** (i / 32) * top for i in (range(32) if choice == "activity" else range(-32, 33))]
    return min(candidates, key=lambda scale: sum(layer.error(scale, top) for layer in layers.values()))


def _population(
    wanted: FloatPopulation, floats: Effective, layers: Mapping[str, GridLayer], scale: float
) -> Population | str:
    """The population at ``scale``, or which field cannot hold it and the remedy."""
    small = (
        "weights so small beside its threshold or bias that no integer grid holds both: "
        "scale its weights up, or its threshold and bias down"
    )
    if floats.threshold is not None and float(floats.threshold.max()) * scale > THRESHOLD_LIMIT:
        return small
    threshold: integer.Field | None = None
    if floats.threshold is not None:
        threshold = field_of(np.round(floats.threshold * scale))
        lost = (np.round(floats.threshold * scale) == 0) & (floats.threshold != 0)
        if lost.any():
            return (
                f"a threshold of {float(floats.threshold[lost].min()):g}, too small beside its other thresholds or its "
                "weights for the integer grid: scale it up, or the others down"
            )
    bias = bias_on_grid(floats.bias * scale * 2**THRESHOLD_SHIFT)
    if bias is None:
        return small
    synapses: list[integer.Synapses] = []
    for each in wanted.synapses:
        exponent = layers[each.name].exponent(scale)
        if exponent > WEIGHT_EXPONENTS[1]:
            return small
        operation = _operation(each.operation, layers[each.name].grid(scale, exponent), exponent)
        synapses.append(integer.Synapses(each.name, each.source, operation, each.recurrent))
    neuron = wanted.neuron
    return Population(
        name=wanted.name,
        shape=wanted.neuron.shape,
        synapses=tuple(synapses),
        du=decay_current(floats.alpha),
        dv=decay_voltage(floats.beta),
        vth=threshold,
        bias=bias[0],
        bias_exp=bias[1],
        reset=neuron.reset if isinstance(neuron, LIF | CubaLIF | IF) else "zero",
        reset_delay=isinstance(neuron, LIF | CubaLIF | IF) and neuron.reset == "subtract" and neuron.reset_delay,
    )


def _operation(wanted: Operation, grid: integer.Int, exponent: int) -> integer.Operation:
    match wanted:
        case Conv1d():
            return integer.Conv1d(grid, exponent, wanted.stride, wanted.padding, wanted.dilation, wanted.groups)
        case Conv2d():
            return integer.Conv2d(grid, exponent, wanted.stride, wanted.padding, wanted.dilation, wanted.groups)
    return integer.Dense(grid, exponent)
