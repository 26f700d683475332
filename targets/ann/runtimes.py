"""Where the ANN runs beside the network: on the same runtime, set up as an int8 ANN is best run there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cortexcore.targets.ann.network import Ann
from cortexcore.targets.ann.onnx_form import onnx_runner
from cortexcore.targets.ann.run import Int8
from cortexcore.targets.ann.tflite_form import tflite_runner

Pass = Callable[[Mapping[str, Int8]], dict[str, Int8]]


@dataclass(frozen=True)
class Runtime:
    """``make(ann, threads)`` makes the ANN ready for one inference a call; ``said`` is how, for the conditions."""

    make: Callable[[Ann, int], Pass]
    said: str


def _tflite(ann: Ann, threads: int) -> Pass:
    from cortexcore.targets.tflite.runtime import find_runtime

    return tflite_runner(ann, find_runtime("auto").module.Interpreter, 1, threads)


RUNTIMES = {
    "onnx": Runtime(onnx_runner, "one pass of the ANN, its inputs not checked"),
    "tflite": Runtime(_tflite, "one pass of the ANN, which takes XNNPACK, its inputs not checked"),
}
"""Target → its runtime, where it is one that people deploy ANNs on."""
