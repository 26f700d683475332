"""The artifact of the cortex-m target, and running it on the emulated core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.board import Board
from cortexcore.firmware_sim.codegen import records
from cortexcore.firmware_sim.codegen.generate import front_end_problems, generate, network_files
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.native.artifact import packed, traces
from cortexcore.targets.saved import network_sha256


@dataclass(frozen=True, eq=False)
class CortexMArtifact:
    """A network and its firmware.

    Attributes:
        elf: the network as it is shipped, and a harness that steps it.
        traced_elf: the same with every neuron's spikes, u and v.
        compiler: what made them, e.g. "ziglang 0.17.1".
        device_elf: the whole device, from its converter to its serial port, where the network's metadata has a front
            end that feeds it; else None.
    """

    network: IntegerNetwork
    config: CortexMConfig
    elf: bytes
    traced_elf: bytes
    compiler: str
    device_elf: bytes | None = None

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)

    @cached_property
    def plan(self) -> Plan:
        return plan(self.network, self.config.options)

    @cached_property
    def files(self) -> dict[str, str]:
        """``model.h``, ``model.c`` and, for a whole device, the front end's constants."""
        front_end = front_end_of(self.network)
        return network_files(self.plan) if front_end is None else generate(self.network, front_end, self.config.options)


def front_end_of(network: IntegerNetwork) -> FrontEndConfig | None:
    """The front end in the network's metadata, if it feeds this network."""
    told = network.metadata.get("front_end")
    if not isinstance(told, Mapping):
        return None
    front_end = FrontEndConfig.from_json(told)
    return None if front_end_problems(network, front_end) else front_end


class Core:
    """A network on an emulated core, stepped record by record."""

    def __init__(self, artifact: CortexMArtifact, traced: bool) -> None:
        self.board = Board(artifact.traced_elf if traced else artifact.elf)
        self.board.boot()
        self.input, self.output, self.trace = (
            records.record(of(artifact.plan)) for of in (records.inputs, records.outputs, records.traces)
        )
        self.network_bytes = self.board.firmware.symbol("ccx_harness_network").size

    def reset(self) -> None:
        """The network back to rest."""
        self.board.call("ccx_harness_reset")

    def step(self, record: Array | None) -> Array:
        """One step on an input record [] → an output record []; None: the input stays what it was."""
        if record is not None:
            self.board.write("ccx_harness_input", record)
        self.board.call("ccx_harness_step", int(record is None))
        return self.board.read("ccx_harness_output", self.output)

    def traced(self) -> Array:
        """Every neuron after the last step, a trace record []."""
        return self.board.read("ccx_harness_trace", self.trace)


def run(artifact: CortexMArtifact, inputs: Arrays, trace: bool) -> Result:
    """All inferences one after the other, each from rest. Inputs that stay the same are not sent again."""
    checked = check_inputs(artifact.network, inputs)
    core = Core(artifact, trace)
    sent = packed(artifact.plan, checked, core.input)
    steps, batch = sent.shape
    outputs, traced = np.empty((steps, batch), core.output), np.empty((steps, batch), core.trace)
    for b in range(batch):
        core.reset()
        for t in range(steps):
            held = t > 0 and sent[t, b].tobytes() == sent[t - 1, b].tobytes()
            outputs[t, b] = core.step(None if held else sent[t, b])
            if trace:
                traced[t, b] = core.traced()
    names = artifact.plan.outputs
    found = {port.name: np.ascontiguousarray(outputs[names[port.name]]) for port in artifact.network.outputs}
    return Result(found, *traces(artifact.plan, traced)) if trace else Result(found)


class CortexMStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`: one core steps all inferences, their states in turn."""

    def __init__(self, artifact: CortexMArtifact) -> None:
        self._artifact, self._core = artifact, Core(artifact, False)
        self.start()

    def start(self, batch: int = 1) -> None:
        self._states = [bytes(self._core.network_bytes)] * batch

    def step(self, inputs: Arrays) -> dict[str, Array]:
        network, plan, core = self._artifact.network, self._artifact.plan, self._core
        sent = packed(plan, check_step(network, inputs, len(self._states)), core.input)
        outputs = np.empty(len(self._states), core.output)
        for b, record in enumerate(sent):
            core.board.write("ccx_harness_network", self._states[b])
            outputs[b] = core.step(record)
            self._states[b] = core.board.read("ccx_harness_network", np.uint8, (core.network_bytes,)).tobytes()
        return {port.name: np.ascontiguousarray(outputs[plan.outputs[port.name]]) for port in network.outputs}
