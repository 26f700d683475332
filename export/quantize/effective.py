"""A float population in the form the integer arithmetic has: v ← β·v + u + b with u ← α·u + Σ W·s + c."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.dynamics import Dynamics, dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Linear
from cortexcore.export.passes.merge import Operation, per_channel
from cortexcore.export.passes.populations import FloatPopulation

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Effective:
    """One population's numbers, with the gains of input and leak folded into the weights.

    Attributes:
        alpha, beta: shares of u and v that are left after a step, scalar or [*shape]; α = 0 without synaptic current.
        weights: synapses → weight times gain.
        bias: b, what each step adds to v, scalar or [*shape].
        current: c, what each step adds to u where there is a synaptic current, scalar or [*shape], else 0.
        threshold: scalar or [*shape], at least 0; None for a readout.
    """

    alpha: Float
    beta: Float
    weights: dict[str, Float]
    bias: Float
    current: Float
    threshold: Float | None


def effective(population: FloatPopulation, graph: Graph) -> Effective:
    """Fold the gains of the neurons' equations (:mod:`cortexcore.export.dynamics`) into weights and biases."""
    factors = dynamics(population.neuron, graph.dt_s, graph.discretization)
    gain = _shared(factors.gain if factors.input_gain is None else factors.gain * factors.input_gain)
    drive, threshold = drive_and_threshold(factors)
    pushed, zero = np.asarray(gain * population.bias), np.zeros(())
    with_current = factors.alpha is not None
    return Effective(
        alpha=zero if factors.alpha is None else _shared(factors.alpha),
        beta=_shared(factors.beta),
        weights={s.name: _gained(s.operation, gain, population.neuron.shape) for s in population.synapses},
        bias=np.asarray(drive) if with_current else np.asarray(drive + pushed),
        current=pushed if with_current else zero,
        threshold=None if threshold is None else _shared(threshold),
    )


def drive_and_threshold(factors: Dynamics) -> tuple[Float, Float | None]:
    """What each step adds to v whatever arrives, and the threshold, at least 0.

    A threshold below 0, which only a neuron without memory can have, becomes a bias: i > θ is i − θ > 0.
    """
    drive, threshold = factors.drive, factors.threshold
    if threshold is None or not np.any(threshold < 0):
        return drive, threshold
    return np.asarray(drive - np.minimum(threshold, 0.0)), np.asarray(np.maximum(threshold, 0.0))


def _gained(operation: Operation, gain: Float, shape: tuple[int, ...]) -> Float:
    """The weights times the gain of the neurons that their rows feed."""
    weight = operation.weight
    if not gain.ndim:
        return weight * float(gain)
    rows = gain.reshape(-1) if isinstance(operation, Linear) else per_channel(gain, shape)
    if rows is None:
        raise TypeError("a kernel cannot hold gains that differ within a channel; the normal form makes it a matrix")
    return np.asarray(weight * rows.reshape(-1, *(1 for _ in weight.shape[1:])))


def _shared(value: Float) -> Float:
    """A scalar where all values are equal."""
    return value.reshape(-1)[0].reshape(()) if value.ndim and bool(np.all(value == value.flat[0])) else value
