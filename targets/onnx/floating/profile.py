"""What a float graph costs on ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime

from cortexcore.export.graph import Graph
from cortexcore.export.reference import check_inputs
from cortexcore.targets.base import Arrays
from cortexcore.targets.onnx.floating.run import feeds, run
from cortexcore.targets.onnx.floating.stepper import FloatStepper
from cortexcore.targets.onnx.models import OnnxArtifact
from cortexcore.targets.onnx.profiler import layer_times, model_memory, profile_nodes
from cortexcore.targets.profile import Profile
from cortexcore.targets.profiling import first_inference, first_step
from cortexcore.targets.reference.operations import count_float
from cortexcore.targets.reference.profiling import float_profile


def profile(artifact: OnnxArtifact[Graph], inputs: Arrays) -> Profile:
    """Latency measured, per node too; operations counted in the traced model, every multiplication, zeros included.

    Args:
        artifact: the models.
        inputs: input name → numbers [T, B, *shape]; latency is of the first inference.

    Raises:
        DataError: an input does not fit.
    """
    graph, precision = artifact.network, artifact.config.precision
    once, first = first_inference(inputs), first_step(inputs)
    traced = run(artifact, inputs, trace=True)
    stepper = FloatStepper(artifact)
    whole = float_profile(
        "onnx",
        graph,
        count_float(graph, inputs, traced, "counted in the traced ONNX model"),
        lambda: run(artifact, once, trace=False),
        lambda: stepper.step(first),
        f"ONNX Runtime {onnxruntime.__version__} {precision}, threads: {artifact.config.threads}",
        np.dtype(precision).itemsize,
        model_memory(artifact, f"weights in {precision}"),
    )
    given = feeds(artifact.session("sequence").runtime, check_inputs(graph, once))
    times = layer_times({name: () for name in graph.flat.nodes}, profile_nodes(artifact, given))
    layers = {name: {**whole.layers.get(name, {}), **times.get(name, {})} for name in {**times, **whole.layers}}
    return replace(whole, layers=layers)
