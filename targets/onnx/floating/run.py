"""All steps of a float graph at once, through its sequence models."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Float
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.onnx.models import TYPES, OnnxArtifact


def run(artifact: OnnxArtifact[Graph], inputs: Arrays, trace: bool) -> Result:
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
    names = [o.name for o in session.get_outputs()]
    given = feeds(session, check_inputs(artifact.network, inputs))
    values: dict[str, Array] = dict(zip(names, session.run(names, given), strict=True))
    outputs = {name: values.pop(name) for name in artifact.network.outputs}
    kinds: dict[str, dict[str, Array]] = {"spikes": {}, "u": {}, "v": {}}
    for name, traced in values.items():
        kind, _, neuron = name.partition("/")
        kinds[kind][neuron] = traced
    return Result(outputs, kinds["spikes"], kinds["u"], kinds["v"])


def feeds(session: Any, checked: dict[str, Float]) -> dict[str, Array]:
    """Checked inputs in the model's type. DataError where that cannot hold them."""
    return {i.name: narrowed(i.name, checked[i.name], TYPES[i.type]) for i in session.get_inputs()}


def narrowed(name: str, values: Float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An input in the model's type, or a DataError where that cannot hold it."""
    with np.errstate(over="ignore"):
        cast = values.astype(dtype, copy=False)
    if not np.isfinite(cast).all():
        raise DataError(f"input '{name}' holds values beyond {dtype}: scale it down, or lower the graph in float64")
    return cast
