"""What ONNX cannot take exactly: sums beyond its types, and names that mean something else in its models."""

from __future__ import annotations

from cortexcore.export.bounds import sent_ranges
from cortexcore.export.integer_currents import FLOAT64_EXACT
from cortexcore.export.network import IntegerNetwork, Synapses
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.bounds import digit_bits, largest_sum
from cortexcore.targets.ends import end_problems
from cortexcore.targets.onnx.names import name_problems


def check(network: IntegerNetwork) -> CheckReport:
    """Every node that the ONNX target refuses, with reason and remedy."""
    problems = end_problems(network)
    for p in network.populations:
        for s in p.synapses:
            problems += _synapses(network, s)
    return CheckReport("onnx", (*problems, *name_problems(network)))


def _synapses(network: IntegerNetwork, s: Synapses) -> list[Problem]:
    problems = []
    if digit_bits(s.operation) == 0:
        problems.append(Problem(s.name, "its weights add up to more than float32 holds", "split the layer in two"))
    largest = largest_sum(s.operation, sent_ranges(network)[s.source])
    if largest > FLOAT64_EXACT:
        remedy = "narrow the input's range or split the layer"
        problems.append(Problem(s.name, f"its sums reach {largest}, beyond 2^53", remedy))
    return problems
