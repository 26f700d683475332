"""Loihi's limits as Lava's fixed-point models have them, and how deep each population lies.

Sources: Lava 0.10, ``proc/lif/models.py`` (bit widths), ``proc/dense/models.py`` and ``utils/weightutils.py``
(weights); weight exponents from nengo-loihi and the N3 documentation quoted there (4 bits, signed).
"""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import DECAY_ONE, IntegerNetwork, Population, Synapses
from cortexcore.targets.base import CheckReport, Problem

MAX_VTH = 2**17 - 1
MAX_MESSAGE_BITS = 24
_BALANCE = "make the branches equally deep, or use the target 'onnx'"


def check(network: IntegerNetwork) -> CheckReport:
    """Every node that Loihi refuses, with reason and remedy."""
    problems: list[Problem] = []
    depth = depths(network)
    for port in network.inputs:
        if message_bits(port.low, port.high) > MAX_MESSAGE_BITS:
            problems.append(
                Problem(
                    port.name, f"values in [{port.low}, {port.high}] exceed {MAX_MESSAGE_BITS} bits", "scale them down"
                )
            )
    for p in network.populations:
        problems += _neuron(p)
        for s in p.synapses:
            problems += _weights(s)
            problems += _timing(network, p, s, depth)
    return CheckReport("loihi", tuple(problems))


def depths(network: IntegerNetwork) -> dict[str, int]:
    """Population → connections between it and the inputs, along its longest path."""
    found = {port.name: 0 for port in network.inputs}
    for p in network.populations:
        found[p.name] = 1 + max((found[s.source] for s in p.synapses if not s.recurrent), default=0)
    return {p.name: found[p.name] for p in network.populations}


def message_bits(low: int, high: int) -> int:
    """Bits of a graded spike that holds [low, high]; 0 for plain spikes."""
    if (low, high) == (0, 1):
        return 0
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def _neuron(p: Population) -> list[Problem]:
    """Bit widths of a LIF's parameters."""
    mantissa = p.bias.astype(np.int64)
    rules = [
        (0 <= p.du < DECAY_ONE, f"du is {p.du}", "du has 12 bits: 0…4095"),
        (0 <= p.dv < DECAY_ONE, f"dv is {p.dv}", "dv has 12 bits: 0…4095"),
        (p.vth is None or 0 <= p.vth <= MAX_VTH, f"vth is {p.vth}", f"vth has 17 bits: 0…{MAX_VTH}"),
        (
            mantissa.min(initial=0) >= -4096 and mantissa.max(initial=0) <= 4095,
            f"bias mantissas lie in [{mantissa.min(initial=0)}, {mantissa.max(initial=0)}]",
            "they have 13 bits: −4096…4095; raise bias_exp",
        ),
        (0 <= p.bias_exp <= 7, f"bias_exp is {p.bias_exp}", "bias_exp has 3 bits: 0…7"),
        (
            p.vth is None or p.reset == "zero",
            "reset 'subtract' is not a hardware LIF of Loihi",
            "train with reset 'zero', or use the target 'onnx'",
        ),
    ]
    return [Problem(p.name, reason, remedy) for good, reason, remedy in rules if not good]


def _weights(s: Synapses) -> list[Problem]:
    weight = s.operation.weight
    problems = []
    if weight.min(initial=0) < -256 or weight.max(initial=0) > 254 or (weight % 2).any():
        problems.append(
            Problem(
                s.name,
                f"weights in [{weight.min(initial=0)}, {weight.max(initial=0)}] leave the 8-bit grid",
                "mixed-sign weights are even, −256…254; quantize to 8 bits or fewer",
            )
        )
    if not -8 <= s.operation.weight_exp <= 7:
        problems.append(Problem(s.name, f"weight_exp is {s.operation.weight_exp}", "weight_exp has 4 bits: −8…7"))
    return problems


def _timing(network: IntegerNetwork, p: Population, s: Synapses, depth: dict[str, int]) -> list[Problem]:
    """A connection takes one step, so that what meets in a neuron must have come equally far."""
    if s.source not in depth:
        return []
    own, source = depth[p.name], depth[s.source]
    if network.population(s.source).vth is None:
        return [
            Problem(s.name, f"'{s.source}' is a leaky integrator, which sends no spikes", "read it as an output only")
        ]
    if s.recurrent and source != own:
        reason = f"its loop from '{s.source}' spans {own - source + 1} connections, and each takes a step"
        return [Problem(s.name, reason, "loop a population onto itself, or use the target 'onnx'")]
    if not s.recurrent and source != own - 1:
        reason = f"'{s.source}' lies {own - source} steps before '{p.name}', whose other sources lie 1 before it"
        return [Problem(s.name, reason, _BALANCE)]
    return []
