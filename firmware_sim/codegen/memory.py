"""What a network's C takes of flash and RAM, before it is compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortexcore.firmware_sim.codegen.plan import Layer, Plan
from cortexcore.firmware_sim.codegen.state import state_bytes


@dataclass(frozen=True)
class Memory:
    """Bytes, exact: ``tables`` of constants in flash (code comes on top of it), ``state`` in RAM."""

    tables: int
    state: int


def memory(plan: Plan) -> Memory:
    """Flash of the tables and RAM of the state."""
    tables = sum(_words(link.table_bytes) for link in plan.links)
    return Memory(tables + sum(parameter_bytes(layer) for layer in plan.layers), state_bytes(plan))


def parameter_bytes(layer: Layer) -> int:
    """Flash of the parameters that differ between a population's neurons."""
    p = layer.population
    each = {2: (p.du, p.dv), 4: (p.vth,)}
    found = sum(_words(size * p.size) for size, fields in each.items() for x in fields if isinstance(x, np.ndarray))
    return found + (_words(2 * p.size) if p.bias.ndim else 0)


def _words(size: int) -> int:
    return -(-size // 4) * 4
