"""Which kernel a connection gets: the one that is expected to cost less in a step.

An event-driven kernel takes, for each neuron that fired, a row of weights per target or group of targets that it
reaches: ``per_row``, and ``per_weight`` for each weight in it. A dense one takes ``per_product`` for every weight.
Graded sources count as if every value were sent. ``tests/bench/bench_native.py --costs`` measured the constants, on
layers of 4 to 64 targets with ziglang 0.17.1; another compiler moves them, and changes nothing but speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Sent = Literal["narrow", "wide", "graded"]
"""Spikes that add to 16-bit sums, spikes that add to 32-bit sums, values."""
Kind = Literal["dense", "conv", "line"]
"""A line is a convolution over one axis that reads a population, without groups or dilation."""


@dataclass(frozen=True)
class Cost:
    """The two kernels of one kind of connection, in instructions or nanoseconds: only their ratio matters."""

    per_row: float
    per_weight: float
    per_product: float


@dataclass(frozen=True)
class Core:
    """One kind of processor: its costs by the kind of connection."""

    dense: Mapping[Sent, Cost]
    conv: Mapping[Sent, Cost]
    line: Mapping[Sent, Cost]

    def __getitem__(self, kind: Kind) -> Mapping[Sent, Cost]:
        match kind:
            case "dense":
                return self.dense
            case "conv":
                return self.conv
            case "line":
                return self.line
            case _:
                raise KeyError(f"no costs of connections of the kind '{kind}'")


_M4_CONV: Mapping[Sent, Cost] = {
    "narrow": Cost(17, 2.4, 2.6),
    "wide": Cost(17, 4.4, 2.3),
    "graded": Cost(8, 4.7, 2.8),
}
_HOST_CONV: Mapping[Sent, Cost] = {
    "narrow": Cost(0.9, 0.04, 0.18),
    "wide": Cost(0.9, 0.04, 0.18),
    "graded": Cost(0.4, 0.06, 0.2),
}
CORES: Mapping[str, Core] = MappingProxyType(
    {
        "cortex_m4": Core(
            {"narrow": Cost(3, 1.0, 1.8), "wide": Cost(0, 4.4, 1.8), "graded": Cost(0, 4.2, 1.8)},
            _M4_CONV,
            {**_M4_CONV, "narrow": Cost(11, 1.2, 2.3), "wide": Cost(0, 4.5, 1.7)},
        ),
        "host": Core(
            {"narrow": Cost(0.6, 0.003, 0.03), "wide": Cost(0.6, 0.01, 0.03), "graded": Cost(0, 0.05, 0.03)},
            _HOST_CONV,
            _HOST_CONV,
        ),
    }
)
"""``cortex_m4`` in instructions, counted on the emulated core; ``host`` in nanoseconds, timed on an AMD EPYC."""


def event_driven(core: str, kind: Kind, sent: Sent, rate: float, length: int) -> bool:
    """Whether the event-driven kernel is expected to cost no more than the dense one.

    Args:
        core: of CORES.
        rate: share of the source's neurons that fire in a step.
        length: weights in a row: targets, or a convolution's channels of one group.
    """
    cost = CORES[core][kind][sent]
    share = 1.0 if sent == "graded" else rate
    return share * (cost.per_row + cost.per_weight * length) <= cost.per_product * length
