"""What a float graph costs on ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime

from cortexcore.targets.base import Arrays
from cortexcore.targets.onnx.floating.session import FloatArtifact, run
from cortexcore.targets.onnx.floating.stepper import FloatStepper
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step
from cortexcore.targets.reference.operations import count_float
from cortexcore.targets.reference.profiling import float_profile


def profile(artifact: FloatArtifact, inputs: Arrays) -> Profile:
    """Latency measured; operations counted in the traced model, every multiplication, zeros included.

    Args:
        artifact: the models.
        inputs: input name → numbers [T, B, *shape]; latency is of the first inference.

    Raises:
        DataError: an input does not fit.
    """
    once, first = first_inference(inputs), first_step(inputs)
    traced = run(artifact, inputs, trace=True)
    operations = count_float(artifact.graph, inputs, traced, "counted in the traced ONNX model")
    stepper = FloatStepper(artifact)
    dtype = np.dtype(artifact.dtype)
    source, held = "size of the serialized ONNX model", f"weights in {dtype}"
    return float_profile(
        "onnx",
        artifact.graph,
        operations,
        lambda: run(artifact, once, trace=False),
        lambda: stepper.step(first),
        f"ONNX Runtime {onnxruntime.__version__} {dtype}, threads: {artifact.config.threads}",
        dtype.itemsize,
        {
            "sequence model": Figure(len(artifact.sequence), "B", "measured", source, held),
            "step model": Figure(len(artifact.step), "B", "measured", source, held),
        },
    )
