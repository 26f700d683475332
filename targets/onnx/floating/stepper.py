"""A float graph one step at a time, through its step form."""

from __future__ import annotations

from typing import Any

import numpy as np

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Float
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.onnx.floating.session import TYPES, FloatArtifact, narrowed

PREVIOUS, NEXT = "previous/", "next/"


class FloatStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`; tensors are bound to memory once, and states swap places."""

    def __init__(self, artifact: FloatArtifact) -> None:
        self._graph = artifact.graph
        self._session = artifact.session("step").runtime
        self._run = self._session.run_with_iobinding
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        inputs = {i.name: self._empty(i) for i in self._session.get_inputs()}
        outputs = {o.name: self._empty(o) for o in self._session.get_outputs()}
        self._inputs = {name: inputs[name] for name in self._graph.inputs}
        self._outputs = {name: outputs[name] for name in self._graph.outputs}
        after = {name: name.replace(PREVIOUS, NEXT, 1) for name in inputs.keys() - self._inputs.keys()}
        swapped_inputs = inputs | {before: outputs[name] for before, name in after.items()}
        swapped_outputs = outputs | {name: inputs[before] for before, name in after.items()}
        self._bound = [*inputs.values(), *outputs.values()]  # ONNX Runtime holds addresses, not the arrays
        self._bindings = self._bind(inputs, outputs), self._bind(swapped_inputs, swapped_outputs)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        checked = check_step(self._graph, inputs, self._batch)
        fitting = {name: narrowed(name, values, self._inputs[name].dtype) for name, values in checked.items()}
        for name, values in fitting.items():
            self._inputs[name][...] = values
        now, after = self._bindings
        self._run(now)
        self._bindings = after, now
        return {name: values.copy() for name, values in self._outputs.items()}

    def _empty(self, port: Any) -> Array:
        """Zeros for a model's input or output; the batch is its first axis."""
        return np.zeros((self._batch, *port.shape[1:]), TYPES[port.type])

    def _bind(self, inputs: dict[str, Array], outputs: dict[str, Array]) -> Any:
        binding = self._session.io_binding()
        for bind, arrays in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in arrays.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding


def check_step(graph: Graph, inputs: Arrays, batch: int) -> dict[str, Float]:
    """One step's inputs [B, *shape] as float64, or a DataError that names what does not fit."""
    checked = check_inputs(graph, {name: _as_sequence(name, values) for name, values in inputs.items()})
    for name, values in checked.items():
        if values.shape[1] != batch:
            raise DataError(f"input '{name}' holds {values.shape[1]} inferences, the stepper was started for {batch}")
    return {name: values[0] for name, values in checked.items()}


def _as_sequence(name: str, values: Array) -> Array:
    """[B, *shape] as a sequence of one step."""
    try:
        return np.asarray(values)[None]
    except ValueError as error:
        raise DataError(f"input '{name}' does not hold numbers") from error
