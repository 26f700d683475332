"""The integer network: what every target runs, in the normal form that Loihi, C, ONNX and TFLite share.

A *population* of neurons sums the currents of its *synapses*; each synapse reads one source, an input port or a
population, flattened in C order where the operation is dense. Nothing else exists: flattening, scaling and batch
normalisation are gone by the time a graph is quantized. The arithmetic is in :mod:`cortexcore.export.integer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.windows import Window

if TYPE_CHECKING:
    from cortexcore.export.report.report import QuantizationReport

Int = NDArray[np.int32]
Field = int | Int
"""A register's value: one for all neurons, as on Loihi, or an array with one per neuron."""
IntegerReset = Literal["zero", "subtract", "none"]

STATE_LIMIT = 2**23 - 1
"""|v| is clipped to this, and u wraps to 24 bits just above it (Loihi; Lava ``proc/lif/models.py``)."""
DECAY_ONE = 4096
"""A decay of 4096 forgets everything within one step: decays are 12-bit fractions of it."""
THRESHOLD_SHIFT = 6
"""Currents and thresholds stand 2^6 below u and v."""
THRESHOLD_LIMIT = 2**17 - 1
"""A threshold has 17 bits."""
WEIGHT_LIMIT = 256
"""Weights are in [−256, 254] where signs are mixed, and up to 255 on either side where they are not."""
WEIGHT_EXPONENTS = (-8, 7)
"""A weight exponent has 4 bits with its sign."""
BIAS_LIMIT = 2**12
"""A bias mantissa has 13 bits with its sign: [−4096, 4095]."""
BIAS_EXPONENT_LIMIT = 7
"""A bias exponent has 3 bits."""
INPUT_LIMIT = 2**31
"""Inputs have 32 bits at most."""
DRIVE_LIMIT = 2**62
"""What can arrive at a neuron in one step, Σ|a|·2^6, stays below this, so that int64 holds it."""


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

    @property
    def window(self) -> Window:
        return Window((self.weight.shape[2],), (self.stride,), (self.padding,), (self.dilation,))


@dataclass(frozen=True, eq=False)
class Conv2d:
    """As :class:`cortexcore.export.nodes.Conv2d`, without bias, then shifted by ``weight_exp``.

    ``weight`` int32 [out, in/groups, height, width]; the source has shape (in, height, width).
    """

    weight: Int
    weight_exp: int = 0
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def window(self) -> Window:
        return Window(tuple(self.weight.shape[2:]), self.stride, self.padding, self.dilation)


Convolution = Conv1d | Conv2d
Operation = Dense | Conv1d | Conv2d


