"""The same inputs through the float graph and the integer network, compared spike by spike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export import integer, reference
from cortexcore.export.batches import batches
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.report.report import Agreement

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Per population the agreement, and per output [B] the decisions of both."""

    steps: int
    inferences: int
    agreements: Mapping[str, Agreement]
    decided_float: Mapping[str, Array]
    decided_integer: Mapping[str, Array]


def compare(graph: Graph, network: IntegerNetwork, inputs: Mapping[str, Array]) -> Comparison:
    """Run both on ``inputs`` (name → integers [T, B, *shape]), a slice of inferences at a time.

    Raises:
        DataError: the inputs fit either network not.
    """
    sums = {p.name: _Sums() for p in network.populations}
    decided: dict[str, tuple[list[Array], list[Array]]] = {port.name: ([], []) for port in network.outputs}
    steps = inferences = 0
    for some in batches(inputs):
        floats, integers = reference.run(graph, some), integer.run(network, some)
        for p in network.populations:
            wraps, clips = integers.current_wraps[p.name], integers.voltage_clips[p.name]
            if p.vth is None:
                sums[p.name].add(floats.v[p.name], integers.v[p.name], wraps, clips)
            else:
                sums[p.name].add(floats.spikes[p.name], integers.spikes[p.name], wraps, clips)
        for port in network.outputs:
            spiking = network.population(port.source).vth is not None
            for kept, outputs in zip(decided[port.name], (floats.outputs, integers.outputs), strict=True):
                kept.append(decisions(outputs[port.name], spiking))
        steps, batch = next(iter(integers.u.values())).shape[:2]
        inferences += batch
    return Comparison(
        steps=steps,
        inferences=inferences,
        agreements={p.name: sums[p.name].agreement(p.vth is not None) for p in network.populations},
        decided_float={name: np.concatenate(a) for name, (a, _) in decided.items()},
        decided_integer={name: np.concatenate(b) for name, (_, b) in decided.items()},
    )


def decisions(output: Array, spiking: bool) -> Array:
    """[T, B, *shape] → the class of each inference [B]: argmax of spike counts, or of v at the last step."""
    scores = output.sum(axis=0, dtype=np.int64) if spiking else output[-1]
    return np.asarray(scores.reshape(len(scores), -1).argmax(axis=1))


@dataclass
class _Sums:
    """Running sums of one population over the slices."""

    total: int = 0
    equal: int = 0
    first: int | None = None
    wraps: int = 0
    clips: int = 0
    products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, a: Array, b: Array, wraps: int, clips: int) -> None:
        """A slice [T, B, *shape] of the float (``a``) and the integer network (``b``)."""
        differs = (a != b).reshape(len(a), -1).any(axis=1)
        if differs.any():
            step = int(differs.argmax())
            self.first = step if self.first is None else min(step, self.first)
        self.total += a.size
        self.equal += int(np.count_nonzero(a == b))
        x, y = a.reshape(-1).astype(np.float64), b.reshape(-1).astype(np.float64)
        self.products += np.array([x @ y, x @ x, y @ y])
        self.sums += np.array([x.sum(), y.sum()])
        self.wraps += wraps
        self.clips += clips

    def agreement(self, spiking: bool) -> Agreement:
        xy, xx, yy = (float(value) for value in self.products)
        return Agreement(
            exact=self.equal / self.total if spiking else None,
            cosine=min(1.0, xy / float(np.sqrt(xx * yy))) if xx > 0 and yy > 0 else None,
            rate_float=float(self.sums[0]) / self.total if spiking else None,
            rate_integer=float(self.sums[1]) / self.total if spiking else None,
            first_divergence=self.first if spiking else None,
            wraps=self.wraps,
            clips=self.clips,
        )
