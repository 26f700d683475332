"""What ONNX cannot take exactly: sums beyond the types, and the few things its operators leave out."""

from __future__ import annotations

from cortexcore.export.bounds import sent_ranges
from cortexcore.export.integer_currents import FLOAT64_EXACT, WRAP
from cortexcore.export.network import IntegerNetwork, Population, Synapses
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.bounds import guards, largest_sum
from cortexcore.targets.onnx.exact import INT32_SAFE, digit_bits


def check(network: IntegerNetwork) -> CheckReport:
    """Every node that the ONNX target refuses, with reason and remedy."""
    ports = {port.name for port in network.inputs}
    problems: list[Problem] = []
    for p in network.populations:
        for s in p.synapses:
            problems += _synapses(network, s)
        problems += _population(network, p)
    taken = ports | {f"{k}/{p.name}" for p in network.populations for k in ("spikes", "u", "v")}
    problems += [
        Problem(o.name, "an output has the name of an input or a trace", "rename the output")
        for o in network.outputs
        if o.name in taken
    ]
    return CheckReport("onnx", tuple(problems))


def _synapses(network: IntegerNetwork, s: Synapses) -> list[Problem]:
    problems = []
    if digit_bits(s.operation) == 0:
        problems.append(Problem(s.name, "its weights add up to more than float32 holds", "split the layer in two"))
    largest = largest_sum(s.operation, sent_ranges(network)[s.source])
    if largest > FLOAT64_EXACT:
        remedy = "narrow the input's range or split the layer"
        problems.append(Problem(s.name, f"its sums reach {largest}, beyond 2^53", remedy))
    return problems


def _population(network: IntegerNetwork, p: Population) -> list[Problem]:
    """Currents that can leave int32 arrive modulo 2^24 each; only so many of them add up in int32."""
    most = INT32_SAFE // WRAP
    if len(p.synapses) > most and guards(network, p).drive > INT32_SAFE:
        return [Problem(p.name, f"{len(p.synapses)} connections overflow int32", f"use at most {most} connections")]
    return []
