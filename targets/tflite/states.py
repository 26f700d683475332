"""Which states outlive a step."""

from __future__ import annotations

import math

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.populations import delays_reset, read_back
from cortexcore.targets.tflite.exact import input_dtype

Slot = tuple[str, str, str, int]
"""(kind, population or input, dtype, values) of a state that outlives a step; kind is u, v or spikes, v of inputs."""


def state_slots(network: IntegerNetwork) -> list[Slot]:
    """Every state that outlives a step."""
    late = [port for port in network.inputs if read_back(network, port.name)]
    slots: list[Slot] = [("v", port.name, input_dtype(port), math.prod(port.shape)) for port in late]
    for p in network.populations:
        if p.has_current:
            slots.append(("u", p.name, "float32", p.size))
        slots.append(("v", p.name, "float32", p.size))
        if p.vth is not None and (delays_reset(p) or read_back(network, p.name)):
            slots.append(("spikes", p.name, "bool", p.size))
    return slots
