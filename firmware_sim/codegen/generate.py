"""C of a network: what a program includes and compiles."""

from __future__ import annotations

from pathlib import Path

from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.codegen.header import header
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.firmware_sim.codegen.source import source

KERNELS = Path(__file__).parents[1] / "csrc" / "network"
"""Headers that model.c includes."""


def generate_network(network: IntegerNetwork, options: CodegenOptions) -> dict[str, str]:
    """File name → text: ``model.h`` and ``model.c``. The same network and options give the same text."""
    return network_files(plan(network, options))


def network_files(planned: Plan) -> dict[str, str]:
    """The files of a planned network."""
    return {"model.h": header(planned, memory(planned)), "model.c": source(planned)}
