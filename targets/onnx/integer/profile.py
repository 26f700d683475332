"""What the integer network costs on ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace

import onnxruntime

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays
from cortexcore.targets.onnx.integer.run import feeds, run
from cortexcore.targets.onnx.integer.stepper import IntegerStepper
from cortexcore.targets.onnx.models import OnnxArtifact
from cortexcore.targets.onnx.profiler import layer_times, model_memory, profile_nodes
from cortexcore.targets.profile import Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile


def profile(artifact: OnnxArtifact[IntegerNetwork], inputs: Arrays) -> Profile:
    """Latency measured, per node too; operations counted in the golden run."""
    stepper = IntegerStepper(artifact)
    once, first = first_inference(inputs), first_step(inputs)
    whole = host_profile(
        "onnx",
        artifact.network,
        inputs,
        lambda: run(artifact, once, False),
        lambda: stepper.step(first),
        model_memory(artifact, "weights as int8 where they fit"),
        f"ONNX Runtime {onnxruntime.__version__}, threads: {artifact.config.threads}",
        ann_threads=artifact.config.threads,
    )
    given = feeds(artifact.session("sequence").runtime, check_inputs(artifact.network, once))
    synapses = {p.name: tuple(s.name for s in p.synapses) for p in artifact.network.populations}
    times = layer_times(synapses, profile_nodes(artifact, given))
    layers = {name: {**whole.layers.get(name, {}), **times.get(name, {})} for name in {**times, **whole.layers}}
    return replace(whole, layers=layers)
