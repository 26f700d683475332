"""TFLite behind the target contract."""

from __future__ import annotations

import json
import math
from pathlib import Path

from cortexcore.errors import TargetUnavailable
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.profile import Profile
from cortexcore.targets.saved import network_sha256
from cortexcore.targets.tflite import files, profile, session
from cortexcore.targets.tflite.check import check
from cortexcore.targets.tflite.config import BLOCK, TfliteConfig
from cortexcore.targets.tflite.form import METADATA_KEY
from cortexcore.targets.tflite.runtime import find_runtime
from cortexcore.targets.tflite.session import TfliteArtifact, TfliteStepper


class TfliteTarget:
    """Two TFLite models per network, ``sequence.tflite`` and ``step.tflite``; lowering needs the package tflite."""

    name = "tflite"
    takes: tuple[Form, ...] = ("integer",)
    config = TfliteConfig

    def unavailable(self) -> str | None:
        try:
            find_runtime("auto")
        except TargetUnavailable as error:
            return str(error)
        return None

    def check(self, network: IntegerNetwork) -> CheckReport:
        return check(network)

    def lower(self, network: IntegerNetwork, config: TfliteConfig) -> TfliteArtifact:
        self.check(network).require()
        from cortexcore.targets.tflite.forms import build

        steps = config.steps or block_steps(network)
        ports = [{"name": p.name, "shape": p.shape, "low": p.low, "high": p.high} for p in network.inputs]
        about = {"sha256": network_sha256(network), "dt_s": network.dt_s, "metadata": dict(network.metadata)}
        props = {METADATA_KEY: json.dumps({**about, "inputs": ports}, sort_keys=True)}
        return TfliteArtifact(network, config, steps, build(network, props, steps), build(network, props, None))

    def save(self, artifact: TfliteArtifact, folder: Path) -> None:
        files.save(artifact, folder)

    def load(self, folder: Path) -> TfliteArtifact:
        return files.load(folder)

    def run(self, artifact: TfliteArtifact, inputs: Arrays, trace: bool = False) -> Result:
        return session.run(artifact, inputs, trace)

    def stepper(self, artifact: TfliteArtifact) -> TfliteStepper:
        return TfliteStepper(artifact)

    def profile(self, artifact: TfliteArtifact, inputs: Arrays) -> Profile:
        return profile.profile(artifact, inputs)


def block_steps(network: IntegerNetwork) -> int:
    """One inference's steps, as the network's metadata tells them, in the fewest equal blocks of at most 16."""
    told = network.metadata.get("steps")
    if not isinstance(told, int) or told < 1:
        return BLOCK
    return math.ceil(told / math.ceil(told / BLOCK))


TARGET = TfliteTarget()
