"""ONNX Runtime behind the target contract."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime

from cortexcore.errors import BundleError
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.onnx import session
from cortexcore.targets.onnx.check import check
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.session import METADATA_KEY, OnnxArtifact, OnnxStepper
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile
from cortexcore.targets.saved import load_network, network_sha256, save_network


class OnnxTarget:
    """Two ONNX models per network, ``sequence.onnx`` and ``step.onnx``; lowering needs the package onnx."""

    name = "onnx"
    takes: tuple[Form, ...] = ("integer",)
    config = OnnxConfig

    def unavailable(self) -> str | None:
        return None

    def check(self, network: IntegerNetwork) -> CheckReport:
        return check(network)

    def lower(self, network: IntegerNetwork, config: OnnxConfig) -> OnnxArtifact:
        self.check(network).require()
        from cortexcore.targets.onnx.forms import build_sequence, build_step

        about = {"sha256": network_sha256(network), "dt_s": network.dt_s, "metadata": dict(network.metadata)}
        ports = [{"name": p.name, "shape": p.shape, "low": p.low, "high": p.high} for p in network.inputs]
        props = {METADATA_KEY: json.dumps({**about, "inputs": ports}, sort_keys=True)}
        return OnnxArtifact(network, config, build_sequence(network, props), build_step(network, props))

    def save(self, artifact: OnnxArtifact, folder: Path) -> None:
        save_network(artifact.network, folder)
        (folder / "sequence.onnx").write_bytes(artifact.sequence)
        (folder / "step.onnx").write_bytes(artifact.step)
        (folder / "config.json").write_text(json.dumps({"threads": artifact.config.threads}), encoding="utf-8")

    def load(self, folder: Path) -> OnnxArtifact:
        try:
            models = [(folder / f"{form}.onnx").read_bytes() for form in ("sequence", "step")]
            config = OnnxConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        except OSError as error:
            raise BundleError(f"{error.filename} is missing: the ONNX artifact in {folder} is incomplete") from error
        except (TypeError, ValueError) as error:
            raise BundleError(f"{folder / 'config.json'} is not the ONNX target's: {error}") from error
        artifact = OnnxArtifact(load_network(folder), config, *models)
        for form, opened in (("sequence", artifact.sequence_session), ("step", artifact.step_session)):
            about = json.loads(opened.get_modelmeta().custom_metadata_map[METADATA_KEY])
            if about.get("sha256") != artifact.sha256:
                raise BundleError(f"{folder / form}.onnx and network.json hold different networks; lower it again")
        return artifact

    def run(self, artifact: OnnxArtifact, inputs: Arrays, trace: bool = False) -> Result:
        return session.run(artifact, inputs, trace)

    def stepper(self, artifact: OnnxArtifact) -> OnnxStepper:
        return OnnxStepper(artifact)

    def profile(self, artifact: OnnxArtifact, inputs: Arrays) -> Profile:
        stepper = self.stepper(artifact)
        once, first = first_inference(inputs), first_step(inputs)
        source = "size of the serialized ONNX model"
        memory = {
            "sequence model": Figure(len(artifact.sequence), "B", "measured", source, "weights as int8 where they fit"),
            "step model": Figure(len(artifact.step), "B", "measured", source, "weights as int8 where they fit"),
        }
        threads = f"ONNX Runtime {onnxruntime.__version__}, threads: {artifact.config.threads}"
        return host_profile(
            self.name,
            artifact.network,
            inputs,
            lambda: session.run(artifact, once, False),
            lambda: stepper.step(first),
            memory,
            threads,
        )


TARGET = OnnxTarget()
