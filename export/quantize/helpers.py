"""Populations that the float graph does not have: relays that delay spikes, and neurons that never stop firing.

A relay spikes exactly when its source did in this step or, reading another relay one step late, in the step before;
k relays in a row hand spikes on k steps late to what reads the last one late. A neuron that fires every step carries
a constant current into a synaptic filter, where a bias on v would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from cortexcore.errors import QuantizationError
from cortexcore.export import network as integer
from cortexcore.export.bounds import Range
from cortexcore.export.network import DECAY_ONE, Population, Synapses
from cortexcore.export.nodes import Conv1d, Conv2d, Linear
from cortexcore.export.passes.merge import identity
from cortexcore.export.passes.populations import FloatNetwork, FloatPopulation, FloatSynapses
from cortexcore.export.quantize.effective import Effective
from cortexcore.export.shapes import Shape

SPIKE = 2
"""The weight of a relay, the least of Loihi's mixed-sign grid; its threshold is half of it."""
BIAS_BITS = 8
"""A constant current keeps the full weight grid, whatever the layers have."""


@dataclass
class Helpers:
    """Helper populations of one network, made as they are asked for.

    Attributes:
        shapes: input or population → its shape.
        taken: names that are in use.
        after: input or population → the helpers that are computed right after it.
        words: helper → what it is.
    """

    shapes: Mapping[str, Shape]
    taken: set[str]
    after: dict[str, list[Population]] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def relay(self, source: str, steps: int) -> str:
        """The relay that, read one step late, hands on what ``source`` sent ``steps`` steps ago."""
        row = self.after.setdefault(source, [])
        while len(row) < steps:
            below, late = (row[-1].name, True) if row else (source, False)
            name = self.free(f"{source}_late{len(row) + 1}")
            self.words[name] = f"relay of '{source}', {len(row)} steps late"
            link = Synapses(self.free(f"{below}_to_{name}"), below, _handing_on(self.shapes[source]), late)
            row.append(_memoryless(name, self.shapes[source], (link,), SPIKE // 2, 0))
        return row[steps - 1].name

    def always_on(self, name: str) -> Population:
        """A neuron for the population ``name`` that fires in every step."""
        on = self.free(f"{name}_on")
        self.words[on] = f"fires every step, for the bias of '{name}'"
        return _memoryless(on, (1,), (), 0, SPIKE)

    def free(self, wanted: str) -> str:
        """``wanted``, or where that is taken a name made from it."""
        free, number = wanted, 1
        while free in self.taken:
            number += 1
            free = f"{wanted}_copy{number}"
        self.taken.add(free)
        return free


def with_constant(
    wanted: FloatPopulation, floats: Effective, name: str, source: str
) -> tuple[FloatPopulation, Effective]:
    """A population whose constant current comes through the synapses ``name`` from ``source``."""
    weight = np.array(np.broadcast_to(floats.current, wanted.neuron.shape).reshape(-1, 1))
    synapses = FloatSynapses(name, source, Linear(weight), False)
    return (
        replace(wanted, synapses=(*wanted.synapses, synapses)),
        replace(floats, weights={**floats.weights, name: weight}, current=np.zeros(())),
    )


def check_delayed_inputs(network: FloatNetwork, ranges: Mapping[str, Range]) -> None:
    """Only spikes can be relayed.

    Raises:
        QuantizationError: an input with other values than 0 and 1 is delayed; every such connection.
    """
    problems = [
        f"'{s.name}' delays the input '{s.source}', which takes values from {low} to {high}"
        for p in network.populations
        for s in p.synapses
        if s.delay and s.source in network.inputs
        for low, high in [ranges[s.source]]
        if low < 0 or high > 1
    ]
    if problems:
        raise QuantizationError(
            "graded signals cannot be delayed: " + "; ".join(problems) + " (send the input that much later, or delay "
            "the spikes of the neuron it feeds)"
        )


def _memoryless(name: str, shape: Shape, synapses: tuple[Synapses, ...], vth: int, bias: int) -> Population:
    """A population whose spikes depend on the present step alone.

    dv = 4095 keeps a 4096th of v, which is none of a v that is small or was reset, and still fits 12 bits.
    """
    return Population(name, shape, synapses, DECAY_ONE - 1, DECAY_ONE - 1, vth, np.array(bias, np.int32))


def _handing_on(shape: Shape) -> integer.Operation:
    match identity(shape):
        case Linear(weight=weight):
            return integer.Dense((SPIKE * weight).astype(np.int32))
        case Conv1d(weight=weight, groups=groups):
            return integer.Conv1d((SPIKE * weight).astype(np.int32), groups=groups)
        case Conv2d(weight=weight, groups=groups):
            return integer.Conv2d((SPIKE * weight).astype(np.int32), groups=groups)
    raise TypeError(f"no relays for the shape {shape}, which the normal form refuses")
