"""How C is generated from a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.cost import CORES

Kernel = Literal["auto", "event", "dense"]


@dataclass(frozen=True)
class CodegenOptions:
    """What a user can choose; the result of the network is the same whatever it is.

    Attributes:
        kernel: "event": only neurons that spiked cost synapses; "dense": every weight is multiplied at every step;
            "auto": for each connection what :mod:`cortexcore.firmware_sim.codegen.cost` expects to be cheaper.
        core: whose costs "auto" goes by: "cortex_m4" or "host". For "cortex_m4" rows of weights are laid out for its
            DSP instructions; the code stays portable C.
        rate: share of a spiking source's neurons that are expected to fire in a step, for "auto".
        rates: source → its own expected share, where it is known, e.g. from a trace.
        pack: keep weights that fit into 4 bits two a byte: half the flash, some instructions more for each.
    """

    kernel: Kernel = "auto"
    core: str = "cortex_m4"
    rate: float = 0.1
    rates: Mapping[str, float] = field(default_factory=dict)
    pack: bool = False

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise GraphError(f"kernel is '{self.kernel}', it must be one of {', '.join(get_args(Kernel))}")
        if self.core not in CORES:
            raise GraphError(f"no code is generated for the core '{self.core}'; allowed: {', '.join(sorted(CORES))}")
        rates = {"rate": self.rate, **{f"the rate of '{name}'": value for name, value in self.rates.items()}}
        for name, value in rates.items():
            if not 0 <= value <= 1:
                raise GraphError(f"{name} is {value}, it must be in 0…1: the share of neurons that fire in a step")

    @property
    def lanes(self) -> bool:
        """Whether rows of weights are laid out for SXTAB16."""
        return self.core == "cortex_m4"
