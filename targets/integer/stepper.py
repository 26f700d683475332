"""The golden network one step at a time, for streaming."""

from __future__ import annotations

import numpy as np

from cortexcore.errors import DataError
from cortexcore.export.integer import Array, Ints, apply, check_inputs, step
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays


def check_step(network: IntegerNetwork, inputs: Arrays, batch: int) -> dict[str, Ints]:
    """One step's inputs [B, *shape] as int64, or a DataError that names what does not fit."""
    checked = check_inputs(network, {name: np.asarray(values)[None] for name, values in inputs.items()})
    for name, values in checked.items():
        if values.shape[1] != batch:
            raise DataError(f"input '{name}' holds {values.shape[1]} inferences, the stepper was started for {batch}")
    return {name: values[0] for name, values in checked.items()}


class GoldenStepper:
    """Implements :class:`cortexcore.targets.base.Stepper` with the arithmetic of ``export.integer``."""

    def __init__(self, network: IntegerNetwork) -> None:
        self._network = network
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        rest = {p.name: np.zeros((batch, *p.shape), np.int64) for p in self._network.populations}
        ports = {o.name: np.zeros((batch, *o.shape), np.int64) for o in self._network.inputs}
        self._u, self._v, self._sent = dict(rest), dict(rest), {**ports, **rest}

    def step(self, inputs: Arrays) -> dict[str, Array]:
        before, now = self._sent, check_step(self._network, inputs, self._batch)
        for p in self._network.populations:
            a = np.zeros((self._batch, *p.shape), np.int64)
            for s in p.synapses:
                values = (before if s.recurrent else now)[s.source]
                a += apply(s.operation, values, self._network.shape_of(s.source)).reshape(a.shape)
            name = p.name
            u, v, spikes, _, _ = step(p, a, self._u[name], self._v[name], before[name])
            self._u[name], self._v[name], now[name] = u, v, spikes
        self._sent = now
        return {o.name: self._output(o.source) for o in self._network.outputs}

    def _output(self, source: str) -> Array:
        spiking = self._network.population(source).vth is not None
        return self._sent[source].astype(np.uint8) if spiking else self._v[source].astype(np.int32)
