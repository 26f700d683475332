"""The golden integer network: one written-down arithmetic, Loihi's, that every target reproduces bit for bit.

Per population and step, all values integers, tz(x) truncation toward zero, ≫ an arithmetic shift::

    a[t] = Σ over synapses of (Σ_j w_j·s_j[t], shifted by weight_exp)
    u[t] = wrap(tz(u[t−1]·(4096 − du − 1) / 4096) + a[t]·2^6)            to the 24-bit range (−2^23, 2^23]
    v[t] = clip(tz(v[t−1]·(4096 − dv) / 4096) + u[t] + bias·2^bias_exp, ±(2^23 − 1))
    s[t] = v[t] > vth·2^6                                                 strict
    v[t] ← 0 where s[t] (reset "zero"),  or  v[t] ← v[t] − vth·2^6 (reset "subtract")

With ``reset_delay`` the subtraction enters the next step's sum instead, after the leak and before the clip.
Source: Lava 0.10, ``proc/lif/models.py`` and ``proc/dense/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.network import (
    DECAY_ONE,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    Conv1d,
    Dense,
    IntegerNetwork,
    Operation,
    Population,
)

Ints = NDArray[np.int64]
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
        network: the integer network.
        inputs: input name → integers [T, B, *shape] within the port's range.

    Returns:
        the full trace, every population and step.

    Raises:
        DataError: an input is missing, misshapen, not integer or out of the port's range.
    """
    sent = check_inputs(network, inputs)
    spikes: dict[str, Array] = {}
    currents: dict[str, Array] = {}
    voltages: dict[str, Array] = {}
    wraps: dict[str, int] = {}
    clips: dict[str, int] = {}
    for group in computing_order(network):
        for name, states in _run_group(network, group, sent).items():
            sent[name] = states.s
            currents[name], voltages[name] = states.u.astype(np.int32), states.v.astype(np.int32)
            wraps[name], clips[name] = states.wraps, states.clips
            if network.population(name).vth is not None:
                spikes[name] = states.s.astype(np.uint8)
    outputs = {port.name: spikes.get(port.source, voltages[port.source]) for port in network.outputs}
    return Trace(outputs, spikes, currents, voltages, wraps, clips)


def check_inputs(network: IntegerNetwork, inputs: Mapping[str, Array]) -> dict[str, Ints]:
    """The inputs as int64, or a DataError that names what does not fit."""
    names = {port.name for port in network.inputs}
    if set(inputs) != names:
        raise DataError(f"the network's inputs are {sorted(names)}, got {sorted(inputs)}")
    checked: dict[str, Ints] = {}
    for port in network.inputs:
        values = np.asarray(inputs[port.name])
        if values.ndim != len(port.shape) + 2 or values.shape[2:] != port.shape:
            raise DataError(
                f"input '{port.name}' has shape {values.shape}, it must be [T, B, *{port.shape}] "
                "(steps, batch, then the port's own shape)"
            )
        if values.shape[0] < 1 or values.shape[1] < 1:
            raise DataError(f"input '{port.name}' of shape {values.shape} is empty: it needs a step and an inference")
        with np.errstate(invalid="ignore"):
            whole = values.astype(np.int64)
        if not np.can_cast(values.dtype, np.int64) and not np.array_equal(whole, values):
            raise DataError(f"input '{port.name}' holds values that are not integers; encode it first")
        if whole.min() < port.low or whole.max() > port.high:
            raise DataError(
                f"input '{port.name}' holds values in [{whole.min()}, {whole.max()}], "
                f"the network takes [{port.low}, {port.high}]"
            )
        checked[port.name] = whole
    if len({values.shape[:2] for values in checked.values()}) > 1:
        shapes = ", ".join(f"'{n}' {v.shape[:2]}" for n, v in checked.items())
        raise DataError(f"all inputs must have the same steps and batch, got {shapes}")
    return checked


def computing_order(network: IntegerNetwork) -> list[tuple[Population, ...]]:
    """Populations in groups: one alone, or all from the first to the last of a recurrent loop.

    A group of one without recurrence can be computed for all steps of a synapse at once; a loop goes step by step.
    """
    position = {p.name: i for i, p in enumerate(network.populations)}
    reach = list(range(len(network.populations)))
    for i, population in enumerate(network.populations):
        for synapses in population.synapses:
            if synapses.recurrent and synapses.source in position:
                reach[i] = max(reach[i], i)
                first, last = sorted((i, position[synapses.source]))
                for j in range(first, last + 1):
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
    """The current of one connection, shifted: ``sent`` [N, *source_shape] → int64 [N, *out].

    The sums run in float64, which holds integers exactly to 2^53; 8-bit weights cannot reach that.
    """
    flat = sent.reshape(len(sent), -1).astype(np.float64)
    match operation:
        case Dense(weight=weight):
            total = flat @ weight.T.astype(np.float64)
        case Conv1d():
            total = _convolve(operation, flat.reshape(len(sent), *source_shape))
        case _:
            raise TypeError(f"no arithmetic for the operation {type(operation).__name__}")
    return shift(total.astype(np.int64), operation.weight_exp)


