"""Options of the ONNX target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cortexcore.errors import GraphError

Precision = Literal["float32", "float64"]


@dataclass(frozen=True)
class OnnxConfig:
    """How ONNX Runtime runs.

    Attributes:
        threads: threads within an operator; 1 by default, which is quickest for networks of this size.
        precision: what float graphs compute in: float64 reproduces the reference to the last spike; float32 is smaller,
            quicker and what networks are trained in. Integer networks do not heed it.
    """

    threads: int = 1
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        problems = []
        if not isinstance(self.threads, int) or isinstance(self.threads, bool) or not 1 <= self.threads <= 256:
            problems.append(f"threads is {self.threads!r}, it must be in 1…256")
        if self.precision not in get_args(Precision):
            problems.append(f"precision is {self.precision!r}, use one of {', '.join(get_args(Precision))}")
        if problems:
            raise GraphError("; ".join(problems))
