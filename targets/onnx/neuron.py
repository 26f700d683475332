"""One step of a population in ONNX, on flattened neurons [B, N]: the arithmetic of :mod:`cortexcore.export.integer`.

u and v are int32. A decay multiplies in float64, where v·f/4096 is exact (35 bits), and the cast back truncates
toward zero, as Loihi does; what a static bound rules out, a wrap or a clip, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import shift
from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, Field, Population
from cortexcore.targets.bounds import Guards
from cortexcore.targets.onnx.build import Build


@dataclass(frozen=True)
class States:
    """Tensors of one population after a step; ``u`` and ``spikes`` are None where it has none."""

    v: str
    u: str | None = None
    spikes: str | None = None

    @property
    def sent(self) -> str:
        """What synapses read: spikes, or v of a leaky integrator."""
        return self.spikes or self.v


def delays_reset(p: Population) -> bool:
    """Whether the step before's spikes enter the sum."""
    return p.vth is not None and p.reset == "subtract" and p.reset_delay


def emit_current_state(b: Build, p: Population, needed: Guards, drive: str, before: str | None) -> str:
    """u from the drive Σ a·2^6 (int32) and, where u outlives a step, u of the step before."""
    total = drive
    if before is not None:
        total = b.node("Add", [drive, _emit_decay(b, before, DECAY_ONE - 1 - per_neuron(p.du))])
    if not needed.may_wrap:
        return total
    limit = b.constant(np.array(STATE_LIMIT + 1, np.int32))
    below = b.node("Sub", [limit, total])
    return b.node("Sub", [limit, b.node("Mod", [below, b.constant(np.array(2 * (STATE_LIMIT + 1), np.int32))])])


def emit_push(b: Build, p: Population, u: str) -> str:
    """u + bias·2^bias_exp."""
    bias = shift(p.bias.astype(np.int64), p.bias_exp).astype(np.int32).reshape(-1)
    return b.node("Add", [u, b.constant(bias, f"bias/{p.name}")]) if bias.any() else u


def emit_voltage(b: Build, p: Population, needed: Guards, push: str, before: States) -> States:
    """v and spikes from the push u + bias and the states of the step before."""
    v = push
    if np.any(per_neuron(p.dv) != DECAY_ONE):
        v = b.node("Add", [_emit_decay(b, before.v, DECAY_ONE - per_neuron(p.dv)), push])
    threshold = per_neuron(0 if p.vth is None else p.vth) << THRESHOLD_SHIFT
    level, zero = b.constant(threshold.astype(np.int32)), b.constant(np.array(0, np.int32))
    if delays_reset(p) and before.spikes is not None:
        v = b.node("Sub", [v, b.node("Where", [before.spikes, level, zero])])
    if needed.may_clip:
        v = b.node("Clip", [v, *(b.constant(np.array(x, np.int32)) for x in (-STATE_LIMIT, STATE_LIMIT))])
    if p.vth is None:
        return States(v)
    spikes = b.node("Greater", [v, level])
    if p.reset == "zero":
        v = b.node("Where", [spikes, zero, v])
    elif p.reset == "subtract" and not p.reset_delay:
        v = b.node("Where", [spikes, b.node("Sub", [v, level]), v])
    return States(v, spikes=spikes)


def per_neuron(field: Field) -> NDArray[np.int64]:
    """One value for all neurons, or [neurons]."""
    values = np.asarray(field, np.int64)
    return values.reshape(-1) if values.ndim else values


def _emit_decay(b: Build, x: str, factor: NDArray[np.int64]) -> str:
    """tz(x·factor / 4096) of int32."""
    if np.all(factor == DECAY_ONE):
        return x
    scaled = b.node("Mul", [b.cast(x, "float64"), b.constant(np.asarray(factor / DECAY_ONE))])
    return b.cast(scaled, "int32")
