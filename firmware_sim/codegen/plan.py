"""What the C of a network will be, as data: layers, the sums they keep, the connections and their tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.firmware_sim.codegen.options import CodegenOptions


@dataclass(frozen=True)
class Source:
    """What a connection reads: an input port or a population.

    Attributes:
        name: in the network; ``ident`` in C.
        port: an input; else a population.
        spiking: it sends 0 and 1.
        bits: of one value in C: 8, 16 or 32, signed; 8 for spikes.
        shape: without time and batch.
    """

    name: str
    ident: str
    port: bool
    spiking: bool
    bits: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def channels_last(self) -> bool:
        """Populations keep their channels last; an input arrives as it stands in the network, channels first."""
        return not self.port


@dataclass(frozen=True, eq=False)
class Link:
    """One connection.

    Attributes:
        synapses: of the network; ``ident`` in C.
        late: it reads a copy of what the source sent a step before, since the source has moved on by then.
        event: event-driven, else dense.
        weight_bits: 4, 8 or 16.
        rows: the stored weights, int8 or int16 [rows, length], in the order in which the kernel takes them.
    """

    synapses: Synapses
    ident: str
    source: Source
    late: bool
    event: bool
    weight_bits: int
    rows: NDArray[Any]

    @property
    def table_bytes(self) -> int:
        """Flash that its weights take."""
        count, length = self.rows.shape
        return int(count) * -(-int(length) * self.weight_bits // 8)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of weights that one or several connections of a population add to.

    Attributes:
        bits: 16 where proven to hold, else 32, modulo 2^32.
        exponent: what shifts them before the neuron takes them.
        held: fed by inputs of the same step alone, so that they stay while the input does.
    """

    ident: str
    bits: int
    exponent: int
    held: bool
    links: tuple[Link, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """One population.

    Attributes:
        sums: what drives it.
        listed: its spikes are kept as a list of indices: all that spike.
        mapped: also as a byte per neuron, for a dense kernel.
        late: what others read of it a step late, when it has moved on: "list", "map", "v".
        may_wrap, may_clip: see :mod:`cortexcore.export.bounds`.
    """

    population: Population
    ident: str
    sums: tuple[Sums, ...]
    mapped: bool
    late: frozenset[str]
    may_wrap: bool
    may_clip: bool

    @property
    def listed(self) -> bool:
        return self.population.vth is not None


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole network.

    Attributes:
        ports: inputs; ``listed`` those whose spikes are listed, ``late`` those whose values are kept for the next step.
        index_bits: of a spike in a list.
    """

    network: IntegerNetwork
    options: CodegenOptions
    ports: tuple[Source, ...]
    listed: frozenset[str]
    late: frozenset[str]
    layers: tuple[Layer, ...]
    outputs: dict[str, str]
    index_bits: int

    @property
    def links(self) -> tuple[Link, ...]:
        return tuple(link for layer in self.layers for sums in layer.sums for link in sums.links)

    def layer(self, name: str) -> Layer:
        """The layer of a population of the network."""
        return next(layer for layer in self.layers if layer.population.name == name)


def channels(shape: tuple[int, ...]) -> tuple[int, int]:
    """(channels, positions) of a population: neurons are kept position by position, a channel's neighbours apart."""
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (shape[0], 1)


def inside(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """One value per neuron, [*shape], as C keeps them: flattened with the channels last."""
    return np.moveaxis(values.reshape(shape), 0, -1).reshape(-1)
