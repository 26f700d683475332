"""The float reference behind the target contract: what quantization is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cortexcore.errors import GraphError
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.targets.base import Arrays, CheckReport, Form, Result, Stepper
from cortexcore.targets.profile import Profile
from cortexcore.targets.profiling import first_inference
from cortexcore.targets.reference.operations import count_float
from cortexcore.targets.reference.profiling import float_profile
from cortexcore.targets.reference.saved import load_graph, save_graph


@dataclass(frozen=True)
class ReferenceConfig:
    """The float reference has no options."""


@dataclass(frozen=True, eq=False)
class ReferenceArtifact:
    """The graph itself."""

    graph: Graph


class ReferenceTarget:
    """Runs :func:`cortexcore.export.reference.run`, NumPy float64."""

    name = "reference"
    takes: tuple[Form, ...] = ("float",)
    config = ReferenceConfig

    def unavailable(self) -> str | None:
        return None

    def check(self, network: Graph) -> CheckReport:
        return CheckReport(self.name)

    def lower(self, network: Graph, config: ReferenceConfig) -> ReferenceArtifact:
        return ReferenceArtifact(network)

    def save(self, artifact: ReferenceArtifact, folder: Path) -> None:
        save_graph(artifact.graph, folder)

    def load(self, folder: Path) -> ReferenceArtifact:
        return ReferenceArtifact(load_graph(folder))

    def run(self, artifact: ReferenceArtifact, inputs: Arrays, trace: bool = False) -> Result:
        whole = reference.run(artifact.graph, inputs)
        return Result(whole.outputs, whole.spikes, whole.u, whole.v) if trace else Result(whole.outputs)

    def stepper(self, artifact: ReferenceArtifact) -> Stepper:
        raise GraphError("target 'reference' runs whole sequences; stream with 'onnx' or 'integer'")

    def profile(self, artifact: ReferenceArtifact, inputs: Arrays) -> Profile:
        """Latency measured; spikes counted in the float trace, every multiplication counted, zeros included."""
        once = first_inference(inputs)
        operations = count_float(
            artifact.graph, inputs, self.run(artifact, inputs, trace=True), "counted in the float reference's trace"
        )
        return float_profile(
            self.name,
            artifact.graph,
            operations,
            lambda: reference.run(artifact.graph, once),
            None,
            "NumPy float64, its BLAS's threads",
            8,
            {},
        )


TARGET = ReferenceTarget()