def shift(values: Ints, exponent: int) -> Ints:
    """values·2^exponent; a negative exponent is an arithmetic right shift (toward −∞)."""
    return values << exponent if exponent >= 0 else values >> -exponent


def step(p: Population, a: Ints, u: Ints, v: Ints, s: Ints) -> tuple[Ints, Ints, Ints, int, int]:
    """One step of a population: current ``a``, the step before's u, v and spikes → u, v, s, wraps, clips."""
    threshold = 0 if p.vth is None else p.vth << THRESHOLD_SHIFT
    u_sum = _decay(u, DECAY_ONE - p.du - 1) + (a << THRESHOLD_SHIFT)
    u_new = -((STATE_LIMIT + 1 - u_sum) % (2 * (STATE_LIMIT + 1))) + STATE_LIMIT + 1
    v_sum = _decay(v, DECAY_ONE - p.dv) + u_new + shift(p.bias.astype(np.int64), p.bias_exp)
    if p.reset == "subtract" and p.reset_delay:
        v_sum = v_sum - threshold * s
    v_new = np.clip(v_sum, -STATE_LIMIT, STATE_LIMIT)
    wraps, clips = int(np.count_nonzero(u_new != u_sum)), int(np.count_nonzero(v_new != v_sum))
    if p.vth is None:
        return u_new, v_new, v_new, wraps, clips
    s_new = (v_new > threshold).astype(np.int64)
    if p.reset == "zero":
        v_new = v_new * (1 - s_new)
    elif not p.reset_delay:
        v_new = v_new - threshold * s_new
    return u_new, v_new, s_new, wraps, clips


def _decay(x: Ints, factor: int) -> Ints:
    """tz(x·factor / 4096)."""
    kept: Ints = np.sign(x) * ((np.abs(x) * factor) >> 12)
    return kept


def _convolve(op: Conv1d, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x [N, in, length] → [N, out, positions], by gathering each kernel tap's view."""
    out, per_group, kernel = op.weight.shape
    padded = np.pad(x, ((0, 0), (0, 0), (op.padding, op.padding)))
    reach = op.dilation * (kernel - 1) + 1
    positions = (padded.shape[2] - reach) // op.stride + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=2)
    taps = windows[:, :, :: op.stride, :: op.dilation][:, :, :positions]
    taps = taps.reshape(len(x), op.groups, per_group, positions, kernel)
    weight = op.weight.astype(np.float64).reshape(op.groups, out // op.groups, per_group * kernel)
    columns = taps.transpose(1, 0, 3, 2, 4).reshape(op.groups, len(x) * positions, per_group * kernel)
    y = (columns @ weight.transpose(0, 2, 1)).reshape(op.groups, len(x), positions, -1)
    return y.transpose(1, 0, 3, 2).reshape(len(x), out, positions)


@dataclass
class _States:
    """Recorded states of one population while a group runs."""

    u: Ints
    v: Ints
    s: Ints
    wraps: int = 0
    clips: int = 0


def _run_group(network: IntegerNetwork, group: tuple[Population, ...], sent: Mapping[str, Ints]) -> dict[str, _States]:
    """All steps of one group: currents from outside the group at once, the loop's own step by step."""
    steps, batch = next(iter(sent.values())).shape[:2]
    inside = {p.name for p in group}
    outer: dict[str, Ints] = {}
    states: dict[str, _States] = {}
    for p in group:
        total = np.zeros((steps, batch, *p.shape), np.int64)
        for synapses in p.synapses:
            if synapses.source not in inside:
                values = sent[synapses.source]
                if synapses.recurrent:
                    values = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
                shape = network.shape_of(synapses.source)
                total += apply(synapses.operation, values.reshape(-1, *shape), shape).reshape(total.shape)
        outer[p.name] = total
        u, v, s = (np.zeros((steps, batch, *p.shape), np.int64) for _ in range(3))
        states[p.name] = _States(u, v, s)
    rest = {p.name: np.zeros((batch, *p.shape), np.int64) for p in group}
    us, vs, sent_now = dict(rest), dict(rest), dict(rest)
    for t in range(steps):
        before = dict(sent_now)
        for p in group:
            a = outer[p.name][t]
            for synapses in p.synapses:
                if synapses.source in inside:
                    values = (before if synapses.recurrent else sent_now)[synapses.source]
                    a = a + apply(synapses.operation, values, network.shape_of(synapses.source)).reshape(a.shape)
            n = p.name
            us[n], vs[n], sent_now[n], wraps, clips = step(p, a, us[n], vs[n], sent_now[n])
            record = states[n]
            record.u[t], record.v[t], record.s[t] = us[n], vs[n], sent_now[n]
            record.wraps += wraps
            record.clips += clips
    return states
