"""The ONNX models of a network, opened in ONNX Runtime, and what each notes of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, get_args

import numpy as np
import onnxruntime

from cortexcore.errors import BundleError, GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import form_of
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.reference.saved import graph_sha256
from cortexcore.targets.saved import network_sha256

METADATA_KEY = "cortexcore"
"""Entry of a model's metadata_props that holds our JSON; a model without it is not ours."""
Model = Literal["sequence", "traced", "step"]
"""All steps in a call, the same with every population's spikes, u and v, and one step with the state handed through."""
MODELS: tuple[Model, ...] = get_args(Model)
_NUMPY = {"float": "float32", "double": "float64"}
TYPES = {
    f"tensor({name})": np.dtype(_NUMPY.get(name, name))
    for name in ("uint8", "int8", "int16", "int32", "int64", "bool", "float", "double")
}
"""Types as ONNX Runtime spells them."""
NetworkT = TypeVar("NetworkT", Graph, IntegerNetwork)


@dataclass(frozen=True, eq=False)
class Session:
    """An opened model: ONNX Runtime's session, and what CortexCore noted in the model."""

    runtime: Any
    about: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class OnnxArtifact(Generic[NetworkT]):
    """A network and its serialized models.

    Attributes:
        network: what was lowered.
        config: how it runs.
        sequence, traced, step: the ONNX models.
    """

    network: NetworkT
    config: OnnxConfig
    sequence: bytes
    traced: bytes
    step: bytes

    @cached_property
    def sha256(self) -> str:
        return digest(self.network)

    @cached_property
    def _sessions(self) -> dict[Model, Session]:
        return {}

    def session(self, model: Model) -> Session:
        """One of the models, opened on first use."""
        if model not in self._sessions:
            self._sessions[model] = open_session(getattr(self, model), self.config, f"{model}.onnx")
        return self._sessions[model]


def digest(network: Graph | IntegerNetwork) -> str:
    """A digest of all that determines the network's arithmetic."""
    return graph_sha256(network) if isinstance(network, Graph) else network_sha256(network)


def identity(network: Graph | IntegerNetwork, config: OnnxConfig, model: Model) -> dict[str, str]:
    """What a model notes of itself, and must fit the network and the options it lies beside."""
    form = form_of(network)
    kind = {"network": form, "model": model, "sha256": digest(network)}
    return kind if form == "integer" else {**kind, "precision": config.precision}


def noted(
    network: Graph | IntegerNetwork, config: OnnxConfig, model: Model, inputs: list[dict[str, Any]]
) -> dict[str, str]:
    """A model's metadata_props: what it is, its inputs, and the network's own metadata: classes, front end, ….

    Raises:
        GraphError: the network's metadata is not JSON.
    """
    about = {**identity(network, config, model), "dt_s": float(network.dt_s), "inputs": inputs}
    try:
        return {METADATA_KEY: json.dumps({**about, "metadata": dict(network.metadata)}, sort_keys=True)}
    except (TypeError, ValueError) as error:
        raise GraphError(f"the network's metadata cannot be written, it must hold JSON values: {error}") from error


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
        entries = session.get_modelmeta().custom_metadata_map
    except Exception as error:
        raise BundleError(f"{where} is no ONNX model that this ONNX Runtime reads: {_first_line(error)}") from error
    try:
        about = json.loads(entries[METADATA_KEY])
        if not isinstance(about, dict):
            raise ValueError("no JSON object")
    except (KeyError, ValueError) as error:
        raise BundleError(f"{where} was not made by CortexCore: lower the network with the 'onnx' target") from error
    return Session(session, about)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
