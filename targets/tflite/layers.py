"""How long each population takes: what it adds to the network cut short before it.

Neither runtime hands its profiler to Python (LiteRT's is in a C library whose interface changes with its releases), so
that populations are timed from outside: the network up to and with each of them is a model of its own, and all of these
run by turns, so that they meet the same machine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate

import numpy as np

from cortexcore.export.integer import computing_order
from cortexcore.export.network import OutputPort
from cortexcore.targets.base import Arrays
from cortexcore.targets.energy.latency import CLOCK, measure_by_turns
from cortexcore.targets.profile import Figure
from cortexcore.targets.tflite.session import TfliteArtifact, run


def layer_times(artifact: TfliteArtifact, inputs: Arrays) -> dict[str, Figure]:
    """Population → seconds it adds to one inference, ``inputs`` [T, 1, *shape]; a loop's under its first.

    Raises:
        TargetUnavailable: the package tflite is not installed, by which the shorter models are made.
    """
    groups = computing_order(artifact.network)
    parts = [cut_short(artifact, end) for end in accumulate(map(len, groups))]
    measured = measure_by_turns([partial(run, part, inputs, False) for part in parts])
    ends = [float(np.median(times.seconds)) for times in measured]
    rounds = len(measured[0].seconds)
    figures = {}
    for group, before, end in zip(groups, [0.0, *ends], ends, strict=False):
        whom = "" if len(group) == 1 else f"the loop of {', '.join(p.name for p in group)}; "
        whom += "" if before else "with the call and its inputs; "
        said = f"{whom}difference of medians of {rounds} runs with and without it, which may be off by a microsecond"
        figures[group[0].name] = Figure(end - before, "s", "measured", CLOCK, said)
    return figures


def cut_short(artifact: TfliteArtifact, end: int) -> TfliteArtifact:
    """The same network of its first ``end`` populations alone, of which it hands out the last."""
    from cortexcore.targets.tflite.forms import build

    network = artifact.network
    kept = network.populations[:end]
    part = replace(network, populations=kept, outputs=(OutputPort("last", kept[-1].name),), report=None)
    form = build(part, {}, artifact.steps)
    return TfliteArtifact(part, artifact.config, artifact.steps, form, form)
