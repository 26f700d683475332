"""What TFLite cannot take exactly: sums and inputs beyond its types, and names that its models keep for themselves."""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import InputPort, IntegerNetwork
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.bounds import digit_bits
from cortexcore.targets.ends import end_problems
from cortexcore.targets.tflite.form import NEXT, PREVIOUS, TRACE


def check(network: IntegerNetwork) -> CheckReport:
    """Every node that the TFLite target refuses, with reason and remedy."""
    problems = end_problems(network)
    problems += [problem for port in network.inputs for problem in _port(port)]
    for p in network.populations:
        problems += [
            Problem(s.name, "its weights add up to more than float32 holds", "split the layer in two")
            for s in p.synapses
            if digit_bits(s.operation) == 0
        ]
    named = [port.name for port in network.inputs] + [port.name for port in network.outputs]
    problems += [
        Problem(name, f"names that begin with '{start}' are the models' own", "rename it")
        for name in named
        for start in (PREVIOUS, NEXT, TRACE)
        if name.startswith(start)
    ]
    return CheckReport("tflite", tuple(problems))


def _port(port: InputPort) -> list[Problem]:
    most = int(np.iinfo(np.int32).max)
    if port.high <= most:
        return []
    return [Problem(port.name, f"its values reach {port.high}, beyond int32", f"let them end at {most}")]
