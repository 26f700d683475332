"""The integer network: what every target runs, in the normal form that Loihi, C, ONNX and TFLite share.

A *population* of neurons sums the currents of its *synapses*; each synapse reads one source, an input port or a
population, flattened in C order where the operation is dense. Nothing else exists: flattening, scaling and batch
normalisation are gone by the time a graph is quantized. The arithmetic is in :mod:`cortexcore.export.integer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError

Int = NDArray[np.int32]
IntegerReset = Literal["zero", "subtract"]

STATE_LIMIT = 2**23 - 1
"""|v| is clipped to this, and u wraps to 24 bits just above it (Loihi; Lava ``proc/lif/models.py``)."""
DECAY_ONE = 4096
"""A decay of 4096 forgets everything within one step: decays are 12-bit fractions of it."""
THRESHOLD_SHIFT = 6
"""Currents and thresholds stand 2^6 below u and v."""


@dataclass(frozen=True, eq=False)
class InputPort:
    """Integer data entering at each step: ``shape`` without time and batch, every value in [``low``, ``high``]."""

    name: str
    shape: tuple[int, ...]
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Dense:
    """a[o] = (Σ_i weight[o, i]·s[i]) shifted by ``weight_exp``; ``weight`` int32 [out, in]."""

    weight: Int
    weight_exp: int = 0


@dataclass(frozen=True, eq=False)
class Conv1d:
    """As :class:`cortexcore.export.nodes.Conv1d`, without bias, then shifted by ``weight_exp``.

    ``weight`` int32 [out, in/groups, kernel]; the source has shape (in, length).
    """

    weight: Int
    weight_exp: int = 0
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1


Operation = Dense | Conv1d


@dataclass(frozen=True, eq=False)
class Synapses:
    """One connection: ``operation`` applied to what ``source`` (input port or population) sends.

    A ``recurrent`` connection carries the source's spikes of the step before; it is what closes a loop.
    """

    name: str
    source: str
    operation: Operation
    recurrent: bool = False


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind, each parameter a scalar as on Loihi, the bias scalar or one mantissa per neuron.

    Attributes:
        shape: neurons, e.g. ``(16, 47)`` for 16 channels of 47.
        synapses: what feeds it; their currents add up.
        du, dv: current and voltage decay in 1/4096; du = 4095 means no synaptic current, dv = 0 no leak.
        vth: threshold, compared as v > vth·2^6; ``None`` for a leaky integrator (LI), whose output is v.
        bias: int32 mantissa, shape () or ``shape``; added to v every step as bias·2^bias_exp.
        reset: ``"zero"`` or ``"subtract"``.
        reset_delay: a "subtract" reaches v one step later, after the leak (snnTorch's default).
    """

    name: str
    shape: tuple[int, ...]
    synapses: tuple[Synapses, ...]
    du: int
    dv: int
    vth: int | None
    bias: Int
    bias_exp: int = 0
    reset: IntegerReset = "zero"
    reset_delay: bool = False

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True, eq=False)
class OutputPort:
    """What leaves: the spikes of a spiking population, or v of an LI, under the output's name."""

    name: str
    source: str


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """An integer network, its populations in the order in which one step computes them.

    Attributes:
        inputs, populations, outputs: see the classes; names are unique over inputs and populations.
        dt_s: length of a step in seconds.
        metadata: JSON values: quantization (bits, scales, scheme), front end, classes, provenance.

    Raises:
        GraphError: a synapse or output reads a missing source, or a later population without being recurrent.
    """

    inputs: tuple[InputPort, ...]
    populations: tuple[Population, ...]
    outputs: tuple[OutputPort, ...]
    dt_s: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [port.name for port in self.inputs] + [p.name for p in self.populations]
        problems = [f"the name '{n}' stands twice" for n in sorted({n for n in known if known.count(n) > 1})]
        ready = {port.name for port in self.inputs}
        for population in self.populations:
            for synapses in population.synapses:
                if synapses.source not in known:
                    problems.append(f"synapses '{synapses.name}' read '{synapses.source}', which does not exist")
                elif synapses.source not in ready and not synapses.recurrent:
                    problems.append(f"synapses '{synapses.name}' read '{synapses.source}' before it is computed")
            ready.add(population.name)
        problems += [
            f"output '{o.name}' reads '{o.source}', which is no population"
            for o in self.outputs
            if o.source not in {p.name for p in self.populations}
        ]
        if problems:
            raise GraphError("the integer network is malformed: " + "; ".join(problems))

    def shape_of(self, source: str) -> tuple[int, ...]:
        """Shape of what an input port or a population sends."""
        for port in self.inputs:
            if port.name == source:
                return port.shape
        return self.population(source).shape

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise GraphError(f"there is no population '{name}'; there are {', '.join(p.name for p in self.populations)}")
