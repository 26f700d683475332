"""The two models of one network, which one function emits: a block of steps in a call, and a single step.

Sequence form: inputs [K, B, *shape], K fixed, B free; more than K steps are several blocks. A population outside loops
takes its currents from one product over all K·B; then its neurons run step by step, unrolled. TFLite's WHILE would
leave K free, but copies what the loop carries in every round: for one population of 64 or 256 neurons over 6 to 1000
steps it took 2 to 13 times as long in both runtimes, the more steps the longer, while unrolled steps take a kilobyte
each in the file. Step form: inputs [B, *shape].

Both take the states ``previous/u/<population>`` … [B, neurons], zero at rest, and return them as ``next/u/…`` (an input
that is read a step late among them, as ``previous/v/<input>``), beside the network's outputs: spikes as uint8, v of a
leaky integrator as int32. The file's signature holds all these names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from cortexcore.export.integer import computing_order
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.tflite.exact import input_dtype
from cortexcore.targets.tflite.flatbuffer import ModelBuild
from cortexcore.targets.tflite.form import NEXT, PREVIOUS, TRACE, Form
from cortexcore.targets.tflite.group import Course, emit_group
from cortexcore.targets.tflite.neuron import States
from cortexcore.targets.tflite.signal import Signal
from cortexcore.targets.tflite.states import state_slots

ENDS = "inputs and outputs"
"""Where the operators belong that reshape what enters and leaves."""
DTYPES = {"spikes": "uint8", "u": "int32", "v": "int32"}
"""What leaves as which type."""


def build(network: IntegerNetwork, metadata: Mapping[str, str], steps: int | None, traced: bool = False) -> Form:
    """One of the two models.

    Args:
        metadata: entries for the file.
        steps: K of the sequence form, or None for the step form.
        traced: hand out every population's spikes, u and v as well, as ``trace/<kind>/<population>``.
    """
    m = ModelBuild()
    count, lead = (1, (-1,)) if steps is None else (steps, (steps, -1))
    sent: dict[str, Signal] = {}
    slots = state_slots(network)
    with m.scoped(ENDS):
        for port in network.inputs:
            size = math.prod(port.shape)
            x = m.input(port.name, input_dtype(port), (*lead, *port.shape))
            sent[port.name] = Signal(m, count, whole=m.op("RESHAPE", [x, m.ints(-1, size)], shape=(-1, size)))
        before = {(kind, n): m.input(f"{PREVIOUS}{kind}/{n}", dtype, (-1, size)) for kind, n, dtype, size in slots}
    rest = {n: States(before["v", n], before.get(("u", n)), before.get(("spikes", n))) for _, n, _, _ in slots}
    courses: dict[str, Course] = {}
    for group in computing_order(network):
        courses |= emit_group(m, network, group, sent, rest, count)
        sent |= {p.name: Signal(m, count, steps=[after.sent for after in courses[p.name].states]) for p in group}
    with m.scoped(ENDS):
        leaving: dict[str, int] = {}
        for output in network.outputs:
            if output.source not in leaving:
                p = network.population(output.source)
                kind = "v" if p.vth is None else "spikes"
                leaving[p.name] = _emit_output(m, sent[p.name], DTYPES[kind], (*lead, *p.shape))
            m.output(output.name, leaving[output.source])
        for kind, n, _, _ in slots:
            m.output(f"{NEXT}{kind}/{n}", courses[n].last(kind) if n in courses else sent[n].steps[-1])
        for p in network.populations if traced else ():
            signals = {
                "u": courses[p.name].u,
                "v": Signal(m, count, steps=[after.v for after in courses[p.name].states]),
            }
            if p.vth is not None:
                signals["spikes"] = sent[p.name]
            for kind, signal in signals.items():
                m.output(f"{TRACE}{kind}/{p.name}", _emit_output(m, signal, DTYPES[kind], (*lead, *p.shape)))
    operators = Counter(operator.scope for operator in m.operators)
    return Form(m.finish(metadata, "made by CortexCore"), dict(m.outputs), dict(operators))


def _emit_output(m: ModelBuild, signal: Signal, dtype: str, shape: tuple[int, ...]) -> int:
    """All steps of one kind of value, in the population's shape."""
    return m.op("RESHAPE", [m.cast(signal.whole, dtype), m.ints(*shape)], shape=shape)
