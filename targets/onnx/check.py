"""What ONNX cannot take exactly: sums beyond the types, and the few things its operators leave out."""

from __future__ import annotations

import numpy as np

from cortexcore.export.network import DECAY_ONE, THRESHOLD_SHIFT, IntegerNetwork, Population
from cortexcore.targets.base import CheckReport, Problem
from cortexcore.targets.bounds import current_bound, population_bounds
from cortexcore.targets.onnx.synapses import FLOAT64_EXACT, INT32_SAFE, WRAP, digit_bits


def check(network: IntegerNetwork) -> CheckReport:
    """Every node that the ONNX target refuses, with reason and remedy."""
    ports = {port.name for port in network.inputs}
    problems: list[Problem] = []
    for p in network.populations:
        problems += _parameters(network, p)
        for s in p.synapses:
            if digit_bits(s.operation) == 0:
                problems.append(
                    Problem(s.name, "its weights add up to more than float32 holds exactly", "split the layer in two")
                )
            elif current_bound(network, s) << THRESHOLD_SHIFT > FLOAT64_EXACT:
                problems.append(
                    Problem(s.name, f"weight_exp {s.operation.weight_exp} lifts its sums over 2^53", "lower weight_exp")
                )
            if s.recurrent and s.source in ports:
                problems.append(
                    Problem(s.name, "a recurrent connection reads an input", "send the input one step later instead")
                )
    taken = ports | {f"{k}/{p.name}" for p in network.populations for k in ("spikes", "u", "v")}
    problems += [
        Problem(o.name, "an output has the name of an input or a trace", "rename the output")
        for o in network.outputs
        if o.name in taken
    ]
    return CheckReport("onnx", tuple(problems))


def _parameters(network: IntegerNetwork, p: Population) -> list[Problem]:
    problems = []
    if not (0 <= p.du < DECAY_ONE and 0 <= p.dv <= DECAY_ONE):
        problems.append(Problem(p.name, f"decays du={p.du}, dv={p.dv}", "use du in 0…4095 and dv in 0…4096"))
    bias = int(np.abs(p.bias.astype(np.int64)).max(initial=0)) * 2.0**p.bias_exp
    if bias > INT32_SAFE:
        problems.append(Problem(p.name, f"a bias of {bias:.0f} exceeds 2^30", "lower bias_exp"))
    if p.vth is not None and abs(p.vth) << THRESHOLD_SHIFT > INT32_SAFE:
        problems.append(Problem(p.name, f"threshold {p.vth} exceeds 2^24", "lower vth"))
    if not problems and len(p.synapses) * WRAP > INT32_SAFE and population_bounds(network, p).drive > INT32_SAFE:
        problems.append(Problem(p.name, f"{len(p.synapses)} connections overflow int32", "use at most 64 connections"))
    return problems
