"""The golden integer network: one written-down arithmetic, Loihi's, that every target reproduces bit for bit.

Per population and step, all values integers, tz(x) truncation toward zero, ≫ an arithmetic shift::

    a[t] = Σ over synapses of (Σ_j w_j·s_j[t], shifted by weight_exp)
    u[t] = wrap(tz(u[t−1]·(4096 − du − 1) / 4096) + a[t]·2^6)            to the 24-bit range (−2^23, 2^23]
    v[t] = clip(tz(v[t−1]·(4096 − dv) / 4096) + u[t] + bias·2^bias_exp, ±(2^23 − 1))
    s[t] = v[t] > vth·2^6                                                 strict
    v[t] ← 0 where s[t] (reset "zero"),  or  v[t] ← v[t] − vth·2^6 (reset "subtract"),  or v stays (reset "none")

With ``reset_delay`` the subtraction enters the next step's sum instead, after the leak and before the clip.
Source: Lava 0.10, ``proc/lif/models.py`` and ``proc/dense/models.py``. The currents are computed in
:mod:`cortexcore.export.integer_currents`, for all steps at once wherever no loop is, and the neurons in
:mod:`cortexcore.export.integer_neurons`, step by step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.bounds import bound, sent_ranges
from cortexcore.export.integer_currents import Drive, Floats, Ints, Numbers, drive, multiply, number_type, shift
from cortexcore.export.integer_neurons import Bools, Neurons, State
from cortexcore.export.network import IntegerNetwork, Operation, Population

Array = NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Trace:
    """Everything a run of the golden network produced.

    Attributes:
        outputs: output name → [T, B, *shape]: spikes uint8, or v int32 of an LI.
        spikes, u, v: population → [T, B, *shape] (uint8, int32, int32); u before, v after the reset.
        current_wraps, voltage_clips: population → how many values left the range; 0 everywhere in a sound network.
    """

    outputs: Mapping[str, Array]
    spikes: Mapping[str, Array]
    u: Mapping[str, Array]
    v: Mapping[str, Array]
    current_wraps: Mapping[str, int]
    voltage_clips: Mapping[str, int]


def run(network: IntegerNetwork, inputs: Mapping[str, Array]) -> Trace:
    """Run the golden network from rest.

    Args:
        network: the integer network. It is made ready once, so its arrays must never be changed in place.
        inputs: input name → integers [T, B, *shape] within the port's range.

    Returns:
        the full trace, every population and step.

    Raises:
        DataError: an input is missing, misshapen, not integer or out of the port's range.
    """
    sent: dict[str, Numbers] = {**check_inputs(network, inputs)}
    spikes: dict[str, Array] = {}
    currents: dict[str, Array] = {}
    voltages: dict[str, Array] = {}
    wraps: dict[str, int] = {}
    clips: dict[str, int] = {}
    for group in prepared(network).groups:
        for stage, record in zip(group, _run_group(group, sent), strict=True):
            p = stage.population
            shape = (*record.u.shape[:2], *p.shape)
            currents[p.name] = record.u.astype(np.int32).reshape(shape)
            voltages[p.name] = record.v.astype(np.int32).reshape(shape)
            wraps[p.name], clips[p.name] = record.wraps, record.clips
            if p.vth is not None:
                spikes[p.name] = record.s.view(np.uint8).reshape(shape)
            sent[p.name] = voltages[p.name] if p.vth is None else spikes[p.name]
    outputs = {port.name: spikes.get(port.source, voltages[port.source]) for port in network.outputs}
    return Trace(outputs, spikes, currents, voltages, wraps, clips)


def check_inputs(network: IntegerNetwork, inputs: Mapping[str, Array]) -> dict[str, NDArray[np.integer[Any]]]:
    """The inputs as integers, of their own type where that is one, or a DataError that names what does not fit."""
    names = {port.name for port in network.inputs}
    if set(inputs) != names:
        raise DataError(f"the network's inputs are {sorted(names)}, got {sorted(inputs)}")
    checked: dict[str, NDArray[np.integer[Any]]] = {}
    for port in network.inputs:
        values = np.asarray(inputs[port.name])
        if values.ndim != len(port.shape) + 2 or values.shape[2:] != port.shape:
            raise DataError(
                f"input '{port.name}' has shape {values.shape}, it must be [T, B, *{port.shape}] "
                "(steps, batch, then the port's own shape)"
            )
        if values.shape[0] < 1 or values.shape[1] < 1:
            raise DataError(f"input '{port.name}' of shape {values.shape} is empty: it needs a step and an inference")
        whole = _integers(values)
        if whole is None:
            raise DataError(f"input '{port.name}' holds values that are not integers; {_remedy(network, port.name)}")
        least, most = int(whole.min()), int(whole.max())
        if least < port.low or most > port.high:
            raise DataError(
                f"input '{port.name}' holds values in [{least}, {most}], the network takes [{port.low}, {port.high}]"
            )
        checked[port.name] = whole
    if len({values.shape[:2] for values in checked.values()}) > 1:
        shapes = ", ".join(f"'{n}' {v.shape[:2]}" for n, v in checked.items())
        raise DataError(f"all inputs must have the same steps and batch, got {shapes}")
    return checked


def _remedy(network: IntegerNetwork, name: str) -> str:
    """How floats become this input's integers."""
    said: Any = network.metadata.get("quantization")
    for key in ("inputs", name, "step"):
        said = said.get(key) if isinstance(said, Mapping) else None
    return f"encode it first: numpy.rint({name} / {said!r}).astype(int)" if said else "encode it first"


