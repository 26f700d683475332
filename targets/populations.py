"""What several targets ask of a population."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import Field, IntegerNetwork, Population


def delays_reset(p: Population) -> bool:
    """Whether the step before's spikes enter the sum."""
    return p.vth is not None and p.reset == "subtract" and p.reset_delay


def per_neuron(field: Field | NDArray[np.int32]) -> NDArray[np.int64]:
    """One value for all neurons, or [neurons]."""
    values = np.asarray(field, np.int64)
    return values.reshape(-1) if values.ndim else values


def read_back(network: IntegerNetwork, name: str) -> bool:
    """Whether anything reads what this input or population sent a step before."""
    return any(s.recurrent and s.source == name for p in network.populations for s in p.synapses)
