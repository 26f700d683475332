"""The integer network one step at a time, through its step model."""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.onnx.memory import StepMemory
from cortexcore.targets.onnx.models import OnnxArtifact


class IntegerStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`."""

    def __init__(self, artifact: OnnxArtifact[IntegerNetwork]) -> None:
        self._network = artifact.network
        self._session = artifact.session("step").runtime
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._memory = StepMemory(self._session, batch)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        if not self._taken(inputs):
            for name, values in check_step(self._network, inputs, self._batch).items():
                self._memory.inputs[name][...] = values
        return self._memory.step()

    def _taken(self, inputs: Arrays) -> bool:
        """Copy inputs of 8 bits in, which take no more than a look at their largest value; False where one is not so.

        A negative value reads as one above 127, and ports of 8 bits that start at 0 are uint8.
        """
        if inputs.keys() != self._memory.inputs.keys():
            return False
        for port in self._network.inputs:
            values, memory = inputs[port.name], self._memory.inputs[port.name]
            if not isinstance(values, np.ndarray) or values.shape != memory.shape or memory.dtype != np.uint8:
                return False
            if values.dtype not in (np.uint8, np.int8) or port.low != 0 or port.high > 127:
                return False
            memory[...] = values.view(np.uint8)
            if memory.max() > port.high:
                return False
        return True