def _integers(values: NDArray[Any]) -> NDArray[np.integer[Any]] | None:
    """``values`` themselves where their type is an integer's; int64 where they are whole; else None."""
    if np.issubdtype(values.dtype, np.integer):
        return values
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    return whole if np.can_cast(values.dtype, np.int64) or np.array_equal(whole, values) else None


def computing_order(network: IntegerNetwork) -> list[tuple[Population, ...]]:
    """Populations in groups: one alone, or all from the first to the last of a recurrent loop.

    A group of one without recurrence can be computed for all steps of a synapse at once; a loop goes step by step. A
    recurrent connection from an earlier population closes no loop: it is read one step late, all of it known.
    """
    position = {p.name: i for i, p in enumerate(network.populations)}
    reach = list(range(len(network.populations)))
    for i, population in enumerate(network.populations):
        for synapses in population.synapses:
            last = position.get(synapses.source, -1)
            for j in range(i, last + 1):
                reach[j] = max(reach[j], last)
    groups: list[tuple[Population, ...]] = []
    start = 0
    while start < len(network.populations):
        end = reach[start]
        while (further := max(reach[start : end + 1])) > end:
            end = further
        groups.append(network.populations[start : end + 1])
        start = end + 1
    return groups


def apply(operation: Operation, sent: Array, source_shape: tuple[int, ...]) -> Ints:
    """The current of one connection, shifted: ``sent`` [N, *source_shape], integers → a, int64 [N, *out]."""
    values = sent.reshape(-1, *source_shape)
    peak = max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0))))
    total = multiply(operation, operation.weight.astype(number_type(operation, peak)), values)
    return shift(total.astype(np.int64), operation.weight_exp)


@dataclass(frozen=True, eq=False)
class Stage:
    """A population made ready: what drives it, and its neurons."""

    population: Population
    drive: Drive
    neurons: Neurons

    @property
    def name(self) -> str:
        return self.population.name

    def sends(self, state: State) -> Numbers:
        """What synapses read after a step: spikes, or v of a leaky integrator, [B, neurons]."""
        return state.s if self.neurons.spiking else state.v


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network made ready, its populations in groups as :func:`computing_order` has them."""

    groups: tuple[tuple[Stage, ...], ...]


_PREPARED: WeakKeyDictionary[IntegerNetwork, Prepared] = WeakKeyDictionary()


def prepared(network: IntegerNetwork) -> Prepared:
    """The network with its weights converted and its bounds proven: once per network, kept as long as it lives."""
    found = _PREPARED.get(network)
    if found is None:
        ranges = sent_ranges(network)
        groups = (
            tuple(Stage(p, drive(network, p), Neurons(p, bound(p, ranges))) for p in group)
            for group in computing_order(network)
        )
        found = _PREPARED[network] = Prepared(tuple(groups))
    return found


@dataclass
class _Record:
    """All steps of one population, each [T, B, neurons]; ``total`` is Σ a·2^6, which ``u`` may share."""

    total: Numbers
    u: Floats
    v: Floats
    s: Bools
    wraps: int = 0
    clips: int = 0


def _run_group(group: tuple[Stage, ...], sent: Mapping[str, Numbers]) -> list[_Record]:
    """All steps of one group: currents from outside the group at once, the loop's own step by step."""
    steps, batch = next(iter(sent.values())).shape[:2]
    inside = {stage.name for stage in group}
    records = []
    for stage in group:
        size = stage.neurons.size
        total = stage.drive.zeros(steps, batch, size)
        for connection in stage.drive.connections:
            if connection.source not in inside:
                values = sent[connection.source]
                if connection.recurrent:
                    values = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
                connection.add(values, total.reshape(steps * batch, size))
        v, s = np.empty((steps, batch, size)), np.zeros((steps, batch, size), np.bool_)
        u = total if stage.drive.number is np.float64 else np.empty_like(v)
        records.append(_Record(total, u, v, s))
    looped = any(c.source in inside for stage in group for c in stage.drive.connections)
    states = [stage.neurons.rest(batch) for stage in group]
    for window in (slice(t, t + 1) for t in range(steps)) if looped else (slice(None),):
        before = {stage.name: stage.sends(state) for stage, state in zip(group, states, strict=True)}
        now: dict[str, Numbers] = {}
        for stage, record, state in zip(group, records, states, strict=True):
            for connection in stage.drive.connections:
                if connection.source in inside:
                    values = (before if connection.recurrent else now)[connection.source]
                    connection.add(values, record.total[window][0])
            if record.u is not record.total:
                record.u[window] = stage.drive.settle(record.total[window])
            wraps, clips = stage.neurons.advance(record.u[window], record.v[window], record.s[window], state)
            record.wraps += wraps
            record.clips += clips
            now[stage.name] = stage.sends(state)
    return records
