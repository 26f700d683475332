"""The ONNX models of an integer network, and running all steps at once: needs ONNX Runtime alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import onnxruntime

from cortexcore.errors import BundleError
from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.saved import network_sha256

METADATA_KEY = "cortexcore"
"""Entry of a model's metadata_props that holds our JSON; a model without it is not ours."""
Form = Literal["sequence", "traced", "step"]
FORMS: tuple[Form, ...] = get_args(Form)
TYPES = {
    f"tensor({name})": np.dtype(name.replace("double", "float64"))
    for name in ("uint8", "int8", "int16", "int32", "int64", "double")
}


@dataclass(frozen=True, eq=False)
class Session:
    """An opened model: ONNX Runtime's session, and what CortexCore noted in the model."""

    runtime: Any
    about: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class OnnxArtifact:
    """The network and its serialized models, see :mod:`cortexcore.targets.onnx.forms`.

    Attributes:
        network: what was lowered.
        config: how it runs.
        sequence, traced, step: the ONNX models.
    """

    network: IntegerNetwork
    config: OnnxConfig
    sequence: bytes
    traced: bytes
    step: bytes

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)

    @cached_property
    def _sessions(self) -> dict[Form, Session]:
        return {}

    def session(self, form: Form) -> Session:
        """One of the models, opened on first use."""
        if form not in self._sessions:
            self._sessions[form] = open_session(getattr(self, form), self.config, f"{form}.onnx")
        return self._sessions[form]


def open_session(model: bytes, config: OnnxConfig, where: str, profile_prefix: str = "") -> Session:
    """An ONNX Runtime session on the CPU.

    Args:
        model: the serialized model.
        config: how it runs.
        where: what errors call it.
        profile_prefix: start of the path of the file that ONNX Runtime's profiler writes; none if empty.

    Raises:
        BundleError: the bytes are no ONNX model, or one that CortexCore did not make.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile_prefix:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        noted = session.get_modelmeta().custom_metadata_map
    except Exception as error:
        raise BundleError(f"{where} is no ONNX model that this ONNX Runtime reads: {_first_line(error)}") from error
    if METADATA_KEY not in noted:
        raise BundleError(f"{where} was not made by CortexCore: lower the network with the 'onnx' target")
    return Session(session, json.loads(noted[METADATA_KEY]))


def run(artifact: OnnxArtifact, inputs: Arrays, trace: bool) -> Result:
    """All steps at once, through the sequence form."""
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


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
