"""All steps of the integer network at once, through its sequence models."""

from __future__ import annotations

from typing import Any

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.onnx.models import TYPES, OnnxArtifact


def run(artifact: OnnxArtifact[IntegerNetwork], inputs: Arrays, trace: bool) -> Result:
    """Every inference from rest, on ``inputs`` [T, B, *shape]. DataError names an unfit input."""
    session = artifact.session("traced" if trace else "sequence").runtime
    checked = check_inputs(artifact.network, inputs)
    names = [o.name for o in session.get_outputs()]
    values: dict[str, Array] = dict(zip(names, session.run(names, feeds(session, checked)), strict=True))
    outputs = {o.name: values[o.name] for o in artifact.network.outputs}
    if not trace:
        return Result(outputs)
    populations = [p.name for p in artifact.network.populations]
    spikes = {p.name: values[f"spikes/{p.name}"] for p in artifact.network.populations if p.vth is not None}
    u, v = ({name: values[f"{kind}/{name}"] for name in populations} for kind in ("u", "v"))
    return Result(outputs, spikes, u, v)


def feeds(session: Any, checked: Arrays) -> dict[str, Array]:
    """Checked inputs in the types that a sequence model takes."""
    return {i.name: checked[i.name].astype(TYPES[i.type], copy=False) for i in session.get_inputs()}
