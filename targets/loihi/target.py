"""Loihi behind the target contract, simulated by Lava's bit-accurate fixed-point models."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cortexcore.errors import BundleError, GraphError, TargetUnavailable
from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result, Stepper
from cortexcore.targets.loihi import session
from cortexcore.targets.loihi.check import check
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.interpreter import find_interpreter
from cortexcore.targets.loihi.mapping import mapping_problems
from cortexcore.targets.loihi.plan import CONVOLUTION_NOTE, Lowered, align, lower, plan_run
from cortexcore.targets.loihi.profile import loihi_profile
from cortexcore.targets.profile import Profile
from cortexcore.targets.saved import load_network, network_sha256, save_network


@dataclass(frozen=True, eq=False)
class LoihiArtifact:
    """The network and the Lava processes it becomes."""

    network: IntegerNetwork
    config: LoihiConfig
    lowered: Lowered

    @property
    def sha256(self) -> str:
        return self.lowered.sha256


class LoihiTarget:
    """Lava's fixed-point models of Loihi's LIF and synapses, in Lava's own Python."""

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
        problems = (*self.check(network).problems, *mapping_problems(network, config.chip))
        CheckReport(self.name, problems).require()
        return LoihiArtifact(network, config, lower(network))

    def save(self, artifact: LoihiArtifact, folder: Path) -> None:
        save_network(artifact.network, folder)
        manifest = {
            "format": "cortexcore-loihi-1",
            "sha256": artifact.sha256,
            "network_sha256": network_sha256(artifact.network),
            "timeout_s": artifact.config.timeout_s,
            "note": CONVOLUTION_NOTE,
            "populations": artifact.lowered.populations,
            "synapses": artifact.lowered.synapses,
        }
        (folder / "loihi.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        with (folder / "loihi.npz").open("wb") as file:
            np.savez_compressed(file, **artifact.lowered.arrays)

    def load(self, folder: Path) -> LoihiArtifact:
        network = load_network(folder)
        try:
            manifest = json.loads((folder / "loihi.json").read_text(encoding="utf-8"))
            with np.load(folder / "loihi.npz", allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            lowered = Lowered(tuple(manifest["populations"]), tuple(manifest["synapses"]), arrays)
            config = LoihiConfig(manifest["timeout_s"])
            digests = manifest["sha256"], manifest["network_sha256"]
        except FileNotFoundError as error:
            raise BundleError(f"{error.filename} is missing: the Loihi artifact in {folder} is incomplete") from error
        except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise BundleError(f"the Loihi artifact in {folder} cannot be read ({error}); lower it again") from error
        if digests != (lowered.sha256, network_sha256(network)):
            raise BundleError(f"the Loihi artifact in {folder} was changed after it was written; lower it again")
        return LoihiArtifact(network, config, lowered)

    def run(self, artifact: LoihiArtifact, inputs: Arrays, trace: bool = False) -> Result:
        checked = check_inputs(artifact.network, inputs)
        plan, arrays = plan_run(artifact.network, artifact.lowered, checked, trace)
        _, found = session.ask(plan, arrays, artifact.config.timeout_s)
        return align(artifact.network, artifact.lowered, checked, found, trace)

    def stepper(self, artifact: LoihiArtifact) -> Stepper:
        raise GraphError("target 'loihi' is simulated over whole sequences; stream with 'onnx' or 'integer'")

    def profile(self, artifact: LoihiArtifact, inputs: Arrays) -> Profile:
        """Modelled for the chip of the artifact's configuration; needs no Lava."""
        return loihi_profile(artifact.network, artifact.config, inputs)


TARGET = LoihiTarget()