def fan_in(operation: Operation) -> int:
    """The largest Σ|w| over what one neuron reads: |Σ w·s| is at most this times the largest |s|."""
    weight = operation.weight
    return int(np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1).max(initial=0))


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
    """Neurons of one kind; du, dv, vth and bias are one value for all of them, as on Loihi, or one per neuron.

    Attributes:
        shape: neurons, e.g. ``(16, 47)`` for 16 channels of 47.
        synapses: what feeds it; their currents add up.
        du, dv: current and voltage decay in 1/4096; du = 4095 means no synaptic current, dv = 0 no leak.
        vth: threshold, compared as v > vth·2^6; ``None`` for a leaky integrator (LI), whose output is v.
        bias: int32 mantissa, shape () or ``shape``; added to v every step as bias·2^bias_exp.
            du, dv and vth are Python integers or, one per neuron, int32 arrays of ``shape``.
        reset: ``"zero"``, ``"subtract"`` or ``"none"``, where v stays after a spike.
        reset_delay: a "subtract" reaches v one step later, after the leak (snnTorch's default); no other heeds it.
    """

    name: str
    shape: tuple[int, ...]
    synapses: tuple[Synapses, ...]
    du: Field
    dv: Field
    vth: Field | None
    bias: Int
    bias_exp: int = 0
    reset: IntegerReset = "zero"
    reset_delay: bool = False

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def uniform(self) -> bool:
        """Whether all neurons share du, dv and vth."""
        return not any(isinstance(value, np.ndarray) for value in (self.du, self.dv, self.vth))

    @property
    def has_current(self) -> bool:
        """Whether any neuron keeps a synaptic current."""
        return bool(np.any(np.asarray(self.du) != DECAY_ONE - 1))


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
        report: what quantization cost, where this network was just quantized; not kept in files.

    Raises:
        GraphError: a synapse or output reads a missing source, or a later population without being recurrent; names
            stand twice; shapes do not fit; a number is outside its field; currents could exceed 62 bits. All of it
            at once, the currents once the rest is sound.
    """

    inputs: tuple[InputPort, ...]
    populations: tuple[Population, ...]
    outputs: tuple[OutputPort, ...]
    dt_s: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    report: QuantizationReport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        known = [port.name for port in self.inputs] + [p.name for p in self.populations]
        problems = _twice("the name", known)
        problems += _twice("the synapses", [s.name for p in self.populations for s in p.synapses])
        problems += _twice("the output", [o.name for o in self.outputs])
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
        problems += [text for port in self.inputs if (text := _port_problem(port))]
        if not (math.isfinite(self.dt_s) and self.dt_s > 0):
            problems.append(f"dt_s is {self.dt_s}, it must be a positive number of seconds")
        if not problems:
            problems = [text for p in self.populations for text in _population_problems(p, self.shape_of)]
        if not problems:
            problems = [text for p in self.populations if (text := _drive_problem(p, self.range_of))]
        if problems:
            raise GraphError("the integer network is malformed: " + "; ".join(problems))

    def __repr__(self) -> str:
        inputs = ", ".join(f"{port.name} {port.shape}" for port in self.inputs)
        populations = ", ".join(f"{p.name} {p.shape}" for p in self.populations)
        weights = sum(s.operation.weight.size for p in self.populations for s in p.synapses)
        return f"IntegerNetwork({inputs} → {populations}; {weights} weights, dt_s={self.dt_s})"

    def shape_of(self, source: str) -> tuple[int, ...]:
        """Shape of what an input port or a population sends."""
        for port in self.inputs:
            if port.name == source:
                return port.shape
        return self.population(source).shape

    def range_of(self, source: str) -> tuple[int, int]:
        """Least and largest value that a source sends: an input's range, spikes, or v of a leaky integrator."""
        for port in self.inputs:
            if port.name == source:
                return port.low, port.high
        return (-STATE_LIMIT, STATE_LIMIT) if self.population(source).vth is None else (0, 1)

    def population(self, name: str) -> Population:
        for population in self.populations:
            if population.name == name:
                return population
        raise GraphError(f"there is no population '{name}'; there are {', '.join(p.name for p in self.populations)}")


def _twice(what: str, names: list[str]) -> list[str]:
    return [f"{what} '{name}' stands twice" for name in sorted({n for n in names if names.count(n) > 1})]


def _port_problem(port: InputPort) -> str:
    if not port.shape or min(port.shape) < 1:
        return f"input '{port.name}' has the shape {port.shape}, it needs at least one axis and no empty one"
    if port.low > port.high:
        return f"input '{port.name}' takes values from {port.low} to {port.high}, which is no range"
    if max(-port.low, port.high) > INPUT_LIMIT:
        return f"input '{port.name}' takes values from {port.low} to {port.high}, it must be within ±{INPUT_LIMIT}"
    return ""


