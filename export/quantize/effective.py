"""A float population in the form the integer arithmetic has: v ← β·v + u + b with u ← α·u + Σ W·s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, CubaLIF
from cortexcore.export.passes.populations import FloatPopulation
from cortexcore.export.reference import decay

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
    neuron = population.neuron
    if isinstance(neuron, CubaLIF):
        alpha, beta = _one(decay(neuron.tau_syn, graph)), _one(decay(neuron.tau_mem, graph))
        gain = (1 - alpha) * _one(neuron.w_in) * (1 - beta) * _one(neuron.r)
    else:
        alpha, beta = 0.0, _one(decay(neuron.tau, graph))
        gain = (1 - beta) * _one(neuron.r)
    return Effective(
        alpha=alpha,
        beta=beta,
        weights={s.name: s.operation.weight * gain for s in population.synapses},
        bias=np.asarray((1 - beta) * neuron.v_leak + gain * population.bias),
        threshold=None if isinstance(neuron, LI) else _one(neuron.v_threshold),
    )


def _one(value: Float) -> float:
    """The value that all of an array share."""
    return float(np.asarray(value).flat[0])
