"""The two packages that run TFLite models, and one opened model in either of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from cortexcore.errors import BundleError, missing_package
from cortexcore.targets.base import Array
from cortexcore.targets.tflite.config import RuntimeChoice, TfliteConfig

MODULES: dict[str, str] = {
    "tflite-runtime": "tflite_runtime.interpreter",
    "ai-edge-litert": "ai_edge_litert.interpreter",
}
"""Distribution → the module with its interpreter, the preferred one first."""


@dataclass(frozen=True)
class Runtime:
    """An installed runtime: its distribution's name and version, and the module with its interpreter."""

    name: str
    version: str
    module: Any


def find_runtime(chosen: RuntimeChoice) -> Runtime:
    """The chosen runtime, or the first that is installed for "auto".

    Raises:
        TargetUnavailable: it is not installed; for "auto", none is.
    """
    for name in MODULES if chosen == "auto" else [chosen]:
        try:
            return Runtime(name, metadata.version(name), import_module(MODULES[name]))
        except (ImportError, metadata.PackageNotFoundError):
            continue
    wanted = "tflite-runtime" if chosen == "auto" else chosen
    raise missing_package(wanted, "tflite", "running TFLite models")


class Opened:
    """A model in an interpreter, called with arrays by name.

    Args:
        data: the file, known to be ours: interpreters do not survive every damage.
        outputs: name → tensor of what a call returns.

    Raises:
        TargetUnavailable: the runtime is not installed.
        BundleError: it cannot read the model.
    """

    def __init__(self, data: bytes, config: TfliteConfig, outputs: Mapping[str, int]) -> None:
        self.runtime = find_runtime(config.runtime)
        resolvers = self.runtime.module.OpResolverType
        try:
            self._interpreter = self.runtime.module.Interpreter(
                model_content=data,
                num_threads=config.threads,
                experimental_op_resolver_type=resolvers.AUTO
                if config.xnnpack
                else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{self.runtime.name} {self.runtime.version} cannot read the model: {error}") from error
        self.inputs = {i["name"]: i for i in self._interpreter.get_input_details()}
        self._outputs = outputs
        self._batch = 0

    def call(self, feeds: Mapping[str, Array], batch: int) -> dict[str, Array]:
        """One invocation: inputs by name, in any type that holds them → outputs by name."""
        self._resize(batch)
        for name, values in feeds.items():
            port = self.inputs[name]
            self._interpreter.set_tensor(port["index"], values.astype(port["dtype"], copy=False))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(tensor) for name, tensor in self._outputs.items()}

    def tensor_bytes(self) -> int:
        """Bytes of all tensors of the present batch but the model's constants, none of them sharing memory."""
        details = self._interpreter.get_tensor_details()
        return sum(int(np.prod(t["shape"])) * np.dtype(t["dtype"]).itemsize for t in details)

    def _resize(self, batch: int) -> None:
        if batch == self._batch:
            return
        for port in self.inputs.values():
            shape = [batch if free else n for n, free in zip(port["shape"], port["shape_signature"] == -1, strict=True)]
            self._interpreter.resize_tensor_input(port["index"], shape)
        self._interpreter.allocate_tensors()
        self._batch = batch