def _population_problems(p: Population, shape_of: Callable[[str], tuple[int, ...]]) -> list[str]:
    """Fields outside what Loihi's registers and the golden arithmetic hold, and shapes that do not meet."""
    if not p.shape or min(p.shape) < 1:
        return [f"population '{p.name}' has the shape {p.shape}, it needs at least one axis and no empty one"]
    ranges = {
        "du": (p.du, 0, DECAY_ONE - 1),
        "dv": (p.dv, 0, DECAY_ONE),
        "vth": (0 if p.vth is None else p.vth, 0, THRESHOLD_LIMIT),
        "bias_exp": (p.bias_exp, 0, BIAS_EXPONENT_LIMIT),
        "bias": (p.bias, -BIAS_LIMIT, BIAS_LIMIT - 1),
    }
    problems = []
    for name, (value, low, high) in ranges.items():
        least, most = int(np.min(value)), int(np.max(value))
        if not low <= least <= most <= high:
            found = f"{least}" if least == most else f"from {least} to {most}"
            problems.append(f"{name} of '{p.name}' is {found}, it must be from {low} to {high}")
        if isinstance(value, np.ndarray) and name != "bias" and value.shape != p.shape:
            problems.append(f"{name} of '{p.name}' has shape {value.shape}, it must be a whole number or {p.shape}")
        if not np.issubdtype(np.asarray(value).dtype, np.integer):
            problems.append(f"{name} of '{p.name}' is of type {np.asarray(value).dtype}, it must be whole numbers")
    if p.bias.shape not in ((), p.shape):
        problems.append(f"the bias of '{p.name}' has shape {p.bias.shape}, it must be a scalar or {p.shape}")
    if p.reset not in get_args(IntegerReset):
        problems.append(f"'{p.name}' resets by '{p.reset}', use one of {', '.join(get_args(IntegerReset))}")
    for synapses in p.synapses:
        problems += [f"synapses '{synapses.name}' {text}" for text in _synapse_problems(synapses, p, shape_of)]
    return problems


def _drive_problem(p: Population, range_of: Callable[[str], tuple[int, int]]) -> str:
    """Currents that could leave the arithmetic's widest integers; only absurd ranges and exponents get there."""
    peaks = {s: fan_in(s.operation) * max(abs(limit) for limit in range_of(s.source)) for s in p.synapses}
    drive = sum(peak * 2.0 ** (s.operation.weight_exp + THRESHOLD_SHIFT) for s, peak in peaks.items())
    if drive < DRIVE_LIMIT and all(peak < DRIVE_LIMIT for peak in peaks.values()):
        return ""
    return (
        f"the current into '{p.name}' can reach {drive:.3g}, it must stay below 2^62: narrow the range of what feeds "
        "it, or lower weight_exp"
    )


def _synapse_problems(synapses: Synapses, p: Population, shape_of: Callable[[str], tuple[int, ...]]) -> list[str]:
    op, source = synapses.operation, shape_of(synapses.source)
    low, high = WEIGHT_EXPONENTS
    problems = []
    if not low <= op.weight_exp <= high:
        problems.append(f"have the weight_exp {op.weight_exp}, it must be from {low} to {high}")
    if not np.issubdtype(op.weight.dtype, np.integer):
        return [f"hold weights of type {op.weight.dtype}, they must be whole numbers"]
    if op.weight.min(initial=0) < -WEIGHT_LIMIT or op.weight.max(initial=0) >= WEIGHT_LIMIT:
        problems.append(f"hold weights outside [−{WEIGHT_LIMIT}, {WEIGHT_LIMIT - 1}]")
    if isinstance(op, Dense):
        if op.weight.shape != (p.size, int(np.prod(source))):
            problems.append(f"have weights {op.weight.shape} between {source} and {p.shape}")
        return problems
    axes = 1 if isinstance(op, Conv1d) else 2
    window = op.window
    if op.weight.ndim != 2 + axes or min(*window.stride, *window.dilation, op.groups) < 1 or min(window.padding) < 0:
        return [
            *problems,
            f"need weights [out, in/groups, {'kernel' if axes == 1 else 'height, width'}], positive stride, dilation "
            "and groups, no negative padding",
        ]
    out, per_group = op.weight.shape[:2]
    fits = len(source) == 1 + axes and source[0] == per_group * op.groups and not out % op.groups
    if not fits or p.shape != (out, *window.positions(source[1:])):
        problems.append(f"have a kernel {op.weight.shape} in {op.groups} groups between {source} and {p.shape}")
    return problems
