"""Where the ANN runs beside the network: the runtimes that more than one target's users would deploy an ANN on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cortexcore.errors import missing_package
from cortexcore.targets.ann.network import Ann
from cortexcore.targets.ann.onnx_form import onnx_runner
from cortexcore.targets.ann.run import Int8
from cortexcore.targets.ann.tflite_form import tflite_runner

Runner = Callable[[Mapping[str, Int8]], dict[str, Int8]]


def _tflite(ann: Ann, threads: int) -> Runner:
    try:
        from tflite_runtime.interpreter import Interpreter
    except ImportError:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise missing_package("tflite_runtime", "tflite", "running the equivalent ANN in TFLite") from error
    return tflite_runner(ann, Interpreter, 1, threads)


RUNTIMES: dict[str, Callable[[Ann, int], Runner]] = {"onnx": onnx_runner, "tflite": _tflite}
"""Target → what makes the ANN ready on the same runtime, for one inference a call."""
