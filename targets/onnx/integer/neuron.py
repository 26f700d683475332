"""One step of a population in ONNX, on flattened neurons: the arithmetic of :mod:`cortexcore.export.integer`.

States are whole numbers in float64, where a decay v·f/4096 is exact (35 bits) and the cast to int32 truncates toward
zero, as Loihi does. A spike is counted as min(max(v, θ), θ + 1) − θ, which is 1 above the threshold and 0 elsewhere,
since v and θ are whole: ONNX Runtime's Where takes four times as long. What a static bound rules out, a wrap or a
clip, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import DECAY_ONE, STATE_LIMIT, THRESHOLD_SHIFT, Population
from cortexcore.targets.bounds import Guards
from cortexcore.targets.onnx.build import Build
from cortexcore.targets.onnx.integer.synapses import emit_modulo
from cortexcore.targets.populations import delays_reset, per_neuron


@dataclass(frozen=True)
class States:
    """Tensors of one population after a step, float64.

    Attributes:
        u: synaptic current.
        peak: v before its reset, which tells the spikes.
        v: v after its reset, the same tensor where nothing is reset at once.
    """

    u: str
    peak: str
    v: str


def emit_current_state(b: Build, p: Population, needed: Guards, drive: str, before: str | None) -> str:
    """u from the drive Σ a·2^6 and, where u outlives a step, u of the step before."""
    total = drive
    if before is not None:
        total = b.node("Add", [drive, _emit_decay(b, before, DECAY_ONE - 1 - per_neuron(p.du))])
    if not needed.may_wrap:
        return total
    limit = b.real(STATE_LIMIT + 1)
    return b.node("Sub", [limit, emit_modulo(b, b.node("Sub", [limit, total]))])


def emit_push(b: Build, p: Population, u: str) -> str:
    """All that enters v beside its leak and the spikes before: u + bias·2^bias_exp, and θ² where a reset is late."""
    constant = per_neuron(p.bias) << p.bias_exp
    if delays_reset(p):
        constant = constant + level(p) ** 2
    return b.node("Add", [u, b.real(constant, f"bias/{p.name}")]) if constant.any() else u


def emit_voltage(b: Build, p: Population, needed: Guards, push: str, before: str) -> tuple[str, str]:
    """(v before its reset, v after it) from the push of :func:`emit_push` and v of the step before.

    A late reset takes θ·s = θ·(n − θ) off, with n of the step before: −θ·n here, and + θ² stands in the push.
    """
    v = push
    if np.any(per_neuron(p.dv) != DECAY_ONE):
        v = b.node("Add", [_emit_decay(b, before, DECAY_ONE - per_neuron(p.dv)), push])
    if delays_reset(p):
        v = b.node("Add", [v, b.node("Mul", [_emit_count(b, p, before), b.real(-level(p))])])
    if needed.may_clip:
        v = b.node("Clip", [v, b.real(-STATE_LIMIT), b.real(STATE_LIMIT)])
    return v, emit_reset(b, p, v)


def emit_reset(b: Build, p: Population, peak: str) -> str:
    """v after the resets that take place at once."""
    if p.vth is None or p.reset == "none" or delays_reset(p):
        return peak
    count = _emit_count(b, p, peak)
    if p.reset == "zero":
        return b.node("Mul", [peak, b.node("Sub", [b.real(level(p) + 1), count])])
    return b.node("Sub", [peak, b.node("Mul", [b.node("Sub", [count, b.real(level(p))]), b.real(level(p))])])


def emit_spikes(b: Build, p: Population, peak: str) -> str:
    """0 or 1 per neuron, uint8."""
    return b.cast(b.node("Greater", [peak, b.real(level(p))]), "uint8")


def emit_sent(b: Build, p: Population, peak: str) -> str:
    """What synapses read: spikes, or v of a leaky integrator."""
    return peak if p.vth is None else emit_spikes(b, p, peak)


def level(p: Population) -> NDArray[np.int64]:
    """The threshold at v's scale, θ = vth·2^6."""
    return per_neuron(0 if p.vth is None else p.vth) << THRESHOLD_SHIFT


def _emit_count(b: Build, p: Population, peak: str) -> str:
    """n = θ + s."""
    low, high = b.real(level(p)), b.real(level(p) + 1)
    if level(p).ndim == 0:
        return b.node("Clip", [peak, low, high])
    return b.node("Min", [b.node("Max", [peak, low]), high])


def _emit_decay(b: Build, x: str, factor: NDArray[np.int64]) -> str:
    """tz(x·factor / 4096)."""
    if np.all(factor == DECAY_ONE):
        return x
    scaled = b.node("Mul", [x, b.real(factor / DECAY_ONE)])
    return b.cast(b.cast(scaled, "int32"), "float64")
