"""Running the two ONNX models: needs ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnxruntime

from cortexcore.errors import BundleError
from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.saved import network_sha256

METADATA_KEY = "cortexcore"
"""Entry of a model's metadata_props that holds our JSON; a model without it is not ours."""
_TYPES = {f"tensor({name})": np.dtype(name) for name in ("int8", "int16", "int32", "int64", "bool")}


@dataclass(frozen=True, eq=False)
class OnnxArtifact:
    """The network and its two serialized models.

    Attributes:
        network: what was lowered.
        config: how it runs.
        sequence, step: the ONNX models, see :mod:`cortexcore.targets.onnx.forms`.
    """

    network: IntegerNetwork
    config: OnnxConfig
    sequence: bytes
    step: bytes

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)

    @cached_property
    def sequence_session(self) -> Any:
        return open_session(self.sequence, self.config, "sequence.onnx")

    @cached_property
    def step_session(self) -> Any:
        return open_session(self.step, self.config, "step.onnx")


def open_session(model: bytes, config: OnnxConfig, where: str) -> Any:
    """An ONNX Runtime session on the CPU.

    Raises:
        BundleError: the bytes are no ONNX model, or one that CortexCore did not make.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        ours = METADATA_KEY in session.get_modelmeta().custom_metadata_map
    except Exception as error:
        raise BundleError(f"{where} is no ONNX model that this ONNX Runtime reads: {_first_line(error)}") from error
    if not ours:
        raise BundleError(f"{where} was not made by CortexCore: lower the network with the 'onnx' target")
    return session


def run(artifact: OnnxArtifact, inputs: Arrays, trace: bool) -> Result:
    """All steps at once, through the sequence form."""
    session = artifact.sequence_session
    checked = check_inputs(artifact.network, inputs)
    feeds = {i.name: checked[i.name].astype(_TYPES[i.type]) for i in session.get_inputs()}
    wanted = [o.name for o in artifact.network.outputs]
    if trace:
        wanted = [o.name for o in session.get_outputs()]
    values: dict[str, Array] = dict(zip(wanted, session.run(wanted, feeds), strict=True))
    outputs = {o.name: values[o.name] for o in artifact.network.outputs}
    if not trace:
        return Result(outputs)
    names = [p.name for p in artifact.network.populations]
    spikes = {p.name: values[f"spikes/{p.name}"] for p in artifact.network.populations if p.vth is not None}
    return Result(outputs, spikes, {n: values[f"u/{n}"] for n in names}, {n: values[f"v/{n}"] for n in names})


class OnnxStepper:
    """Implements :class:`cortexcore.targets.base.Stepper` with the step form."""

    def __init__(self, artifact: OnnxArtifact) -> None:
        self._network = artifact.network
        self._session = artifact.step_session
        self._ports = {i.name: i for i in self._session.get_inputs() if not i.name.startswith("previous/")}
        self._slots = [i for i in self._session.get_inputs() if i.name.startswith("previous/")]
        self._outputs = [o.name for o in self._network.outputs]
        self._wanted = self._outputs + [i.name.replace("previous/", "next/", 1) for i in self._slots]
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._state = {i.name: np.zeros((batch, i.shape[1]), _TYPES[i.type]) for i in self._slots}

    def step(self, inputs: Arrays) -> dict[str, Array]:
        checked = check_step(self._network, inputs, self._batch)
        feeds = {name: values.astype(_TYPES[self._ports[name].type]) for name, values in checked.items()}
        values = self._session.run(self._wanted, {**feeds, **self._state})
        self._state = dict(zip(self._state, values[len(self._outputs) :], strict=True))
        return dict(zip(self._outputs, values, strict=False))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
