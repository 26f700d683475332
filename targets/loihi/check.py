"""Loihi's limits as Lava's fixed-point models have them, and how deep each population lies.

Sources: Lava 0.10, ``proc/lif/models.py`` (bit widths), ``proc/dense/models.py`` and ``utils/weightutils.py``
(weights). The ranges that every target shares are checked by the integer network itself.
"""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import DECAY_ONE, Int, IntegerNetwork, Population, Synapses
from cortexcore.targets.base import CheckReport, Problem

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
    """Population → connections between it and the inputs, along its longest path; a late one's step is its lateness."""
    found = {port.name: 0 for port in network.inputs}
    for p in network.populations:
        found[p.name] = max([1, *(found.get(s.source, 0) + (not s.recurrent) for s in p.synapses)])
    return {p.name: found[p.name] for p in network.populations}


def message_bits(low: int, high: int) -> int:
    """Bits of a graded spike that holds [low, high]; 0 for plain spikes."""
    if (low, high) == (0, 1):
        return 0
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def _neuron(p: Population) -> list[Problem]:
    """What the integer network allows, but Lava's LIF does not."""
    rules = [
        (
            p.uniform,
            "du, dv or vth differ between its neurons, and Lava's LIF has one of each",
            "give all its neurons the same, split the layer, or use the target 'onnx'",
        ),
        (
            bool(np.all(np.asarray(p.dv) < DECAY_ONE)),
            f"dv is {np.max(p.dv)}",
            f"dv has 12 bits, use at most {DECAY_ONE - 1}",
        ),
        (
            p.vth is None or p.reset == "zero",
            f"reset '{p.reset}' is not a hardware LIF of Loihi",
            "train with reset 'zero', or use the target 'onnx'",
        ),
    ]
    return [Problem(p.name, reason, remedy) for good, reason, remedy in rules if not good]


def sign_mode(weight: Int) -> str | None:
    """ "mixed" (even, −256…254), "excitatory" (0…255) or "inhibitory" (−255…0); None where no mode holds them."""
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    if low >= -256 and high <= 254 and not (weight % 2).any():
        return "mixed"
    if low >= 0 and high <= 255:
        return "excitatory"
    if low >= -255 and high <= 0:
        return "inhibitory"
    return None


def _weights(s: Synapses) -> list[Problem]:
    weight = s.operation.weight
    if sign_mode(weight) is not None:
        return []
    reason = f"weights in [{weight.min(initial=0)}, {weight.max(initial=0)}] leave the 8-bit grid"
    remedy = "of mixed sign they are even, −256…254, of one sign at most 255; quantize to 8 bits or fewer"
    return [Problem(s.name, reason, remedy)]


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
        reason = f"its loop from '{s.source}' spans {source - own + 1} connections, and each takes a step"
        if source < own:
            reason = f"'{s.source}' lies {own - source} steps before '{p.name}', one more than a step's delay bridges"
        return [Problem(s.name, reason, "loop a population onto itself, or use the target 'onnx'")]
    if not s.recurrent and source != own - 1:
        reason = f"'{s.source}' lies {own - source} steps before '{p.name}', whose other sources lie 1 before it"
        return [Problem(s.name, reason, _BALANCE)]
    return []
