"""Options of the native target."""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.options import CodegenOptions, Kernel


@dataclass(frozen=True)
class NativeConfig:
    """How the C is generated and compiled; what it computes is the same whatever it is.

    Attributes:
        kernel: "event", "dense", or "auto": what is expected to be quicker, connection by connection.
        sanitize: stop the process with a message at undefined behaviour, instead of going on: for tests.
    """

    kernel: Kernel = "auto"
    sanitize: bool = False

    def __post_init__(self) -> None:
        _ = self.options
        if not isinstance(self.sanitize, bool):
            raise GraphError(f"sanitize is {self.sanitize!r}, it must be True or False")

    @property
    def options(self) -> CodegenOptions:
        """What the generator is told; raises GraphError for an unknown kernel."""
        return CodegenOptions(kernel=self.kernel, core="host")
