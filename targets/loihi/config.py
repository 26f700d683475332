"""Options of the Loihi target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from cortexcore.errors import GraphError

Chip = Literal["loihi1", "loihi2"]


@dataclass(frozen=True)
class LoihiConfig:
    """How Lava runs, and which chip the network is mapped to.

    Attributes:
        timeout_s: longest wait for one run; a worker that takes longer is ended.
        chip: whose limits the mapping keeps, and whose costs the profile models.
        hardware: run on Loihi 2 hardware, with Lava's own configuration for it, instead of the simulation.
    """

    timeout_s: float = 600.0
    chip: Chip = "loihi2"
    hardware: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise GraphError(f"timeout_s is {self.timeout_s}, it must be a positive number of seconds")
        if self.chip not in get_args(Chip):
            raise GraphError(f"chip is '{self.chip}', it must be one of {', '.join(get_args(Chip))}")
