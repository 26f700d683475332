"""What an inference costs in a TFLite runtime."""

from __future__ import annotations

from dataclasses import replace

from cortexcore.errors import TargetUnavailable
from cortexcore.targets.base import Arrays
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.profiling import first_inference, first_step, host_profile
from cortexcore.targets.tflite import session
from cortexcore.targets.tflite.layers import layer_times
from cortexcore.targets.tflite.session import TfliteArtifact, TfliteStepper

NO_TIMES = "TFLite's runtimes tell Python no times per operator"


def profile(artifact: TfliteArtifact, inputs: Arrays) -> Profile:
    """Latency of both forms, operations, memory, energy, and each population's time and operators, on these inputs."""
    stepper = TfliteStepper(artifact)
    once, first = first_inference(inputs), first_step(inputs)
    runtime = artifact.opened_sequence.runtime
    session.run(artifact, once, False)
    found = host_profile(
        "tflite",
        artifact.network,
        inputs,
        run=lambda: session.run(artifact, once, False),
        step=lambda: stepper.step(first),
        memory=_memory(artifact),
        threads=f"{runtime.name} {runtime.version}, threads: {artifact.config.threads}, "
        f"XNNPACK {'on' if artifact.config.xnnpack else 'off'}, blocks of {artifact.steps} steps",
        ann_threads=artifact.config.threads,
    )
    times, note = _times(artifact, once)
    layers = {
        name: {**figures, **times.get(name, {}), "operators": _operators(artifact, name)}
        for name, figures in found.layers.items()
    }
    return replace(found, layers=layers, notes=(*found.notes, note))


def _times(artifact: TfliteArtifact, once: Arrays) -> tuple[dict[str, dict[str, Figure]], str]:
    """Population → the time it adds, and a sentence on it; where shorter models cannot be made, that says why."""
    try:
        times = layer_times(artifact, once)
    except TargetUnavailable as error:
        return {}, f"{NO_TIMES}, and none per population is told here: {error}."
    said = f"{NO_TIMES}: a population's time is what it adds to the network cut short before it."
    return {name: {"time added": figure} for name, figure in times.items()}, said


def _memory(artifact: TfliteArtifact) -> dict[str, Figure]:
    size = "size of the TFLite file"
    weights = "weights as int8 where they fit"
    tensors = artifact.opened_sequence.tensor_bytes()
    return {
        "sequence model": Figure(len(artifact.sequence.data), "B", "measured", size, weights),
        "step model": Figure(len(artifact.step.data), "B", "measured", size, weights),
        "tensors": Figure(
            tensors,
            "B",
            "modelled",
            "shapes and types of the sequence model's tensors",
            "batch 1, constants included, none sharing memory: the runtime tells no arena, which is smaller",
        ),
    }


def _operators(artifact: TfliteArtifact, population: str) -> Figure:
    number = artifact.sequence.operators.get(population, 0)
    return Figure(number, "operators", "measured", "the TFLite file", f"per block of {artifact.steps} steps")
