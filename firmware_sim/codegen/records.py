"""What enters and leaves a network's C at each step, as C structs and as NumPy types of the same bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cortexcore.firmware_sim.codegen.plan import Plan

CTYPES = {"u1": "uint8_t", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t"}
ALIGNMENT = 4
"""Every member starts on a word: ``CCX_ALIGNED``."""


@dataclass(frozen=True)
class Member:
    """A member of a record: ``dtype`` is one of :data:`CTYPES`, ``said`` what stands beside it."""

    ident: str
    dtype: str
    shape: tuple[int, ...]
    said: str

    @property
    def declaration(self) -> str:
        return f"{CTYPES[self.dtype]} {self.ident}[{math.prod(self.shape)}] CCX_ALIGNED; /* {self.said} */"


def inputs(plan: Plan) -> list[Member]:
    """A member per input port."""
    ports = {port.name: port for port in plan.network.inputs}
    return [
        Member(
            s.ident, f"i{s.bits // 8}", s.shape, f"{_axes(s.shape)}, each in {ports[s.name].low}..{ports[s.name].high}"
        )
        for s in plan.ports
    ]


def outputs(plan: Plan) -> list[Member]:
    """A member per output port."""
    members = []
    for port in plan.network.outputs:
        p = plan.network.population(port.source)
        spiking = p.vth is not None
        what = "spikes, 0 or 1" if spiking else "membrane, 64 per unit of weight"
        members.append(Member(plan.outputs[port.name], "u1" if spiking else "i4", p.shape, f"{_axes(p.shape)}: {what}"))
    return members


def traces(plan: Plan) -> list[Member]:
    """Every neuron's spikes, u and v."""
    members = []
    for layer in plan.layers:
        p = layer.population
        if p.vth is not None:
            members.append(Member(f"spikes_{layer.ident}", "u1", p.shape, _axes(p.shape)))
        members += [Member(f"{kind}_{layer.ident}", "i4", p.shape, _axes(p.shape)) for kind in ("u", "v")]
    return members


def record(members: Sequence[Member]) -> np.dtype[Any]:
    """The members' C struct as a NumPy type, every field in its network's shape."""
    offsets, end = [], 0
    for member in members:
        offsets.append(end)
        size = np.dtype(member.dtype).itemsize * math.prod(member.shape)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return np.dtype(
        {
            "names": [m.ident for m in members],
            "formats": [("<" + m.dtype, m.shape) for m in members],
            "offsets": offsets,
            "itemsize": end,
        }
    )


def _axes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
