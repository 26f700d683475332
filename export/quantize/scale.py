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
    IntegerReset,
    Population,
)
from cortexcore.export.nodes import LI, Conv1d, Float
from cortexcore.export.passes.populations import FloatPopulation
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import Effective
from cortexcore.export.quantize.grids import (
    bias_on_grid,
    decay_current,
    decay_voltage,
    top_ratio,
    weights_on_grid,
)

LEAST_WEIGHT = 1e-290
"""Smaller weights than this share it as their scale, since the inverse of the smallest floats is no float."""
BoundKind = Literal["static", "calibrated"]
READOUT_LEVELS = 8
"""An LI has no threshold: its largest weight counts this many times instead."""
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


def choose(
    wanted: FloatPopulation,
    floats: Effective,
    config: QuantizationConfig,
    ranges: Mapping[str, Range],
    peak: float | None,
) -> Choice:
    """The finest scale at which nothing wraps, clips or leaves its field.

    Starts at the largest exponent and halves the scale until the static bound holds. Where that leaves the
    threshold fewer steps than ``config.threshold_levels`` and calibration is at hand, the finest scale at which
    ``peak`` times the margin stays within 24 bits is taken instead; without calibration such a coarse scale is
    taken down to an eighth of those steps, and then refused.

    Args:
        wanted: the float population; ``floats`` its numbers as the arithmetic has them.
        config: bits, scale choice, margin.
        ranges: source → range of what it sends.
        peak: largest |u| or |v| seen in calibration in float units, None without calibration.

    Raises:
        QuantizationError: no scale fits.
    """
    top = _top_scale(floats, config)
    calibrated: Choice | None = None
    held = False
    for exponent in range(WEIGHT_EXPONENTS[1], WEIGHT_EXPONENTS[0] - 1, -1):
        scale = top * 2.0**exponent
        population = _population(wanted, floats, config, scale)
        if population is None:
            continue
        held = True
        proven = bound(population, ranges)
        if calibrated is None and peak is not None and _fits(peak * config.margin, scale):
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
        raise QuantizationError(
            f"'{wanted.name}' has weights so small beside its threshold or bias that no integer grid holds both: "
            "scale its weights up, or its threshold and bias down"
        )
    raise QuantizationError(
        f"'{wanted.name}' fits no integer scale that keeps u and v within 24 bits and still resolves its threshold: "
        "give calibration data (--calibration), a faster leak, or smaller weights and biases relative to the threshold"
    )


def _fits(value: float, scale: float) -> bool:
    return bool(value * scale * 2**THRESHOLD_SHIFT <= STATE_LIMIT)


def _levels(choice: Choice, floats: Effective) -> float:
    """How many integer steps the threshold has, or what stands for it in an LI."""
    if floats.threshold:
        return floats.threshold * choice.scale
    return max(float(np.abs(w).max(initial=0)) for w in floats.weights.values()) * choice.scale * READOUT_LEVELS


def _top_scale(floats: Effective, config: QuantizationConfig) -> float:
    """The scale, up to a power of two, at which the largest layer's weights fill the grid."""
    percentile = config.percentile if config.scale == "percentile" else 100.0
    ratios = {name: top_ratio(w, config.bits_of(name), percentile) for name, w in floats.weights.items()}
    largest = max(ratios.values(), default=0.0)
    if not (math.isfinite(largest) and largest > 0):
        return 256.0 / floats.threshold if floats.threshold else 1.0
    largest = max(largest, LEAST_WEIGHT)
    if config.scale != "mse":
        return 1.0 / largest
    candidates: list[float] = [2.0 ** (i / 32) / largest for i in range(-32, 33)]
    return min(candidates, key=lambda scale: sum(_error(w, config, n, scale) for n, w in floats.weights.items()))


def _error(weights: Float, config: QuantizationConfig, name: str, scale: float) -> float:
    """Mean squared error relative to the mean square, with the layer's best exponent."""
    power = float(np.square(weights).mean()) or 1.0
    exponent = _exponent(weights, config, name, scale)
    on_grid = weights_on_grid(weights * scale / 2.0**exponent, config.bits_of(name)) * 2.0**exponent / scale
    return float(np.square(on_grid - weights).mean()) / power


def _exponent(weights: Float, config: QuantizationConfig, name: str, scale: float) -> int:
    """The layer's weight exponent at ``scale``: the smallest that keeps the chosen share of weights on the grid.

    For "mse" one less is taken where clipping a few weights costs less than a coarser grid.
    """
    bits = config.bits_of(name)
    ratio = top_ratio(weights, bits, config.percentile if config.scale == "percentile" else 100.0) * scale
    if ratio == 0:
        return 0
    exponent = math.ceil(math.log2(ratio) - 1e-9)
    if config.scale == "mse":

        def error(e: int) -> float:
            return float(np.square(weights_on_grid(weights * scale / 2.0**e, bits) * 2.0**e - weights * scale).sum())

        exponent = min((exponent, exponent - 1), key=error)
    return max(exponent, WEIGHT_EXPONENTS[0])


def _population(
    wanted: FloatPopulation, floats: Effective, config: QuantizationConfig, scale: float
) -> Population | None:
    """The population at ``scale``, or None where a field cannot hold it."""
    if floats.threshold is not None and floats.threshold * scale > THRESHOLD_LIMIT:
        return None
    threshold = None if floats.threshold is None else round(floats.threshold * scale)
    bias = bias_on_grid(floats.bias * scale * 2**THRESHOLD_SHIFT)
    if bias is None:
        return None
    synapses: list[integer.Synapses] = []
    for each in wanted.synapses:
        weights = floats.weights[each.name]
        exponent = _exponent(weights, config, each.name, scale)
        if exponent > WEIGHT_EXPONENTS[1]:
            return None
        grid = weights_on_grid(weights * scale / 2.0**exponent, config.bits_of(each.name))
        operation: integer.Operation = integer.Dense(grid, exponent)
        if isinstance(op := each.operation, Conv1d):
            operation = integer.Conv1d(grid, exponent, op.stride, op.padding, op.dilation, op.groups)
        synapses.append(integer.Synapses(each.name, each.source, operation, each.recurrent))
    neuron = wanted.neuron
    subtracts = not isinstance(neuron, LI) and neuron.reset == "subtract"
    reset: IntegerReset = "subtract" if subtracts else "zero"
    return Population(
        name=wanted.name,
        shape=wanted.neuron.shape,
        synapses=tuple(synapses),
        du=decay_current(floats.alpha),
        dv=decay_voltage(floats.beta),
        vth=threshold,
        bias=bias[0],
        bias_exp=bias[1],
        reset=reset,
        reset_delay=not isinstance(neuron, LI) and subtracts and neuron.reset_delay,
    )
