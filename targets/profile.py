"""What a run costs, as data: a figure is never naked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from cortexcore.errors import GraphError

FigureKind = Literal["measured", "simulated", "modelled"]


@dataclass(frozen=True)
class Figure:
    """A value with all it needs to be believed.

    Attributes:
        value: in ``unit`` (seconds, joules, bytes, or a count).
        kind: ``"measured"`` on the thing itself, ``"simulated"`` on a simulation of it, ``"modelled"`` by arithmetic.
        source: citation or instrument.
        conditions: what it holds for, e.g. "batch 1, one thread, 100 runs after 10 warm-ups".
        low, high: the band where sources disagree or the measurement scatters; None where there is none.
    """

    value: float
    unit: str
    kind: FigureKind
    source: str
    conditions: str = ""
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FigureKind):
            raise GraphError(f"a figure's kind is one of {', '.join(get_args(FigureKind))}, not '{self.kind}'")
        if not self.source or not self.unit or not math.isfinite(self.value):
            raise GraphError(f"a figure needs a finite value, a unit and a source: {self}")


@dataclass(frozen=True)
class Profile:
    """What one inference costs on one target.

    Attributes:
        target: the target's name; ``conditions`` the machine and data all figures share.
        latency: e.g. "per inference p50", "per step p50"; seconds.
        operations: e.g. "effective ACs", "synaptic operations", "neuron updates", "spikes"; counts per inference.
        memory: "weights", "state", "peak"; bytes.
        energy: "dynamic", "static", "total" and the terms they add up from; joules per inference.
        layers: population → its share of operations, as far as the target can tell.
        occupancy: one row per kind of core of a chip of cores, then their total: figures, or text such as a name.
        break_even: the network against a quantized ANN of the same shape, both priced alike; joules and rates.
        verdict: which of the two takes less, in one sentence.
        equivalent: an int8 ANN of the same shape beside the network: what it takes, and the ratios network / ANN.
        notes: what was left out, assumed or not measurable here, a sentence each.
    """

    target: str
    conditions: str
    latency: Mapping[str, Figure] = field(default_factory=dict)
    operations: Mapping[str, Figure] = field(default_factory=dict)
    memory: Mapping[str, Figure] = field(default_factory=dict)
    energy: Mapping[str, Figure] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    occupancy: tuple[Mapping[str, Figure | str], ...] = ()
    break_even: Mapping[str, Figure] = field(default_factory=dict)
    verdict: str = ""
    equivalent: Mapping[str, Figure] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON values."""
        return asdict(self)
