"""What the generated C cannot take."""

from __future__ import annotations

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Problem

LARGEST = 2**31 - 1
"""Neurons or inputs that a 32-bit index tells apart, and weights of a table that one reaches."""


def check(network: IntegerNetwork) -> tuple[Problem, ...]:
    """Every node that the C kernels refuse, with reason and remedy."""
    problems = []
    if not network.inputs:
        problems.append(Problem("inputs", "there is none, and C has no empty record", "give the network an input"))
    if not network.outputs:
        problems.append(Problem("outputs", "there is none, and C has no empty record", "name a population as output"))
    for p in network.populations:
        if p.size > LARGEST:
            problems.append(Problem(p.name, f"{p.size} neurons are more than 32-bit indices tell", "split the layer"))
        for s in p.synapses:
            if s.operation.weight.size > LARGEST:
                reason = f"{s.operation.weight.size} weights are more than 32-bit indices reach"
                problems.append(Problem(s.name, reason, "split the layer"))
    return tuple(problems)
