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
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise missing_package("onnx", "export", "writing the equivalent ANN as ONNX") from error
    nodes: list[Any] = []
    constants: dict[str, Any] = {}

    def constant(name: str, values: Any) -> str:
        constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def add(op: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def on(grid: Grid, name: str) -> list[str]:
        scale = constant(f"{name}/scale", np.float32(grid.scale))
        return [scale, constant(f"{name}/zero", np.int8(grid.zero))]

    def connect(c: Connection, grid: Grid, output: str) -> str:
        op, x = c.operation, [c.source, *on(ann.grid_of(c.source), c.source)]
        y, bias = on(grid, output), constant(f"{c.name}/bias", c.bias)
        w = [f"{c.name}/weight", *on(Grid(c.scale, 0), f"{c.name}/weight")]
        match op:
            case Dense():
                constant(w[0], np.ascontiguousarray(op.weight.T.astype(np.int8)))
                x[0] = add("Flatten", [c.source], f"{c.name}/flat", axis=1)
                return add("QGemm", [*x, *w, bias, *y], output, EXTRA_DOMAIN)
            case Conv1d() | Conv2d():
                constant(w[0], op.weight.astype(np.int8))
                window = op.window
                return add(
                    "QLinearConv",
                    [*x, *w, *y, bias],
                    output,
                    kernel_shape=list(window.kernel),
                    strides=list(window.stride),
                    pads=[*window.padding, *window.padding],
                    dilations=list(window.dilation),
                    group=op.groups,
                )
            case _:
                raise TypeError(f"no ONNX for the operation {type(op).__name__}")

    def shaped(c: Connection, layer: AnnLayer, grid: Grid, output: str) -> str:
        """A connection's output in the layer's shape; a dense one's is flat."""
        if not isinstance(c.operation, Dense) or len(layer.shape) == 1:
            return connect(c, grid, output)
        flat = connect(c, grid, f"{output}/flat")
        return add("Reshape", [flat, constant(f"{output}/shape", np.array([-1, *layer.shape]))], output)

    for layer in ann.layers:
        first, *others = layer.connections
        total = shaped(first, layer, layer.part, f"{layer.name}/{first.name}") if others else ""
        if not others:
            shaped(first, layer, layer.grid, layer.name)
        for c in others:
            share, last = shaped(c, layer, layer.part, f"{layer.name}/{c.name}"), c is others[-1]
            grid, name = (layer.grid, layer.name) if last else (layer.part, f"{layer.name}/{c.name}/sum")
            part = on(layer.part, f"{layer.name}/part")
            total = add("QLinearAdd", [total, *part, share, *part, *on(grid, name)], name, EXTRA_DOMAIN)

    def port(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.INT8, ["N", *ann.shape_of(name)])

    names = [layer.name for layer in ann.layers] if trace else list(ann.outputs)
    graph = helper.make_graph(
        nodes, "equivalent_ann", [port(i.name) for i in ann.inputs], [port(n) for n in names], list(constants.values())
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(EXTRA_DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="cortexcore", ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def onnx_runner(ann: Ann, threads: int = 1, trace: bool = False) -> Callable[[Mapping[str, Int8]], dict[str, Int8]]:
    """A function that runs the model in ONNX Runtime: inputs [N, *shape] → outputs, as :func:`to_onnx` has them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(to_onnx(ann, trace), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))
