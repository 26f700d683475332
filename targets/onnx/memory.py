"""A step model bound to memory once: states swap places between two sets of tensors, so that a step copies none."""

from __future__ import annotations

from typing import Any

import numpy as np

from cortexcore.targets.base import Array
from cortexcore.targets.onnx.models import TYPES
from cortexcore.targets.onnx.names import NEXT, PREVIOUS


class StepMemory:
    """All tensors of a step model for a batch, zero at first.

    Attributes:
        inputs: input name → [B, *shape], to be filled before a step.
        outputs: output name → [B, *shape] of the last step; the next one writes over it.
    """

    def __init__(self, session: Any, batch: int) -> None:
        self._session = session
        entering = {i.name: _empty(i, batch) for i in session.get_inputs()}
        leaving = {o.name: _empty(o, batch) for o in session.get_outputs()}
        self.inputs = {name: array for name, array in entering.items() if not name.startswith(PREVIOUS)}
        self.outputs = {name: array for name, array in leaving.items() if not name.startswith(NEXT)}
        after = {name: name.replace(PREVIOUS, NEXT, 1) for name in entering.keys() - self.inputs.keys()}
        swapped_entering = entering | {before: leaving[name] for before, name in after.items()}
        swapped_leaving = leaving | {name: entering[before] for before, name in after.items()}
        self._bound = [*entering.values(), *leaving.values()]  # ONNX Runtime holds addresses, not the arrays
        self._bindings = self._bind(entering, leaving), self._bind(swapped_entering, swapped_leaving)

    def step(self) -> dict[str, Array]:
        """Advance one step from the inputs, and return copies of the outputs."""
        now, after = self._bindings
        self._session.run_with_iobinding(now)
        self._bindings = after, now
        return {name: values.copy() for name, values in self.outputs.items()}

    def _bind(self, entering: dict[str, Array], leaving: dict[str, Array]) -> Any:
        binding = self._session.io_binding()
        for bind, arrays in ((binding.bind_input, entering), (binding.bind_output, leaving)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding


def _empty(port: Any, batch: int) -> Array:
    """Zeros for a model's input or output; the batch is its first axis."""
    return np.zeros((batch, *port.shape[1:]), TYPES[port.type])
