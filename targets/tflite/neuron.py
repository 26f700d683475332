"""One step of a population in TFLite, on flattened neurons [B, N]: the arithmetic of :mod:`cortexcore.export.integer`.

u and v are whole numbers in float32, which holds them all up to 2^24. A cast to int32 truncates toward zero, as Loihi
does. The sums exceed 2^24 only where v is about to be clipped: by 2^19 at most, the largest bias, so that rounding
moves them by one at most while they are at least 2^24 − 1; what a delayed reset takes off, up to 2^23 − 64, leaves them
beyond the clip. What a static bound rules out, a wrap or a clip, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import WRAP, shift
from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, Population
from cortexcore.targets.populations import delays_reset, per_neuron
from cortexcore.targets.tflite.exact import Limits, decays_at_once
from cortexcore.targets.tflite.flatbuffer import ModelBuild


@dataclass(frozen=True)
class States:
    """Tensors of one population after a step: v and u float32, ``spikes`` bool; those it has not are None."""

    v: int
    u: int | None = None
    spikes: int | None = None

    @property
    def sent(self) -> int:
        """What synapses read: spikes, or v of a leaky integrator."""
        return self.v if self.spikes is None else self.spikes


def emit_current_state(m: ModelBuild, p: Population, proven: Limits, drive: int, before: int | None) -> int:
    """u from the drive Σ a·2^6, within ±2^23, and, where u outlives a step, u of the step before."""
    total = drive
    if before is not None:
        total = m.op("ADD", [_emit_decay(m, before, DECAY_ONE - 1 - per_neuron(p.du), proven.u), drive])
    return emit_wrap(m, total) if proven.may_wrap else total


def emit_wrap(m: ModelBuild, x: int) -> int:
    """``x`` within ±2^24 modulo 2^24, to (−2^23, 2^23]: x − 2^24·⌈x/2^24 − 1/2⌉.

    All of it is exact but the difference below −1, which loses its 25th digit and crosses no whole number by that.
    """
    part = m.op("ADD", [m.op("MUL", [x, real(m, 1 / WRAP)]), real(m, -0.5)])
    return m.op("SUB", [x, m.op("MUL", [m.op("CEIL", [part]), real(m, WRAP)])])


def emit_push(m: ModelBuild, p: Population, u: int) -> int:
    """u + bias·2^bias_exp."""
    bias = shift(p.bias.astype(np.int64), p.bias_exp).reshape(-1)
    return m.op("ADD", [u, real(m, bias)]) if bias.any() else u


def emit_voltage(m: ModelBuild, p: Population, proven: Limits, push: int, before: States) -> States:
    """v and spikes from the push u + bias and the states of the step before."""
    v = push
    if np.any(per_neuron(p.dv) != DECAY_ONE):
        v = m.op("ADD", [_emit_decay(m, before.v, DECAY_ONE - per_neuron(p.dv), proven.v), push])
    level = real(m, per_neuron(0 if p.vth is None else p.vth) << THRESHOLD_SHIFT)
    if delays_reset(p) and before.spikes is not None:
        v = m.op("SUB", [v, m.op("MUL", [m.cast(before.spikes, "float32"), level])])
    if proven.may_clip:
        v = m.op("MINIMUM", [m.op("MAXIMUM", [v, real(m, -STATE_LIMIT)]), real(m, STATE_LIMIT)])
    if p.vth is None:
        return States(v)
    spikes = m.op("GREATER", [v, level], "bool")
    if p.reset == "zero":
        v = m.op("SELECT_V2", [spikes, real(m, 0), v], "float32")
    elif p.reset == "subtract" and not p.reset_delay:
        v = m.op("SELECT_V2", [spikes, m.op("SUB", [v, level]), v], "float32")
    return States(v, spikes=spikes)


def real(m: ModelBuild, values: NDArray[Any] | float) -> int:
    """A float32 constant; all that are used here are exact in it."""
    return m.constant(np.asarray(values, np.float32))


def _emit_decay(m: ModelBuild, x: int, factor: NDArray[np.int64], peak: int) -> int:
    """tz(x·factor / 4096) for whole |x| ≤ ``peak``.

    Where float32 cannot hold the product, x = 4096·h + l with h = tz(x / 4096), and both parts have the sign of x:
    tz(x·f / 4096) = h·f + tz(l·f / 4096), in which no product exceeds 2^24.
    """
    if np.all(factor == DECAY_ONE):
        return x
    fraction = real(m, factor / DECAY_ONE)
    if decays_at_once(factor, peak):
        return _emit_truncated(m, m.op("MUL", [x, fraction]))
    high = _emit_truncated(m, m.op("MUL", [x, real(m, 1 / DECAY_ONE)]))
    low = m.op("SUB", [x, m.op("MUL", [high, real(m, DECAY_ONE)])])
    return m.op("ADD", [m.op("MUL", [high, real(m, factor)]), _emit_truncated(m, m.op("MUL", [low, fraction]))])


def _emit_truncated(m: ModelBuild, x: int) -> int:
    return m.cast(m.cast(x, "int32"), "float32")
