"""The two packages that run TFLite models, and one opened model in either of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from cortexcore.errors import BundleError, TargetUnavailable, missing_package
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
    """The chosen runtime, or for "auto" the first that can be imported.

    Raises:
        TargetUnavailable: it is not installed, or cannot be imported beside what else is; for "auto", none can.
    """
    broken = []
    for name in MODULES if chosen == "auto" else [chosen]:
        try:
            module = import_module(MODULES[name])
            return Runtime(name, metadata.version(name), module)
        except (ModuleNotFoundError, metadata.PackageNotFoundError):
            continue
        except ImportError as error:
            broken.append(f"'{name}' cannot be imported ({_first_line(error)})")
    if broken:
        mend = "tflite-runtime needs pip install 'numpy<2', ai-edge-litert takes any"
        raise TargetUnavailable(f"running TFLite models: {' and '.join(broken)}; {mend}")
    if chosen == "auto":
        raise missing_package("tflite-runtime' or 'ai-edge-litert", "tflite", "running TFLite models")
    raise TargetUnavailable(
        f"running TFLite models with '{chosen}' needs that package, which is not installed: pip install {chosen}, or "
        "take runtime='auto'"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class Opened:
    """A model in an interpreter, called with arrays by name, by one caller at a time.

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
                experimental_op_resolver_type=(
                    resolvers.AUTO if config.xnnpack else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            named = f"{self.runtime.name} {self.runtime.version}"
            raise BundleError(f"{named} cannot run the model: {_first_line(error)}; install a newer one") from error
        self.inputs = {i["name"]: i for i in self._interpreter.get_input_details()}
        self._outputs = outputs
        self._batch = 1

    def call(self, feeds: Mapping[str, Array], batch: int) -> dict[str, Array]:
        """One invocation: inputs by name, in any type that holds them → outputs by name."""
        self._resize(batch)
        for name, values in feeds.items():
            port = self.inputs[name]
            self._interpreter.set_tensor(port["index"], values.astype(port["dtype"], copy=False))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(tensor) for name, tensor in self._outputs.items()}

    def tensor_bytes(self) -> int:
        """Bytes of all tensors for the present batch, constants included, as if none shared memory."""
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
