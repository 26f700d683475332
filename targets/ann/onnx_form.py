"""The ANN as an ONNX model of integer operators: QLinearConv, and ONNX Runtime's QGemm and QLinearAdd.

Standard ONNX has no quantized product with a bias and no quantized sum; these two are what ONNX Runtime's own
quantization tool writes for them. int8 throughout (S8S8), one scale per tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime

from cortexcore.errors import missing_package
from cortexcore.export.network import Conv1d, Conv2d, Dense
from cortexcore.targets.ann.network import Ann, AnnLayer, Connection, Grid
from cortexcore.targets.ann.run import Int8

OPSET, IR_VERSION = 17, 8
"""What ONNX Runtime 1.17, the oldest that CortexCore accepts, reads."""
EXTRA_DOMAIN = "com.microsoft"


def to_onnx(ann: Ann, trace: bool = False) -> bytes:
    """The model: inputs int8 [N, *shape] → outputs int8 [N, *shape], of all layers with ``trace``.

    Raises:
        TargetUnavailable: the package onnx is not installed.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise missing_package("onnx", "export", "writing the equivalent ANN as ONNX") from error
    form = _Form(ann)
    for layer in ann.layers:
        form.layer(layer)

    def port(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.INT8, ["N", *ann.shape_of(name)])

    leaving = [layer.name for layer in ann.layers] if trace else ann.outputs
    graph = helper.make_graph(
        form.nodes,
        "equivalent_ann",
        [port(i.name) for i in ann.inputs],
        [port(name) for name in leaving],
        list(form.constants.values()),
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(EXTRA_DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="cortexcore", ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _Form:
    """Nodes and constants of the growing graph; a layer's output goes by the layer's name."""

    def __init__(self, ann: Ann) -> None:
        self._ann = ann
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def layer(self, layer: AnnLayer) -> None:
        first, *others = layer.connections
        if not others:
            self._shaped(first, layer, layer.grid, layer.name)
            return
        total, part = self._shaped(first, layer, layer.part, f"{layer.name}/{first.name}"), f"{layer.name}/part"
        for c in others:
            share = self._shaped(c, layer, layer.part, f"{layer.name}/{c.name}")
            last = c is others[-1]
            grid, name = (layer.grid, layer.name) if last else (layer.part, f"{layer.name}/{c.name}/sum")
            summands = [total, *self._on(layer.part, part), share, *self._on(layer.part, part)]
            total = self._add("QLinearAdd", [*summands, *self._on(grid, name)], name, EXTRA_DOMAIN)

    def _shaped(self, c: Connection, layer: AnnLayer, grid: Grid, output: str) -> str:
        """A connection's output in the layer's shape; a dense one's is flat."""
        if not isinstance(c.operation, Dense) or len(layer.shape) == 1:
            return self._connect(c, grid, output)
        flat = self._connect(c, grid, f"{output}/flat")
        return self._add("Reshape", [flat, self._constant(f"{output}/shape", np.array([-1, *layer.shape]))], output)

    def _connect(self, c: Connection, grid: Grid, output: str) -> str:
        op, source = c.operation, self._on(self._ann.grid_of(c.source), c.source)
        place = f"synapses/{c.name}"  # a population may go by the same name
        name, bias, y = f"{place}/weight", self._constant(f"{place}/bias", c.bias), self._on(grid, output)
        match op:
            case Dense():
                flat = self._add("Flatten", [c.source], f"{place}/flat", axis=1)
                weight = self._constant(name, np.ascontiguousarray(op.weight.T.astype(np.int8)))
                given = [flat, *source, weight, *self._on(Grid(c.scale, 0), name), bias, *y]
                return self._add("QGemm", given, output, EXTRA_DOMAIN)
            case Conv1d() | Conv2d():
                window, weight = op.window, self._constant(name, op.weight.astype(np.int8))
                given = [c.source, *source, weight, *self._on(Grid(c.scale, 0), name), *y, bias]
                return self._add(
                    "QLinearConv",
                    given,
                    output,
                    kernel_shape=list(window.kernel),
                    strides=list(window.stride),
                    pads=[*window.padding, *window.padding],
                    dilations=list(window.dilation),
                    group=op.groups,
                )
            case _:
                raise TypeError(f"no ONNX for the operation {type(op).__name__}")

    def _on(self, grid: Grid, name: str) -> list[str]:
        """A tensor's scale and zero, as operators take them."""
        scale = self._constant(f"{name}/scale", np.float32(grid.scale))
        return [scale, self._constant(f"{name}/zero", np.int8(grid.zero))]

    def _constant(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def _add(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output


def onnx_runner(ann: Ann, threads: int = 1, trace: bool = False) -> Callable[[Mapping[str, Int8]], dict[str, Int8]]:
    """A function that runs the model in ONNX Runtime: inputs [N, *shape] → outputs, as :func:`to_onnx` has them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(ann, trace), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))
