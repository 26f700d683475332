"""How far an integer network's values can go, proven from its weights and its inputs' ranges alone.

The bounds hold for every input within the ports' ranges and for any number of steps. Truncation toward zero only
shrinks a state, so the real-valued geometric sum of the leak bounds the integer one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import (
    DECAY_ONE,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    IntegerNetwork,
    Operation,
    Population,
)

Array = NDArray[np.float64]
Range = tuple[int, int]


@dataclass(frozen=True)
class Bound:
    """What one population's values cannot leave, the largest over its neurons.

    Attributes:
        sums: synapses → largest |Σ w·s| before the shift.
        drive: largest |Σ a·2^6| that can arrive in one step.
        u: [low, high] of the synaptic current; v: of the membrane, before reset and clip. ``inf`` without a leak.
    """

    sums: Mapping[str, int]
    drive: float
    u: tuple[float, float]
    v: tuple[float, float]

    @property
    def holds(self) -> bool:
        """No input can make this population wrap or clip."""
        return max(-self.u[0], self.u[1], -self.v[0], self.v[1]) <= STATE_LIMIT


def bounds(network: IntegerNetwork) -> dict[str, Bound]:
    """Population → its bound."""
    ranges = sent_ranges(network)
    return {p.name: bound(p, ranges) for p in network.populations}


def sent_ranges(network: IntegerNetwork) -> dict[str, Range]:
    """Input port or population → least and largest value it sends: spikes, or v of a leaky integrator."""
    names = [port.name for port in network.inputs] + [p.name for p in network.populations]
    return {name: network.range_of(name) for name in names}


def bound(population: Population, ranges: Mapping[str, Range]) -> Bound:
    """The bound of one population, with ``ranges`` of what each source sends."""
    low: Array = np.zeros(population.shape)
    high: Array = np.zeros(population.shape)
    sums: dict[str, int] = {}
    for synapses in population.synapses:
        least, most = sum_range(synapses.operation, ranges[synapses.source])
        sums[synapses.name] = int(max(-least.min(), most.max()))
        factor = 2.0**synapses.operation.weight_exp
        low = low + _spread(np.floor(least * factor), population.shape)
        high = high + _spread(np.floor(most * factor), population.shape)
    low, high = low * 2.0**THRESHOLD_SHIFT, high * 2.0**THRESHOLD_SHIFT
    drive = float(np.maximum(-low, high).max())
    gain = DECAY_ONE / (np.asarray(population.du, np.float64) + 1)
    low, high = low * gain, high * gain
    v_low, v_high = voltage_range(population, low, high)
    return Bound(sums, drive, (float(low.min()), float(high.max())), (float(v_low.min()), float(v_high.max())))


def sum_range(operation: Operation, sent: Range) -> tuple[Array, Array]:
    """Least and largest Σ w·s per output row, for s anywhere in ``sent`` or 0 (padding)."""
    weight = operation.weight.astype(np.float64)
    least, most = min(sent[0], 0), max(sent[1], 0)
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    axes = tuple(range(1, weight.ndim))
    return (positive * least + negative * most).sum(axis=axes), (positive * most + negative * least).sum(axis=axes)


def _spread(rows: Array, shape: tuple[int, ...]) -> Array:
    """One value per dense output or per channel, over a population's shape."""
    if rows.size == math.prod(shape):
        return rows.reshape(shape)
    return np.broadcast_to(rows.reshape(-1, *(1 for _ in shape[1:])), shape)


def voltage_range(p: Population, u_low: Array, u_high: Array) -> tuple[Array, Array]:
    """Bounds of v before its reset and clip, from rest and per neuron, from those of u, [*shape] each.

    With f the leak's factor and θ the threshold, v ≤ f·v' + i. After a reset to zero v' ≤ θ; after a subtraction
    v' ≤ max(θ, v − θ); a delayed one takes θ off the next sum, which can also pull v below zero. Without a reset
    only the leak holds v back.
    """
    bias = p.bias.astype(np.float64) * 2.0**p.bias_exp
    low, high = np.minimum(u_low + bias, 0), np.maximum(u_high + bias, 0)
    leak = np.asarray(p.dv, np.float64) / DECAY_ONE
    v_low, v_high = _geometric(low, leak), _geometric(high, leak)
    if p.vth is None or p.reset == "none":
        return v_low, v_high
    threshold = np.asarray(p.vth, np.float64) * 2.0**THRESHOLD_SHIFT
    first = (1 - leak) * threshold + high
    if p.reset == "zero":
        return v_low, np.minimum(v_high, first)
    back = threshold if p.reset_delay else (1 - leak) * threshold
    v_high = np.minimum(v_high, np.maximum(first, _geometric(np.maximum(high - back, 0), leak)))
    if p.reset_delay:
        v_low = np.minimum(v_low, low - leak * threshold)
    return v_low, v_high


def _geometric(values: Array, leak: Array) -> Array:
    """Σ values·(1 − leak)^k over all k ≥ 0: infinite where there is no leak, unless the value is zero."""
    endless = np.where(values == 0, 0.0, np.copysign(np.inf, values))
    return np.where(leak > 0, values / np.where(leak > 0, leak, 1.0), endless)
