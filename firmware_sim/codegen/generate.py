"""C of a network, or of a whole model with its front end: what a program includes and compiles."""

from __future__ import annotations

from pathlib import Path

from cortexcore.errors import GraphError
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.codegen.header import header
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.firmware_sim.codegen.source import source
from cortexcore.runtime.frontend import FEATURES, FrontEndConfig

SOURCES = Path(__file__).parents[1] / "csrc"
"""All C that is not generated."""
KERNELS = SOURCES / "network"
"""Headers that model.c includes."""
FRONT_END = SOURCES / "frontend"
BEAT_LIMIT = 127
"""Largest magnitude of what the front end hands to the network."""


def generate(network: IntegerNetwork, front_end: FrontEndConfig | None, options: CodegenOptions) -> dict[str, str]:
    """The generated files of a model.

    Args:
        network: what decides on a beat, or any network.
        front_end: what turns ADC counts into its inputs; None for a network alone.
        options: how.

    Returns:
        file name → text: ``model.h``, ``model.c`` and, with a front end, ``ccx_frontend_config.h``. The same model and
        options give the same text.

    Raises:
        GraphError: the front end does not feed this network, or nothing says how many steps and which classes it has.
        DataError: the front end's constants do not fit into C.
    """
    files = network_files(plan(network, options))
    if front_end is None:
        return files
    problems = front_end_problems(network, front_end)
    if problems:
        raise GraphError("this network does not decide on the front end's beats: " + "; ".join(problems))
    return {**files, "ccx_frontend_config.h": frontend_header(front_end)}


def network_files(planned: Plan) -> dict[str, str]:
    """``model.h`` and ``model.c`` of a planned network."""
    return {"model.h": header(planned, memory(planned)), "model.c": source(planned)}


def front_end_problems(network: IntegerNetwork, front_end: FrontEndConfig) -> list[str]:
    """Why csrc/network/ccx.c could not hand the front end's beats to this network and read its decision."""
    length = front_end.window_before + front_end.window_after + 1
    wanted = {"window": (2, length), "rhythm": (len(FEATURES),)}
    found = {port.name: port.shape for port in network.inputs}
    problems = []
    if found != wanted:
        problems.append(f"its inputs are {found}, the front end gives {wanted}")
    problems += [
        f"its input '{port.name}' takes {port.low} to {port.high}, the front end gives ±{BEAT_LIMIT}"
        for port in network.inputs
        if port.low > -BEAT_LIMIT or port.high < BEAT_LIMIT or port.low < -128 or port.high > 127
    ]
    classes, steps = network.metadata.get("classes"), network.metadata.get("steps")
    if not isinstance(steps, int) or steps < 1:
        problems.append("its metadata does not say how many steps an inference has ('steps')")
    if not isinstance(classes, list | tuple) or not classes:
        problems.append("its metadata names no classes ('classes')")
    elif not network.outputs or network.shape_of(network.outputs[0].source) != (len(classes),):
        problems.append(f"its first output is not one value for each of the {len(classes)} classes")
    elif network.population(network.outputs[0].source).vth is not None:
        problems.append("its first output sends spikes, not the membranes of a readout")
    if all(p.vth is None for p in network.populations):
        problems.append("no population of it spikes")
    return problems
