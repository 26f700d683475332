"""A float graph one step at a time, through its step form."""

from __future__ import annotations

import numpy as np

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Float
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Array, Arrays
from cortexcore.targets.onnx.floating.session import TYPES, FloatArtifact, narrowed

PREVIOUS, NEXT = "previous/", "next/"


class FloatStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`."""

    def __init__(self, artifact: FloatArtifact) -> None:
        self._graph = artifact.graph
        self._session = artifact.session("step").runtime
        entries = self._session.get_inputs()
        self._types = {i.name: TYPES[i.type] for i in entries}
        self._slots = [i for i in entries if i.name.startswith(PREVIOUS)]
        self._outputs = list(self._graph.outputs)
        self._wanted = self._outputs + [i.name.replace(PREVIOUS, NEXT, 1) for i in self._slots]
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._state = {i.name: np.zeros((batch, *i.shape[1:]), self._types[i.name]) for i in self._slots}

    def step(self, inputs: Arrays) -> dict[str, Array]:
        checked = check_step(self._graph, inputs, self._batch)
        feeds = {name: narrowed(name, values, self._types[name]) for name, values in checked.items()}
        values = self._session.run(self._wanted, {**feeds, **self._state})
        self._state = dict(zip(self._state, values[len(self._outputs) :], strict=True))
        return dict(zip(self._outputs, values, strict=False))


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
