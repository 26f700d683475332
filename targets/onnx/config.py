"""Options of the ONNX target."""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.errors import GraphError


@dataclass(frozen=True)
class OnnxConfig:
    """How ONNX Runtime runs.

    Attributes:
        threads: threads within an operator; 1 by default, which is quickest for networks of this size.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= 256:
            raise GraphError(f"threads is {self.threads}, it must be in 1…256")
