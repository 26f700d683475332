"""Neurons of the golden integer network: one population's states, step by step, in place.

States are whole numbers in float64, and every operation on them is exact: |u| and |v| stay within 2^23 and a decay
is a fraction of 4096, so that x·f/4096 needs 35 bits of float64's 53, and its ``trunc`` is tz; what is added to it
stays below 2^53 (:mod:`cortexcore.export.integer_currents` sees to that). A wrap or a clip that the static bound of
:mod:`cortexcore.export.bounds` rules out is neither computed nor counted, since it cannot happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.bounds import Bound, voltage_range
from cortexcore.export.integer_currents import WRAP, Floats
from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, Field, Population

Bools = NDArray[np.bool_]
_LOW, _HIGH = np.array(-float(STATE_LIMIT)), np.array(float(STATE_LIMIT))
_ZERO = np.array(0.0)


@dataclass
class State:
    """A population between two steps, each [B, neurons]: u, v after its reset, and spikes."""

    u: Floats
    v: Floats
    s: Bools


class Neurons:
    """A population's fields made ready, on flattened neurons; the equations are in :mod:`cortexcore.export.integer`."""

    def __init__(self, p: Population, proven: Bound) -> None:
        self._population = p
        self.size = p.size
        self.spiking = p.vth is not None
        self._keeps_current = p.has_current
        self._current_kept = (DECAY_ONE - 1 - _flat(p.du)) / DECAY_ONE
        self._voltage_kept = (DECAY_ONE - _flat(p.dv)) / DECAY_ONE
        self._leaks = bool(np.any(self._voltage_kept != 1.0))
        self._level = _flat(0 if p.vth is None else p.vth) * 2.0**THRESHOLD_SHIFT
        self._bias = _flat(p.bias) * 2.0**p.bias_exp
        self._reset = p.reset if self.spiking else "none"
        self._late = self._reset == "subtract" and p.reset_delay
        self._may_wrap = max(-proven.u[0], proven.u[1]) > STATE_LIMIT
        self._may_clip = max(-proven.v[0], proven.v[1]) > STATE_LIMIT

    def rest(self, batch: int) -> State:
        """u = v = 0 and no spikes."""
        u, v = np.zeros((2, batch, self.size))
        return State(u, v, np.zeros((batch, self.size), np.bool_))

    def advance(self, u: Floats, v: Floats, s: Bools, state: State) -> tuple[int, int]:
        """Steps of the population, from ``state`` on.

        Args:
            u: [T, B, neurons]: the drive Σ a·2^6 of each step, which turns into u.
            v, s: [T, B, neurons]: become v after the reset, and the spikes; ``s`` stays as it is without a threshold.
            state: before the first step; becomes the state after the last, as views of ``u``, ``v`` and ``s``.

        Returns:
            how many values of u wrapped and of v were clipped.
        """
        wraps = self._advance_current(u, state.u)
        np.add(u, self._bias, out=v)
        clips = self._advance_voltage(v, s, state, self._may_clip and not self._stays_low(u, state))
        state.u, state.v, state.s = u[-1], v[-1], s[-1]
        return wraps, clips

    def _advance_current(self, u: Floats, before: Floats) -> int:
        if not self._keeps_current:
            return _wrap(u) if self._may_wrap else 0
        wraps, kept, factor = 0, np.empty_like(before), _spread(self._current_kept, u)
        for now in u:
            np.add(now, np.trunc(np.multiply(before, factor, kept), kept), now)
            if self._may_wrap:
                wraps += _wrap(now)
            before = now
        return wraps

    def _stays_low(self, u: Floats, state: State) -> bool:
        """Whether these currents, all known before the first step, prove that v does not reach its clip."""
        if len(u) == 1 or state.v.any() or state.s.any():
            return False
        shape = self._population.shape
        low, high = u.min(axis=(0, 1)).reshape(shape), u.max(axis=(0, 1)).reshape(shape)
        v_low, v_high = voltage_range(self._population, low, high)
        return bool(v_low.min() >= -STATE_LIMIT and v_high.max() <= STATE_LIMIT)

    def _advance_voltage(self, v: Floats, s: Bools, state: State, may_clip: bool) -> int:
        clips, kept = 0, np.empty_like(state.v)
        before, fired = state.v, state.s
        leak, level = (_spread(x, v) for x in (self._voltage_kept, self._level))
        add, trunc, multiply, greater = np.add, np.trunc, np.multiply, np.greater
        leaks, late, spiking = self._leaks, self._late, self.spiking
        to_zero, subtract = self._reset == "zero", self._reset == "subtract" and not self._late
        for now, spikes in zip(v, s, strict=True):
            add(now, trunc(multiply(before, leak, kept), kept) if leaks else before, now)
            if late:
                np.subtract(now, level, now, where=fired)
            if may_clip:
                clips += _clip(now)
            if spiking:
                greater(now, level, spikes)
                if to_zero:
                    np.putmask(now, spikes, _ZERO)
                elif subtract:
                    np.subtract(now, level, now, where=spikes)
            before, fired = now, spikes
        return clips


def _flat(field: Field) -> Floats:
    """One value for all neurons, or [neurons]."""
    values = np.asarray(field, np.float64)
    return values.reshape(-1) if values.ndim else values


def _spread(field: Floats, steps: Floats) -> Floats:
    """A field over one step's [B, neurons], which is quicker at every step than a scalar; not worth it for one."""
    if len(steps) == 1:
        return field
    return np.broadcast_to(field, steps.shape[1:]).copy()


def _wrap(u: Floats) -> int:
    """Bring u to (−2^23, 2^23] in place, and count what lay outside."""
    turns = np.ceil((u - (STATE_LIMIT + 1)) / WRAP)
    count = int(np.count_nonzero(turns))
    if count:
        u -= turns * WRAP
    return count


def _clip(v: Floats) -> int:
    """Clip v in place, and count what lay outside."""
    count = int(np.count_nonzero(v > _HIGH) + np.count_nonzero(v < _LOW))
    if count:
        np.clip(v, _LOW, _HIGH, out=v)
    return count
