"""The artifact of the native target, and running it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.codegen.generate import network_files
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.targets.base import Array, Arrays, Result
from cortexcore.targets.integer.stepper import check_step
from cortexcore.targets.native.config import NativeConfig
from cortexcore.targets.native.library import Library
from cortexcore.targets.saved import network_sha256


@dataclass(frozen=True, eq=False)
class NativeArtifact:
    """A network and its C, which is compiled when it is first run."""

    network: IntegerNetwork
    config: NativeConfig

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)

    @cached_property
    def plan(self) -> Plan:
        return plan(self.network, self.config.options)

    @cached_property
    def files(self) -> dict[str, str]:
        """``model.h`` and ``model.c``."""
        return network_files(self.plan)

    @cached_property
    def library(self) -> Library:
        return Library(self.plan, self.files, False, self.config.sanitize)

    @cached_property
    def traced(self) -> Library:
        return Library(self.plan, self.files, True, self.config.sanitize)


def run(artifact: NativeArtifact, inputs: Arrays, trace: bool) -> Result:
    """All steps of all inferences in one call."""
    checked = check_inputs(artifact.network, inputs)
    library = artifact.traced if trace else artifact.library
    outputs, traced = library.run(packed(artifact.plan, checked, library.input))
    found = {port.name: _plain(outputs[artifact.plan.outputs[port.name]]) for port in artifact.network.outputs}
    if traced is None:
        return Result(found)
    return Result(found, *traces(artifact.plan, traced))


def packed(plan: Plan, values: Arrays, record: np.dtype[Any]) -> Array:
    """Checked inputs [*lead, *shape] as records [*lead]; a network's only input is not copied where it is one already.

    Values of 2^31, the largest that a network may take, wrap: sums count modulo 2^32.
    """
    first = plan.ports[0]
    lead = values[first.name].shape[: -len(first.shape)]
    if len(plan.ports) == 1 and record[first.ident].base.itemsize * first.size == record.itemsize:
        alone = np.ascontiguousarray(values[first.name], record[first.ident].base)
        return alone.reshape(*lead, -1).view(np.uint8).view(record)[..., 0]
    filled = np.zeros(lead, record)
    for port in plan.ports:
        filled[port.ident] = values[port.name]
    return filled


def traces(plan: Plan, traced: Array) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
    """Trace records [T, B] → spikes, u and v by population."""
    names = {layer.population.name: layer.ident for layer in plan.layers}
    spiking = [layer.population.name for layer in plan.layers if layer.listed]
    spikes = {name: _plain(traced[f"spikes_{names[name]}"]) for name in spiking}
    u, v = ({name: _plain(traced[f"{kind}_{ident}"]) for name, ident in names.items()} for kind in ("u", "v"))
    return spikes, u, v


def _plain(field: Array) -> Array:
    """A field of records as an array of its own, in this machine's byte order."""
    return np.ascontiguousarray(field, field.dtype.newbyteorder("="))


class NativeStepper:
    """Implements :class:`cortexcore.targets.base.Stepper`: every step is one call."""

    def __init__(self, artifact: NativeArtifact) -> None:
        self._network, self._plan, self._library = artifact.network, artifact.plan, artifact.library
        self.start()

    def start(self, batch: int = 1) -> None:
        self._batch = batch
        self._states = self._library.states(batch)
        self._outputs = np.empty(batch, self._library.output)

    def step(self, inputs: Arrays) -> dict[str, Array]:
        checked = check_step(self._network, inputs, self._batch)
        self._library.step(self._states, packed(self._plan, checked, self._library.input), self._outputs)
        return {port.name: self._outputs[self._plan.outputs[port.name]].copy() for port in self._network.outputs}
