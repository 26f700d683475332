"""The generated C, on this machine, behind the target contract."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from cortexcore.errors import BundleError
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.codegen.memory import memory
from cortexcore.firmware_sim.toolchain import compiler_version, missing_compiler
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.native import artifact as running
from cortexcore.targets.native.artifact import NativeArtifact, NativeStepper
from cortexcore.targets.native.check import check
from cortexcore.targets.native.config import NativeConfig
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile
from cortexcore.targets.saved import load_network, save_network

CONFIG = "config.json"


class NativeTarget:
    """C99 as the firmware has it, compiled by the pinned compiler and called in this process."""

    name = "native"
    takes: tuple[Form, ...] = ("integer",)
    config = NativeConfig

    def unavailable(self) -> str | None:
        missing = missing_compiler()
        return None if missing is None else str(missing)

    def check(self, network: IntegerNetwork) -> CheckReport:
        return CheckReport(self.name, check(network))

    def lower(self, network: IntegerNetwork, config: NativeConfig) -> NativeArtifact:
        self.check(network).require()
        missing = missing_compiler()
        if missing is not None:
            raise missing
        return NativeArtifact(network, config)

    def save(self, artifact: NativeArtifact, folder: Path) -> None:
        save_network(artifact.network, folder)
        for name, text in artifact.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / CONFIG).write_text(json.dumps(asdict(artifact.config)), encoding="utf-8")

    def load(self, folder: Path) -> NativeArtifact:
        """What :meth:`save` wrote. Only C that follows from network.nir is compiled: that in the folder must be it."""
        network = load_network(folder)
        try:
            config = NativeConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
            artifact = NativeArtifact(network, config)
            found = {name: (folder / name).read_text(encoding="utf-8") for name in artifact.files}
        except OSError as error:
            raise BundleError(f"{error.filename} is missing: the native artifact in {folder} is incomplete") from error
        except (TypeError, ValueError) as error:
            raise BundleError(f"{folder / CONFIG} is not the native target's: {error}") from error
        for name, text in artifact.files.items():
            if found[name] != text:
                raise BundleError(
                    f"{folder / name} is not the C that this version of CortexCore generates from network.nir: lower "
                    "the network again with the 'native' target"
                )
        return artifact

    def run(self, artifact: NativeArtifact, inputs: Arrays, trace: bool = False) -> Result:
        return running.run(artifact, inputs, trace)

    def stepper(self, artifact: NativeArtifact) -> NativeStepper:
        return NativeStepper(artifact)

    def profile(self, artifact: NativeArtifact, inputs: Arrays) -> Profile:
        stepper = self.stepper(artifact)
        once, first = first_inference(inputs), first_step(inputs)
        tables = memory(artifact.plan).tables
        return host_profile(
            self.name,
            artifact.network,
            inputs,
            lambda: running.run(artifact, once, False),
            lambda: stepper.step(first),
            {"weights": Figure(tables, "B", "measured", "constant tables of the generated C")},
            f"{compiler_version()}, 1 thread",
        )


TARGET = NativeTarget()
