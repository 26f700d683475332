"""Running the models of a float graph: needs ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Float
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.session import Form, Session, open_session
from cortexcore.targets.reference.saved import graph_sha256

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(bool)": np.dtype(np.bool_),
}


@dataclass(frozen=True, eq=False)
class FloatArtifact:
    """The graph and its serialized models, see :mod:`cortexcore.targets.onnx.floating.forms`.

    Attributes:
        graph: what was lowered.
        config: how it runs.
        sequence, traced, step: the ONNX models.
    """

    graph: Graph
    config: OnnxConfig
    sequence: bytes
    traced: bytes
    step: bytes

    @cached_property
    def sha256(self) -> str:
        return graph_sha256(self.graph)

    @property
    def dtype(self) -> Any:
        """The type in which the models compute, as they note it."""
        return self.session("sequence").about.get("dtype")

    @cached_property
    def _sessions(self) -> dict[Form, Session]:
        return {}

    def session(self, form: Form) -> Session:
        """One of the models, opened on first use."""
        if form not in self._sessions:
            self._sessions[form] = open_session(getattr(self, form), self.config, f"{form}.onnx")
        return self._sessions[form]


def run(artifact: FloatArtifact, inputs: Arrays, trace: bool) -> Result:
    """All steps at once, every inference from rest.

    Args:
        artifact: the models.
        inputs: input name → numbers [T, B, *shape].
        trace: also return every neuron's spikes (uint8), v, and u where there is a synaptic current; neurons of
            subgraphs by their written-out names.

    Returns:
        outputs and traces [T, B, *shape] in the model's type.

    Raises:
        DataError: an input is missing, misshapen, not finite, or beyond the model's type.
    """
    session = artifact.session("traced" if trace else "sequence").runtime
    checked = check_inputs(artifact.graph, inputs)
    feeds = {i.name: narrowed(i.name, checked[i.name], TYPES[i.type]) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    values: dict[str, Array] = dict(zip(names, session.run(names, feeds), strict=True))
    outputs = {name: values.pop(name) for name in artifact.graph.outputs}
    kinds: dict[str, dict[str, Array]] = {"spikes": {}, "u": {}, "v": {}}
    for name, traced in values.items():
        kind, _, neuron = name.partition("/")
        kinds[kind][neuron] = traced
    return Result(outputs, kinds["spikes"], kinds["u"], kinds["v"])


def narrowed(name: str, values: Float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An input in the model's type, or a DataError where that cannot hold it."""
    with np.errstate(over="ignore"):
        cast = values.astype(dtype, copy=False)
    if not np.isfinite(cast).all():
        raise DataError(f"input '{name}' holds values beyond {dtype}: scale it down, or lower the graph in float64")
    return cast
