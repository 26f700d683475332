"""The golden network one step at a time, for streaming."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.integer import Array, check_inputs, prepared
from cortexcore.export.integer_currents import Numbers
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays


def check_step(network: IntegerNetwork, inputs: Arrays, batch: int) -> dict[str, NDArray[np.integer[Any]]]:
    """One step's inputs [B, *shape] as integers, or a DataError that names what does not fit."""
    checked = check_inputs(network, {name: np.asarray(values)[None] for name, values in inputs.items()})
    for name, values in checked.items():
        if values.shape[1] != batch:
            raise DataError(f"input '{name}' holds {values.shape[1]} inferences, the stepper was started for {batch}")
    return {name: values[0] for name, values in checked.items()}


class GoldenStepper:
    """Implements :class:`cortexcore.targets.base.Stepper` with the arithmetic of ``export.integer``."""

    def __init__(self, network: IntegerNetwork) -> None:
        self._network = network
        self._stages = [stage for group in prepared(network).groups for stage in group]
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._states = {stage.name: stage.neurons.rest(batch) for stage in self._stages}
        self._sent: dict[str, Numbers] = {o.name: np.zeros((batch, *o.shape), np.int8) for o in self._network.inputs}
        self._sent |= {stage.name: stage.sends(self._states[stage.name]) for stage in self._stages}

    def step(self, inputs: Arrays) -> dict[str, Array]:
        before = self._sent
        now: dict[str, Numbers] = {**check_step(self._network, inputs, self._batch)}
        for stage in self._stages:
            total = stage.drive.zeros(self._batch, stage.neurons.size)
            for connection in stage.drive.connections:
                connection.add((before if connection.recurrent else now)[connection.source], total)
            u = stage.drive.settle(total)[None]
            v, s = np.empty_like(u), np.zeros(u.shape, np.bool_)
            stage.neurons.advance(u, v, s, self._states[stage.name])
            now[stage.name] = stage.sends(self._states[stage.name])
        self._sent = now
        return {o.name: self._output(o.source) for o in self._network.outputs}

    def _output(self, source: str) -> Array:
        shape = (self._batch, *self._network.shape_of(source))
        sent = self._sent[source]
        return sent.astype(np.uint8 if sent.dtype == np.bool_ else np.int32).reshape(shape)
