"""Options of the TFLite target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from cortexcore.errors import GraphError

RuntimeChoice = Literal["auto", "tflite-runtime", "ai-edge-litert"]
MOST_STEPS = 256
"""XNNPACK prepares a model in a time that grows with the square of its operators: some seconds for so many steps."""
BLOCK = 16
"""Longer blocks gained a tenth at most, or lost: in both runtimes, 100 and 300 steps of 256 and 512 neurons."""


@dataclass(frozen=True)
class TfliteConfig:
    """How the models are made, and what runs them.

    Attributes:
        runtime: package whose interpreter runs them; "auto" takes tflite-runtime where it is installed, else
            ai-edge-litert.
        threads: threads within an operator.
        steps: steps that one call of the sequence form advances, 1…256. By default those of one inference where the
            network's metadata tells them, in equal blocks of at most 16, else 16. More steps than that are several
            calls, the last of them filled up with zeros.
        xnnpack: let XNNPACK compute what it can, which is the runtimes' own default and as exact. It announces itself
            on standard error; without it, TFLite's own kernels compute everything.
    """

    runtime: RuntimeChoice = "auto"
    threads: int = 1
    steps: int | None = None
    xnnpack: bool = True

    def __post_init__(self) -> None:
        problems = []
        if self.runtime not in get_args(RuntimeChoice):
            problems.append(f"runtime is '{self.runtime}', it must be one of {', '.join(get_args(RuntimeChoice))}")
        if not _whole(self.threads) or not 1 <= self.threads <= 256:
            problems.append(f"threads is {self.threads!r}, it must be in 1…256")
        if self.steps is not None and (not _whole(self.steps) or not 1 <= self.steps <= MOST_STEPS):
            problems.append(f"steps is {self.steps!r}, it must be in 1…{MOST_STEPS}, or None for the network's own")
        if not isinstance(self.xnnpack, bool):
            problems.append(f"xnnpack is {self.xnnpack!r}, it must be True or False")
        if problems:
            raise GraphError("; ".join(problems))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
