"""Options of the cortex-m target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.options import CodegenOptions, Kernel


@dataclass(frozen=True)
class CortexMConfig:
    """How the C is generated; what it computes is the same whatever it is.

    Attributes:
        kernel: "event", "dense", or "auto": what is expected to take fewer instructions, connection by connection.
        rate: share of a spiking source's neurons that are expected to fire in a step, for "auto".
        rates: source → its own expected share.
        pack: keep weights that fit into 4 bits two a byte: half the flash, more instructions for each.
        clock_hz: of the core, at which a profile tells cycles as seconds.
    """

    kernel: Kernel = "auto"
    rate: float = 0.1
    rates: Mapping[str, float] = field(default_factory=dict)
    pack: bool = False
    clock_hz: float = 64e6

    def __post_init__(self) -> None:
        _ = self.options
        if not 0 < self.clock_hz < math.inf:
            raise GraphError(f"clock_hz is {self.clock_hz}, it must be a positive number of hertz")

    @property
    def options(self) -> CodegenOptions:
        """What the generator is told; raises GraphError for an unknown kernel or a share outside 0…1."""
        return CodegenOptions(self.kernel, "cortex_m4", self.rate, self.rates, self.pack)
