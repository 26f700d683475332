"""The golden integer network behind the target contract: what every other target is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cortexcore.export import integer
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.ends import end_problems
from cortexcore.targets.integer.stepper import GoldenStepper
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile
from cortexcore.targets.saved import load_network, network_sha256, save_network


@dataclass(frozen=True)
class IntegerConfig:
    """The golden network has no options."""


@dataclass(frozen=True, eq=False)
class IntegerArtifact:
    """The network itself."""

    network: IntegerNetwork

    @cached_property
    def sha256(self) -> str:
        return network_sha256(self.network)


class IntegerTarget:
    """Runs :func:`cortexcore.export.integer.run`."""

    name = "integer"
    takes: tuple[Form, ...] = ("integer",)
    config = IntegerConfig

    def unavailable(self) -> str | None:
        return None

    def check(self, network: IntegerNetwork) -> CheckReport:
        return CheckReport(self.name, tuple(end_problems(network)))

    def lower(self, network: IntegerNetwork, config: IntegerConfig) -> IntegerArtifact:
        self.check(network).require()
        return IntegerArtifact(network)

    def save(self, artifact: IntegerArtifact, folder: Path) -> None:
        save_network(artifact.network, folder)

    def load(self, folder: Path) -> IntegerArtifact:
        return IntegerArtifact(load_network(folder))

    def run(self, artifact: IntegerArtifact, inputs: Arrays, trace: bool = False) -> Result:
        whole = integer.run(artifact.network, inputs)
        return Result(whole.outputs, whole.spikes, whole.u, whole.v) if trace else Result(whole.outputs)

    def stepper(self, artifact: IntegerArtifact) -> GoldenStepper:
        return GoldenStepper(artifact.network)

    def profile(self, artifact: IntegerArtifact, inputs: Arrays) -> Profile:
        stepper = self.stepper(artifact)
        once, first = first_inference(inputs), first_step(inputs)
        weights = sum(s.operation.weight.size for p in artifact.network.populations for s in p.synapses)
        return host_profile(
            self.name,
            artifact.network,
            inputs,
            lambda: integer.run(artifact.network, once),
            lambda: stepper.step(first),
            {"weights": Figure(4 * weights, "B", "modelled", "32-bit weights")},
            "NumPy, its BLAS's threads",
        )


TARGET = IntegerTarget()
