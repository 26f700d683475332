"""From an integer network to the plan of its C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cortexcore.export.bounds import bound, sent_ranges, sum_range
from cortexcore.export.network import (
    STATE_LIMIT,
    Conv1d,
    Conv2d,
    Dense,
    InputPort,
    IntegerNetwork,
    Operation,
    Population,
    Synapses,
)
from cortexcore.export.stored_weight import stored_weight
from cortexcore.firmware_sim.codegen.cost import Kind, Sent, event_driven
from cortexcore.firmware_sim.codegen.names import identifiers
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.plan import Layer, Link, Plan, Source, Sums
from cortexcore.firmware_sim.codegen.weights import rows

NARROW = 2**15 - 1
"""What a sum of 16 bits holds."""


def plan(network: IntegerNetwork, options: CodegenOptions) -> Plan:
    """Choose types, kernels and buffers for every population and connection."""
    return _Planner(network, options).plan()


class _Planner:
    """The choices for one network, which need to know what else is read."""

    def __init__(self, network: IntegerNetwork, options: CodegenOptions) -> None:
        self._network, self._options = network, options
        self._ranges = sent_ranges(network)
        self._order = {p.name: i for i, p in enumerate(network.populations)}
        names = identifiers([*(p.name for p in network.inputs), *self._order])
        self._sources = {port.name: _port(port, names[port.name]) for port in network.inputs}
        self._sources |= {p.name: _population(p, names[p.name]) for p in network.populations}
        self._names = identifiers(s.name for p in network.populations for s in p.synapses)

    def plan(self) -> Plan:
        network = self._network
        sums = {p.name: self._sums(p) for p in network.populations}
        links = [link for of_one in sums.values() for part in of_one for link in part.links]
        layers = tuple(self._layer(p, sums[p.name], links) for p in network.populations)
        ports = tuple(self._sources[port.name] for port in network.inputs)
        read = [link for link in links if link.source.port]
        listed = frozenset(x.source.name for x in read if x.event and x.source.spiking and not x.late)
        late = frozenset(x.source.name for x in read if x.late)
        outputs = identifiers(o.name for o in network.outputs)
        largest = max(source.size for source in self._sources.values())
        return Plan(network, self._options, ports, listed, late, layers, outputs, 16 if largest <= 2**16 else 32)

    def _layer(self, p: Population, sums: tuple[Sums, ...], links: Sequence[Link]) -> Layer:
        readers = [link for link in links if link.source.name == p.name]
        proven = bound(p, self._ranges)
        late = frozenset(_buffer(link) for link in readers if link.late)
        mapped = any(_buffer(link) == "map" for link in readers)
        may_wrap = max(-proven.u[0], proven.u[1]) > STATE_LIMIT
        may_clip = max(-proven.v[0], proven.v[1]) > STATE_LIMIT
        return Layer(p, self._sources[p.name].ident, sums, mapped, late, may_wrap, may_clip)

    def _sums(self, p: Population) -> tuple[Sums, ...]:
        """Connections whose sums add up before the shift share them: those that none or a left shift follows."""
        groups: dict[tuple[object, ...], list[Synapses]] = {}
        for s in p.synapses:
            exponent = _exponent(s.operation)
            shared = (exponent, self._held(s)) if exponent >= 0 else (s.name,)
            groups.setdefault(shared, []).append(s)
        ident = self._sources[p.name].ident
        return tuple(self._one(f"{ident}_{i}", p, group) for i, group in enumerate(groups.values()))

    def _one(self, ident: str, p: Population, group: Sequence[Synapses]) -> Sums:
        narrow = all(self._listed_spikes(s) for s in group) and self._fits(group, p)
        event = {s.name: self._event(s, p, narrow) for s in group}
        narrow = narrow and all(event.values())
        links = tuple(self._link(s, p, event[s.name], narrow) for s in group)
        return Sums(ident, 16 if narrow else 32, _exponent(group[0].operation), self._held(group[0]), links)

    def _link(self, s: Synapses, p: Population, event: bool, narrow: bool) -> Link:
        stored, _ = stored_weight(s.operation)
        source = self._sources[s.source]
        fits = self._options.pack and stored.min(initial=0) >= -8 and stored.max(initial=0) <= 7
        bits = 4 if fits else stored.dtype.itemsize * 8
        lanes = self._options.lanes and narrow and bits == 8
        table = rows(s.operation, stored, source, p.shape, event, lanes)
        return Link(s, self._names[s.name], source, self._late(s, p), event, bits, table)

    def _held(self, s: Synapses) -> bool:
        return self._sources[s.source].port and not s.recurrent

    def _late(self, s: Synapses, p: Population) -> bool:
        """Whether this step has advanced the source already; one still to come stands as the step before left it."""
        return s.recurrent and self._order.get(s.source, -1) < self._order[p.name]

    def _listed_spikes(self, s: Synapses) -> bool:
        """Whether the spikes come as a list. An input's values of the step before are kept as they came."""
        source = self._sources[s.source]
        return source.spiking and not (source.port and s.recurrent)

    def _fits(self, group: Sequence[Synapses], p: Population) -> bool:
        """Whether no part of Σ w·s, the common powers of two taken out, can leave 16 bits."""
        least = most = np.zeros(())
        for s in group:
            factor = 2.0 ** -stored_weight(s.operation)[1]
            low, high = sum_range(s.operation, self._ranges[s.source])
            least, most = least + low.min() * factor, most + high.max() * factor
        return bool(least >= -NARROW and most <= NARROW)

    def _event(self, s: Synapses, p: Population, narrow: bool) -> bool:
        if self._options.kernel != "auto":
            return self._options.kernel == "event"
        sent: Sent = "graded" if not self._listed_spikes(s) else "narrow" if narrow else "wide"
        share = self._options.rates.get(s.source, self._options.rate)
        match s.operation:
            case Dense():
                return event_driven(self._options.core, "dense", sent, share, p.size)
            case Conv1d() | Conv2d() as operation:
                kind: Kind = "line" if on_a_line(operation, self._sources[s.source]) else "conv"
                return event_driven(self._options.core, kind, sent, share, p.shape[0] // operation.groups)
            case _:
                raise TypeError(f"no kernel for the operation {type(s.operation).__name__}")


def on_a_line(operation: Operation, source: Source) -> bool:
    """Whether what an output reads are neighbours in the source, so that its sums stay in registers meanwhile."""
    return isinstance(operation, Conv1d) and operation.dilation == 1 and operation.groups == 1 and source.channels_last


def _exponent(operation: Operation) -> int:
    """The shift of the sums of stored weights."""
    return operation.weight_exp + stored_weight(operation)[1]


def _buffer(link: Link) -> str:
    """What of a population a connection reads."""
    if not link.source.spiking:
        return "v"
    return "list" if link.event else "map"


def _port(port: InputPort, ident: str) -> Source:
    bits = next((b for b in (8, 16) if -(2 ** (b - 1)) <= port.low and port.high < 2 ** (b - 1)), 32)
    return Source(port.name, ident, True, port.low >= 0 and port.high <= 1, bits, port.shape)


def _population(p: Population, ident: str) -> Source:
    spiking = p.vth is not None
    return Source(p.name, ident, False, spiking, 8 if spiking else 32, p.shape)
