"""A float population in the form the integer arithmetic has: v ← β·v + u + b with u ← α·u + Σ W·s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.dynamics import dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.passes.populations import FloatPopulation

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Effective:
    """One population's numbers, with the gains of input and leak folded into the weights.

    Attributes:
        alpha, beta: shares of u and v that are left after a step; α = 0 without synaptic current.
        weights: layer → weight times gain.
        bias: what each step adds to v, scalar or [*shape].
        threshold: None for an LI.
    """

    alpha: float
    beta: float
    weights: dict[str, Float]
    bias: Float
    threshold: float | None


def effective(population: FloatPopulation, graph: Graph) -> Effective:
    """Fold (1 − β)·r, and (1 − α)·w_in of a CubaLIF, into weights and bias; see the neurons' equations."""
    factors = dynamics(population.neuron, graph.dt_s, graph.discretization)
    gain = _one(factors.gain) * (1.0 if factors.input_gain is None else _one(factors.input_gain))
    return Effective(
        alpha=0.0 if factors.alpha is None else _one(factors.alpha),
        beta=_one(factors.beta),
        weights={s.name: s.operation.weight * gain for s in population.synapses},
        bias=np.asarray(factors.drive + gain * population.bias),
        threshold=None if factors.threshold is None else _one(factors.threshold),
    )


def _one(value: Float) -> float:
    """The value that all of an array share."""
    return float(np.asarray(value).flat[0])
