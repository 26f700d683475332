"""Which source value reaches which neuron, unrolled: what the mapping, the counts and the hops are computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import Convolution, IntegerNetwork, Population, Synapses
from cortexcore.targets.loihi.mapping.memory import Counts, grid_bits
from cortexcore.targets.loihi.plan import unroll
from cortexcore.targets.loihi.timing import timing


@dataclass(frozen=True, eq=False)
class Link:
    """One connection's weights that are not zero, without their values.

    Attributes:
        name: the synapses' name.
        source, target: input port or population, and population.
        recurrent: it carries the spikes of the step before.
        sources: values that the source sends in one step.
        bits: of the weights' grid.
        delay_bits: of each synapse's own delay; 0 where the connection takes one step.
        starts: neuron → where its entries start in ``columns``, [neurons + 1].
        columns: the source values that each neuron reads, flattened.
        positions: neurons per output channel of a convolution; 0 where there is none.
        kernel: weights per output channel of a convolution.
    """

    name: str
    source: str
    target: str
    recurrent: bool
    sources: int
    bits: int
    delay_bits: int
    starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    positions: int
    kernel: int

    def fan(self, first: int, last: int) -> Counts:
        """Per source value, how many of the neurons ``first`` to ``last`` − 1 it reaches, [sources]."""
        return np.bincount(self.columns[self.starts[first] : self.starts[last]], minlength=self.sources)

    def kernel_weights(self, first: int, last: int) -> int | None:
        """Weights of the output channels that these neurons belong to; None where there is no convolution."""
        if not self.positions:
            return None
        return (-(-last // self.positions) - first // self.positions) * self.kernel


def links(network: IntegerNetwork) -> tuple[Link, ...]:
    """All connections of a network, population by population."""
    times = timing(network)
    return tuple(_link(network, p, s, times.delay(p, s)) for p in network.populations for s in p.synapses)


def _link(network: IntegerNetwork, p: Population, s: Synapses, delay: int) -> Link:
    shape, op = network.shape_of(s.source), s.operation
    if isinstance(op, Convolution):
        _, columns, starts = unroll(op, shape[1:])
        positions, kernel = p.size // len(op.weight), op.weight[0].size
    else:
        rows, columns = np.nonzero(op.weight)
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=p.size))])
        positions = kernel = 0
    return Link(
        name=s.name,
        source=s.source,
        target=p.name,
        recurrent=s.recurrent,
        sources=math.prod(shape),
        bits=grid_bits(op.weight),
        delay_bits=max(delay, 0).bit_length(),
        starts=starts.astype(np.int64),
        columns=columns.astype(np.int64),
        positions=positions,
        kernel=kernel,
    )
