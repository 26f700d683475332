"""A float graph one step at a time, through its step form."""

from __future__ import annotations

import numpy as np

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Float
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.onnx.floating.run import narrowed
from cortexcore.targets.onnx.memory import StepMemory
from cortexcore.targets.onnx.models import OnnxArtifact


class FloatStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`."""

    def __init__(self, artifact: OnnxArtifact[Graph]) -> None:
        self._graph = artifact.network
        self._session = artifact.session("step").runtime
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._memory = StepMemory(self._session, batch)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        memory = self._memory.inputs
        checked = check_step(self._graph, inputs, self._batch)
        fitting = {name: narrowed(name, values, memory[name].dtype) for name, values in checked.items()}
        for name, values in fitting.items():
            memory[name][...] = values
        return self._memory.step()


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
