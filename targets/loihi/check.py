"""Loihi's limits as Lava's fixed-point models have them, and what needs more than a hardware LIF.

Sources: Lava 0.10, ``proc/lif/models.py`` (bit widths), ``proc/dense/models.py`` and ``utils/weightutils.py``
(weights, delays). The ranges that every target shares are checked by the integer network itself.
"""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import DECAY_ONE, Convolution, Int, IntegerNetwork, Population, Synapses
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.loihi.config import Chip
from cortexcore.targets.loihi.timing import MAX_DELAY, Timing, depths, timing

__all__ = ["check", "depths", "message_bits", "microcode", "sign_mode"]

MAX_MESSAGE_BITS = 24
TRACES = ("spikes", "u", "v")


def check(network: IntegerNetwork, chip: Chip = "loihi2") -> CheckReport:
    """Every node that Loihi refuses, with reason and remedy; and notes on what it takes in another way than written."""
    problems: list[Problem] = []
    times = timing(network)
    for port in network.inputs:
        if message_bits(port.low, port.high) > MAX_MESSAGE_BITS:
            reason = f"values in [{port.low}, {port.high}] exceed {MAX_MESSAGE_BITS} bits"
            problems.append(Problem(port.name, reason, "scale them down"))
    for p in network.populations:
        for s in p.synapses:
            problems += _weights(s)
            problems += _source(network, s)
            problems += _delay(p, s, times)
        if chip == "loihi1" and (reasons := microcode(p, times)):
            reason = f"{_and(reasons)}, which no LIF of Loihi 1 has"
            problems.append(Problem(p.name, reason, "take the chip 'loihi2', whose microcode can"))
    taken = {f"{kind}/{p.name}" for kind in TRACES for p in network.populations}
    problems += [
        Problem(o.name, "an output has the name of a trace", "rename the output")
        for o in network.outputs
        if o.name in taken
    ]
    return CheckReport("loihi", tuple(problems), notes(network, times, chip))


def notes(network: IntegerNetwork, times: Timing, chip: Chip) -> tuple[str, ...]:
    """What a user must know of how the network runs, one sentence each."""
    said = [
        f"'{port.name}' sends graded values, which spikes of Loihi 1 do not carry: the simulation does"
        for port in network.inputs
        if chip == "loihi1" and message_bits(port.low, port.high)
    ]
    for p in network.populations:
        if reasons := microcode(p, times):
            said.append(f"'{p.name}' is not a hardware LIF: needs Loihi 2 microcode ({_and(reasons)})")
    synapses = [(p, s) for p in network.populations for s in p.synapses]
    if times.every > 1:
        said.append(f"a loop spans {times.every} connections, so the chip takes {times.every} steps for each of ours")
    said += [
        f"'{s.name}' waits {times.delay(p, s)} steps more than a connection's one, by Loihi's synaptic delays"
        for p, s in synapses
        if times.delay(p, s)
    ]
    if any(isinstance(s.operation, Convolution) for _, s in synapses):
        said.append(
            "convolutions are unrolled into Sparse connections: Lava's fixed-point Conv ignores weight_exp and clamps "
            "its sums"
        )
    return tuple(said)


def microcode(p: Population, times: Timing) -> list[str]:
    """Why a population is no hardware LIF; empty where it is one."""
    rules = [
        (p.vth is not None and p.reset == "subtract", f"reset 'subtract'{', delayed' if p.reset_delay else ''}"),
        (p.vth is not None and p.reset == "none", "reset 'none'"),
        (not p.uniform, "du, dv or vth of each neuron's own"),
        (bool(np.any(np.asarray(p.dv) >= DECAY_ONE)), f"dv of {DECAY_ONE}, beyond 12 bits"),
        (times.every > 1, f"it computes at one of {times.every} steps"),
    ]
    return [reason for holds, reason in rules if holds]


def message_bits(low: int, high: int) -> int:
    """Bits of a graded spike that holds [low, high]; 0 for plain spikes."""
    if (low, high) == (0, 1):
        return 0
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


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


def _source(network: IntegerNetwork, s: Synapses) -> list[Problem]:
    if s.source in {port.name for port in network.inputs} or network.population(s.source).vth is not None:
        return []
    reason = f"'{s.source}' is a leaky integrator, which sends no spikes"
    return [Problem(s.name, reason, "read it as an output only")]


def _delay(p: Population, s: Synapses, times: Timing) -> list[Problem]:
    delay = times.delay(p, s)
    if delay <= MAX_DELAY:
        return []
    reason = f"it bridges {delay} connections of a longer branch, and a synapse delays by at most {MAX_DELAY} steps"
    return [Problem(s.name, reason, "add a layer to the shorter branch, or use the target 'onnx'")]


def _and(reasons: list[str]) -> str:
    return " and ".join(reasons)
