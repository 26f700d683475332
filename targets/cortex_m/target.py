"""The generated C on an emulated Cortex-M4, behind the target contract."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cortexcore.errors import missing_package
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.board import build_device
from cortexcore.firmware_sim.codegen.generate import network_files
from cortexcore.firmware_sim.codegen.planning import plan
from cortexcore.firmware_sim.toolchain import compiler_version, missing_compiler
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.cortex_m import artifact as running
from cortexcore.targets.cortex_m import files
from cortexcore.targets.cortex_m.artifact import CortexMArtifact, CortexMStepper
from cortexcore.targets.cortex_m.build import build_harness
from cortexcore.targets.cortex_m.check import check
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.profile import profile
from cortexcore.targets.profile import Profile

EMULATOR = {"unicorn": "unicorn", "elftools": "pyelftools"}
"""Import name → package of what running needs; lowering needs the compiler as well."""


class CortexMTarget:
    """C99 cross-compiled by the pinned compiler, and executed instruction by instruction."""

    name = "cortex-m"
    takes: tuple[Form, ...] = ("integer",)
    config = CortexMConfig

    def unavailable(self) -> str | None:
        missing = [package for module, package in EMULATOR.items() if find_spec(module) is None]
        if missing:
            return str(missing_package(missing[0], "firmware", "running on an emulated Cortex-M"))
        compiler = missing_compiler()
        return None if compiler is None else str(compiler)

    def check(self, network: IntegerNetwork) -> CheckReport:
        return check(network, CortexMConfig().options, self.name)

    def lower(self, network: IntegerNetwork, config: CortexMConfig) -> CortexMArtifact:
        check(network, config.options, self.name).require()
        generated = network_files(plan(network, config.options))
        plain, traced = (build_harness(generated, trace) for trace in (False, True))
        front_end = running.front_end_of(network)
        device = None if front_end is None else build_device(network, front_end, config.options)
        return CortexMArtifact(network, config, plain, traced, compiler_version(), device)

    def save(self, artifact: CortexMArtifact, folder: Path) -> None:
        files.save(artifact, folder)

    def load(self, folder: Path) -> CortexMArtifact:
        return files.load(folder)

    def run(self, artifact: CortexMArtifact, inputs: Arrays, trace: bool = False) -> Result:
        return running.run(artifact, inputs, trace)

    def stepper(self, artifact: CortexMArtifact) -> CortexMStepper:
        return CortexMStepper(artifact)

    def profile(self, artifact: CortexMArtifact, inputs: Arrays) -> Profile:
        return profile(artifact, inputs)


TARGET = CortexMTarget()
