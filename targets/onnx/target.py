"""ONNX Runtime behind the target contract."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import onnxruntime

from cortexcore.errors import BundleError
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, CheckReport, Form, Result
from cortexcore.targets.onnx import session
from cortexcore.targets.onnx.check import check
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.profiler import layer_times, profile_nodes
from cortexcore.targets.onnx.session import FORMS, METADATA_KEY, OnnxArtifact
from cortexcore.targets.onnx.stepper import OnnxStepper
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile
from cortexcore.targets.saved import load_network, network_sha256, save_network

CONFIG = "config.json"


class OnnxTarget:
    """ONNX models of a network: all steps, all steps with traces, one step. Lowering needs the package onnx."""

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
        sequence, traced = (build_sequence(network, props, trace) for trace in (False, True))
        return OnnxArtifact(network, config, sequence, traced, build_step(network, props))

    def save(self, artifact: OnnxArtifact, folder: Path) -> None:
        save_network(artifact.network, folder)
        for form in FORMS:
            (folder / f"{form}.onnx").write_bytes(getattr(artifact, form))
        (folder / CONFIG).write_text(json.dumps(asdict(artifact.config)), encoding="utf-8")

    def load(self, folder: Path) -> OnnxArtifact:
        try:
            models = [(folder / f"{form}.onnx").read_bytes() for form in FORMS]
            config = OnnxConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        except OSError as error:
            raise BundleError(f"{error.filename} is missing: the ONNX artifact in {folder} is incomplete") from error
        except (TypeError, ValueError) as error:
            raise BundleError(f"{folder / CONFIG} is not the ONNX target's: {error}") from error
        artifact = OnnxArtifact(load_network(folder), config, *models)
        for form in FORMS:
            if artifact.session(form).about.get("sha256") != artifact.sha256:
                raise BundleError(f"{folder / form}.onnx and network.nir hold different networks; lower it again")
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
            f"{form} model": Figure(
                len(getattr(artifact, form)), "B", "measured", source, "weights as int8 where they fit"
            )
            for form in ("sequence", "step")
        }
        threads = f"ONNX Runtime {onnxruntime.__version__}, threads: {artifact.config.threads}"
        profile = host_profile(
            self.name,
            artifact.network,
            inputs,
            lambda: session.run(artifact, once, False),
            lambda: stepper.step(first),
            memory,
            threads,
            ann_threads=artifact.config.threads,
        )
        times = layer_times(artifact.network, profile_nodes(artifact, once))
        layers = {name: {**profile.layers.get(name, {}), **figures} for name, figures in times.items()}
        return replace(profile, layers=layers)


TARGET = OnnxTarget()
