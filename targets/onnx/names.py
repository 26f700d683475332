"""Names that the models of an integer network keep for themselves; a graph's nodes, which hold no "/", meet none."""

from __future__ import annotations

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Problem

PREVIOUS, NEXT = "previous/", "next/"
"""How the step form calls the states that it takes, and those that it returns."""
TRACES = ("spikes", "u", "v")
"""What a traced model tells of each population, as ``<kind>/<population>``."""


def name_problems(network: IntegerNetwork) -> list[Problem]:
    """Names of inputs and outputs that mean something else in a model."""
    entering, leaving = [port.name for port in network.inputs], [port.name for port in network.outputs]
    traces = {f"{kind}/{p.name}" for kind in TRACES for p in network.populations}
    problems = [
        Problem(name, f"names that begin with '{start}' are the models' own", "rename it")
        for name in dict.fromkeys([*entering, *leaving])
        for start in (PREVIOUS, NEXT)
        if name.startswith(start)
    ]
    problems += [Problem(name, "an input has the name of a trace", "rename it") for name in entering if name in traces]
    problems += [
        Problem(name, "an output has the name of an input or a trace", "rename it")
        for name in leaving
        if name in traces.union(entering)
    ]
    return problems
