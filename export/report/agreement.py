"""The same inputs through the float graph and the integer network, compared spike by spike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export import integer, reference
from cortexcore.export.batches import batches
from cortexcore.export.graph import Graph
from cortexcore.export.integer import Trace
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.reference import FloatTrace
from cortexcore.export.report.report import Agreement

Array = NDArray[Any]


POINTS = 400
"""Agreement over time has at most this many values; a longer run is averaged over several steps for each."""
Joules = Callable[[IntegerNetwork, Mapping[str, Array], Trace], float]
"""What a run on these inputs takes, all its inferences together."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Per population of the float graph the agreement, and per output [B] the decisions of both.

    ``joules``: what the integer network's runs took by the price given, per inference; None without one.
    """

    steps: int
    inferences: int
    agreements: Mapping[str, Agreement]
    decided_float: Mapping[str, Array]
    decided_integer: Mapping[str, Array]
    joules: float | None = None


def compare(
    graph: Graph,
    networks: Sequence[IntegerNetwork],
    inputs: Mapping[str, Array],
    joules: Joules | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Comparison, ...]:
    """Run the float graph once and each network on ``inputs`` (name → integers [T, B, *shape]), a slice at a time.

    Args:
        graph: the float graph.
        networks: integer networks that were quantized from it.
        inputs: what all run on.
        joules: prices a run.
        progress: called with the number of inferences that are done, after every slice.

    Raises:
        DataError: the inputs fit a network not.
    """
    kept = [_Kept({p.name: _Sums() for p in network.populations}) for network in networks]
    decided: dict[str, list[Array]] = {}
    steps = inferences = 0
    for some in batches(inputs):
        floats = reference.run(graph, some)
        for network, each in zip(networks, kept, strict=True):
            trace = integer.run(network, some)
            each.add(network, floats, trace)
            each.joules += 0.0 if joules is None else joules(network, some, trace)
        for name, values in floats.outputs.items():
            spiking = networks[0].population(_source(networks[0], name)).vth is not None
            decided.setdefault(name, []).append(decisions(values, spiking))
        steps, batch = next(iter(floats.v.values())).shape[:2]
        inferences += batch
        progress(inferences)
    return tuple(
        Comparison(
            steps=steps,
            inferences=inferences,
            agreements={
                p.name: each.sums[p.name].agreement(p.vth is not None)
                for p in network.populations
                if each.sums[p.name].total
            },
            decided_float={name: np.concatenate(parts) for name, parts in decided.items()},
            decided_integer={name: np.concatenate(parts) for name, parts in each.decided.items()},
            joules=None if joules is None else each.joules / inferences,
        )
        for network, each in zip(networks, kept, strict=True)
    )


def _source(network: IntegerNetwork, output: str) -> str:
    return next(port.source for port in network.outputs if port.name == output)


def decisions(output: Array, spiking: bool) -> Array:
    """[T, B, *shape] → the class of each inference [B]: argmax of spike counts, or of v at the last step."""
    scores = output.sum(axis=0, dtype=np.int64) if spiking else output[-1]
    return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1))


@dataclass
class _Kept:
    """Running sums of one network over the slices."""

    sums: dict[str, _Sums]
    decided: dict[str, list[Array]] = field(default_factory=dict)
    joules: float = 0.0

    def add(self, network: IntegerNetwork, floats: FloatTrace, trace: Trace) -> None:
        """One slice; populations that only the integer network has are left out."""
        for p in network.populations:
            if p.name in floats.v:
                a, b = (floats.v, trace.v) if p.vth is None else (floats.spikes, trace.spikes)
                self.sums[p.name].add(a[p.name], b[p.name], trace.current_wraps[p.name], trace.voltage_clips[p.name])
        for port in network.outputs:
            spiking = network.population(port.source).vth is not None
            self.decided.setdefault(port.name, []).append(decisions(trace.outputs[port.name], spiking))


@dataclass
class _Sums:
    """Running sums of one population over the slices; ``equal`` [T]."""

    total: int = 0
    equal: NDArray[np.int64] = field(default_factory=lambda: np.zeros((), np.int64))
    wraps: int = 0
    clips: int = 0
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, a: Array, b: Array, wraps: int, clips: int) -> None:
        """A slice [T, B, *shape] of the float (``a``) and the integer network (``b``)."""
        self.equal = self.equal + np.count_nonzero((a == b).reshape(len(a), -1), axis=1)
        self.total += a.size
        x, y = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
        self.products += np.array([x @ y, x @ x, y @ y])
        self.sums += np.array([x.sum(), y.sum()])
        self.wraps += wraps
        self.clips += clips

    def agreement(self, spiking: bool) -> Agreement:
        xy, xx, yy = (float(value) for value in self.products)
        cosine = min(1.0, xy / float(np.sqrt(xx) * np.sqrt(yy))) if xx > 0 and yy > 0 else None
        if not spiking:
            return Agreement(None, cosine, None, None, None, self.wraps, self.clips)
        per_step = self.total // len(self.equal)
        unequal = np.flatnonzero(self.equal < per_step)
        span = -(-len(self.equal) // POINTS)
        starts = range(0, len(self.equal), span)
        return Agreement(
            exact=int(self.equal.sum()) / self.total,
            cosine=cosine,
            rate_float=float(self.sums[0]) / self.total,
            rate_integer=float(self.sums[1]) / self.total,
            first_divergence=int(unequal[0]) if len(unequal) else None,
            wraps=self.wraps,
            clips=self.clips,
            over_time=tuple(float(self.equal[i : i + span].mean()) / per_step for i in starts),
            span=span,
        )
