"""ONNX Runtime behind the target contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result, Stepper
from cortexcore.targets.onnx import folder as folders
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.floating import check as float_check
from cortexcore.targets.onnx.floating import lower as float_lower
from cortexcore.targets.onnx.floating import profile as float_profile
from cortexcore.targets.onnx.floating import run as float_run
from cortexcore.targets.onnx.floating import stepper as float_stepper
from cortexcore.targets.onnx.integer import check, lower, profile, run, stepper
from cortexcore.targets.onnx.models import OnnxArtifact
from cortexcore.targets.profile import Profile

Network = Graph | IntegerNetwork


class OnnxTarget:
    """ONNX models of a network: all steps, all steps with traces, one step. Lowering needs the package onnx."""

    name = "onnx"
    takes: tuple[Form, ...] = ("integer", "float")
    config = OnnxConfig

    def unavailable(self) -> str | None:
        return None

    def check(self, network: Network) -> CheckReport:
        """A float graph is checked for float32; float64 takes more."""
        return float_check.check(network) if isinstance(network, Graph) else check.check(network)

    def lower(self, network: Network, config: OnnxConfig) -> OnnxArtifact[Any]:
        if isinstance(network, Graph):
            return float_lower.lower(network, config)
        return lower.lower(network, config)

    def save(self, artifact: OnnxArtifact[Any], folder: Path) -> None:
        folders.save(artifact, folder)

    def load(self, folder: Path) -> OnnxArtifact[Any]:
        return folders.load(folder)

    def run(self, artifact: OnnxArtifact[Any], inputs: Arrays, trace: bool = False) -> Result:
        if isinstance(artifact.network, Graph):
            return float_run.run(artifact, inputs, trace)
        return run.run(artifact, inputs, trace)

    def stepper(self, artifact: OnnxArtifact[Any]) -> Stepper:
        if isinstance(artifact.network, Graph):
            return float_stepper.FloatStepper(artifact)
        return stepper.IntegerStepper(artifact)

    def profile(self, artifact: OnnxArtifact[Any], inputs: Arrays) -> Profile:
        if isinstance(artifact.network, Graph):
            return float_profile.profile(artifact, inputs)
        return profile.profile(artifact, inputs)


TARGET = OnnxTarget()
