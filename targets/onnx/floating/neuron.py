"""One step of a neuron in ONNX, in the order of :mod:`cortexcore.export.dynamics`: leak, integrate, fire, reset.

Every product and sum stands as in the reference, so that float64 rounds as it does there; factors of 1 and sums with
0, which change nothing, are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cortexcore.export.dynamics import Dynamics
from cortexcore.export.nodes import Float
from cortexcore.targets.onnx.floating.place import Place

Before = Callable[[str], str]
"""Kind of state ("u", "v" or "spikes") → its tensor before the step."""


@dataclass(frozen=True)
class States:
    """Tensors of one neuron after a step; ``v`` after the reset, ``spikes`` bool; None where it has none."""

    v: str | None
    u: str | None = None
    spikes: str | None = None

    def of(self, kind: str) -> str | None:
        """The tensor of one kind."""
        return {"u": self.u, "v": self.v, "spikes": self.spikes}[kind]


def has_memory(f: Dynamics) -> bool:
    """Whether any state of a step reaches the next."""
    return f.reset_delay or bool(f.beta.any()) or (f.alpha is not None and bool(f.alpha.any()))


def emit_entering(place: Place, f: Dynamics, current: str) -> str:
    """g_u·i where there is a synaptic current, else what moves v: g·i + c."""
    if f.input_gain is None:
        return emit_push(place, f, current)
    return _scaled(place, current, f.input_gain)


def emit_states(place: Place, f: Dynamics, entering: str, before: Before, traced: bool) -> States:
    """One step from what enters; without ``traced``, no v that nothing reads."""
    if f.alpha is None:
        return _emit_voltage(place, f, entering, before, traced)
    u = entering
    if f.alpha.any():
        u = place.op("Add", u, _scaled(place, before("u"), f.alpha))
    return replace(_emit_voltage(place, f, emit_push(place, f, u), before, traced), u=u)


def emit_push(place: Place, f: Dynamics, u: str) -> str:
    """g·u + c."""
    push = _scaled(place, u, f.gain)
    return place.op("Add", push, place.parameter(f.drive, "drive")) if f.drive.any() else push


def _emit_voltage(place: Place, f: Dynamics, push: str, before: Before, traced: bool) -> States:
    v = push
    if f.beta.any():
        v = place.op("Add", _scaled(place, before("v"), f.beta), push)
    if f.threshold is None:
        return States(v)
    threshold = place.parameter(f.threshold, "threshold")
    if f.reset_delay:
        v = place.op("Sub", v, place.op("Where", before("spikes"), threshold, place.parameter(0, "zero")))
    spikes = place.op("Greater", v, threshold)
    if not (traced or f.beta.any()):
        return States(None, spikes=spikes)
    match f.reset:
        case "zero":
            v = place.op("Where", spikes, place.parameter(f.v_reset, "v_reset"), v)
        case "subtract" if not f.reset_delay:
            v = place.op("Where", spikes, place.op("Sub", v, threshold), v)
        case "subtract" | "none":
            pass
        case _:
            raise TypeError(f"no ONNX for the reset '{f.reset}'")
    return States(v, spikes=spikes)


def _scaled(place: Place, tensor: str, factor: Float) -> str:
    return tensor if np.all(factor == 1) else place.op("Mul", tensor, place.parameter(factor, "factor"))
