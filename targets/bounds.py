"""Static bounds: the largest magnitude each current and state can reach, whatever the input within its range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.export.network import (
    DECAY_ONE,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    IntegerNetwork,
    Operation,
    Population,
    Synapses,
)


@dataclass(frozen=True)
class Bounds:
    """Largest magnitudes of one population.

    Attributes:
        drive: of Σ a·2^6 over its synapses.
        current: of u before it wraps; where it exceeds 2^23 − 1 the 24-bit wrap can happen.
        voltage: of v before it is clipped; None where no bound holds for every number of steps (no leak, or a
            subtracted threshold below zero).
    """

    drive: int
    current: int
    voltage: int | None

    @property
    def may_wrap(self) -> bool:
        return self.current > STATE_LIMIT

    @property
    def may_clip(self) -> bool:
        return self.voltage is None or self.voltage > STATE_LIMIT


def sent_range(network: IntegerNetwork, source: str) -> tuple[int, int]:
    """Lowest and highest value an input port or a population sends."""
    for port in network.inputs:
        if port.name == source:
            return port.low, port.high
    return (0, 1) if network.population(source).vth is not None else (-STATE_LIMIT, STATE_LIMIT)


def row_sum(operation: Operation) -> int:
    """max over outputs of Σ |weight|: the sum's magnitude for inputs of magnitude one."""
    weight = np.abs(operation.weight.astype(np.int64))
    return int(weight.reshape(len(weight), -1).sum(axis=1).max(initial=0))


def current_bound(network: IntegerNetwork, synapses: Synapses) -> int:
    """Largest |a| that one connection delivers, after its shift."""
    total = row_sum(synapses.operation) * max(map(abs, sent_range(network, synapses.source)))
    exponent = synapses.operation.weight_exp
    return total << exponent if exponent >= 0 else -(-total >> -exponent)


def population_bounds(network: IntegerNetwork, population: Population) -> Bounds:
    """Bounds of one population.

    tz never enlarges a magnitude, so |u| ≤ drive·Σ (1 − (du + 1)/4096)^k = drive·4096/(du + 1), and v alike.
    """
    drive = sum(current_bound(network, s) for s in population.synapses) << THRESHOLD_SHIFT
    current = -(-drive * DECAY_ONE // (population.du + 1))
    bias = int(np.abs(population.bias.astype(np.int64)).max(initial=0))
    bias = bias << population.bias_exp if population.bias_exp >= 0 else -(-bias >> -population.bias_exp)
    pushed = min(current, STATE_LIMIT + 1) + bias
    return Bounds(drive, current, _voltage_bound(population, pushed))


def _voltage_bound(population: Population, pushed: int) -> int | None:
    """Of v, pushed by at most ``pushed`` in each step. A reset brings v nearer to zero, except that a delayed
    subtraction meets a v that leaked meanwhile, and can leave it as low as the threshold below zero."""
    if population.dv == 0 and pushed:
        return None
    leaking = -(-pushed * DECAY_ONE // max(population.dv, 1))
    if population.vth is None or population.reset == "zero":
        return leaking
    if population.vth < 0:
        return None
    return max(leaking, (population.vth << THRESHOLD_SHIFT) + pushed) if population.reset_delay else leaking
