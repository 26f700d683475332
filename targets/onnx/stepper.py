"""One step at a time in ONNX Runtime, for streaming: every tensor is bound to memory once, and states swap places."""

from __future__ import annotations

from typing import Any

import numpy as np

from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.onnx.session import TYPES, OnnxArtifact


class OnnxStepper:
    """Implements :class:`cortexcore.targets.base.Stepper` with the step form."""

    def __init__(self, artifact: OnnxArtifact) -> None:
        self._network = artifact.network
        self._session = artifact.session("step").runtime
        self._run = self._session.run_with_iobinding
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        inputs = {i.name: self._empty(i) for i in self._session.get_inputs()}
        outputs = {o.name: self._empty(o) for o in self._session.get_outputs()}
        self._inputs = {name: array for name, array in inputs.items() if not name.startswith("previous/")}
        self._outputs = {o.name: outputs[o.name] for o in self._network.outputs}
        after = {name.replace("previous/", "next/", 1): name for name in inputs.keys() - self._inputs.keys()}
        swapped_inputs = {**inputs, **{before: outputs[name] for name, before in after.items()}}
        swapped_outputs = {**outputs, **{name: inputs[before] for name, before in after.items()}}
        self._bound = [*inputs.values(), *outputs.values()]  # ONNX Runtime holds addresses, not the arrays
        self._bindings = self._bind(inputs, outputs), self._bind(swapped_inputs, swapped_outputs)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        if not self._taken(inputs):
            for name, values in check_step(self._network, inputs, self._batch).items():
                self._inputs[name][...] = values
        now, after = self._bindings
        self._run(now)
        self._bindings = after, now
        return {name: values.copy() for name, values in self._outputs.items()}

    def _taken(self, inputs: Arrays) -> bool:
        """Copy inputs of 8 bits in, which take no more than a look at their largest value; False where one is not so.

        A negative value reads as one above 127, and ports of 8 bits that start at 0 are uint8.
        """
        if inputs.keys() != self._inputs.keys():
            return False
        for port in self._network.inputs:
            values, memory = inputs[port.name], self._inputs[port.name]
            if not isinstance(values, np.ndarray) or values.shape != memory.shape or memory.dtype != np.uint8:
                return False
            if values.dtype not in (np.uint8, np.int8) or port.low != 0 or port.high > 127:
                return False
            memory[...] = values.view(np.uint8)
            if memory.max() > port.high:
                return False
        return True

    def _empty(self, port: Any) -> Array:
        """Zeros for a model's input or output; the batch is its first axis."""
        return np.zeros((self._batch, *port.shape[1:]), TYPES[port.type])

    def _bind(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> Any:
        binding = self._session.io_binding()
        for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding
