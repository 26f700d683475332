"""Loihi behind the target contract, simulated by Lava's bit-accurate fixed-point models."""

from __future__ import annotations

from pathlib import Path

from cortexcore.errors import GraphError, TargetUnavailable
from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result, Stepper
from cortexcore.targets.loihi import artifact as artifacts
from cortexcore.targets.loihi import session
from cortexcore.targets.loihi.artifact import LoihiArtifact
from cortexcore.targets.loihi.check import check
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.interpreter import find_interpreter
from cortexcore.targets.loihi.mapping import mapping_problems
from cortexcore.targets.loihi.plan import lower
from cortexcore.targets.loihi.profile import loihi_profile
from cortexcore.targets.profile import Profile


class LoihiTarget:
    """Lava's fixed-point models of Loihi's LIF and synapses, in Lava's own Python, or Loihi 2 itself."""

    name = "loihi"
    takes: tuple[Form, ...] = ("integer",)
    config = LoihiConfig

    def unavailable(self) -> str | None:
        try:
            find_interpreter()
        except TargetUnavailable as error:
            return str(error)
        return None

    def check(self, network: IntegerNetwork) -> CheckReport:
        return check(network)

    def lower(self, network: IntegerNetwork, config: LoihiConfig) -> LoihiArtifact:
        report = check(network, config.chip)
        CheckReport(self.name, (*report.problems, *mapping_problems(network, config.chip))).require()
        return LoihiArtifact(network, config, lower(network))

    def save(self, artifact: LoihiArtifact, folder: Path) -> None:
        artifacts.save(artifact, folder)

    def load(self, folder: Path) -> LoihiArtifact:
        return artifacts.load(folder)

    def run(self, artifact: LoihiArtifact, inputs: Arrays, trace: bool = False) -> Result:
        checked = check_inputs(artifact.network, inputs)
        options = [f"--{name}" for name, on in (("trace", trace), ("hardware", artifact.config.hardware)) if on]
        found = session.run(artifact.lowered, checked, options, artifact.config.timeout_s)
        outputs = {o.name: found[o.name] for o in artifact.network.outputs}
        if not trace:
            return Result(outputs)
        names = [p.name for p in artifact.network.populations]
        spikes = {p.name: found[f"spikes/{p.name}"] for p in artifact.network.populations if p.vth is not None}
        return Result(outputs, spikes, *({name: found[f"{kind}/{name}"] for name in names} for kind in ("u", "v")))

    def stepper(self, artifact: LoihiArtifact) -> Stepper:
        raise GraphError("target 'loihi' is simulated over whole sequences; stream with 'onnx' or 'integer'")

    def profile(self, artifact: LoihiArtifact, inputs: Arrays) -> Profile:
        """Modelled for the chip of the artifact's configuration; needs no Lava."""
        return loihi_profile(artifact.network, artifact.config, inputs)


TARGET = LoihiTarget()
