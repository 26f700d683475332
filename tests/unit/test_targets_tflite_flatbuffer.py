"""The builder of TFLite models: the schema's own reader finds what was written, and both runtimes run it."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.errors import GraphError

tflite = pytest.importorskip("tflite")
from cortexcore.targets.tflite.flatbuffer import NONE, ModelBuild, Quantization  # noqa: E402
from cortexcore.targets.tflite.serialize import BUFFER_ALIGNMENT  # noqa: E402

WEIGHT = np.random.default_rng(0).integers(-127, 128, (20, 12)).astype(np.int8)


def quantized() -> bytes:
    """An int8 layer with scales and zero points, whose result goes by two names."""
    m = ModelBuild()
    x = m.input("x", "int8", (-1, 12), Quantization((0.5,), (3,)))
    w = m.constant(WEIGHT, "weight", Quantization((0.25,)))
    assert m.constant(WEIGHT.copy(), "again", Quantization((0.25,))) == w != m.constant(WEIGHT)
    y = m.op("FULLY_CONNECTED", [x, w, NONE], "int8", (-1, 20), Quantization((50.0,), (-4,)), version=4)
    m.output("y", y)
    m.output("again", y)
    return m.finish({"about": '{"answer": 42}', "other": "text"}, "a layer")


def test_the_schema_reads_what_was_written():
    data = quantized()
    assert tflite.Model.ModelBufferHasIdentifier(data, 0)
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    assert (model.Version(), model.Description(), model.SubgraphsLength()) == (3, b"a layer", 1)
    names = [graph.Tensors(i).Name().decode() for i in range(graph.TensorsLength())]
    x, w = graph.Tensors(names.index("x")), graph.Tensors(names.index("weight"))
    assert x.ShapeAsNumpy().tolist() == [1, 12] and x.ShapeSignatureAsNumpy().tolist() == [-1, 12]
    assert (x.Quantization().Scale(0), x.Quantization().ZeroPoint(0)) == (0.5, 3)
    stored = model.Buffers(w.Buffer()).DataAsNumpy()
    assert w.Type() == tflite.TensorType.INT8 and np.array_equal(stored.view(np.int8).reshape(20, 12), WEIGHT)
    assert (stored.ctypes.data - np.frombuffer(data, np.uint8).ctypes.data) % BUFFER_ALIGNMENT == 0
    assert graph.OutputsLength() == 1 and graph.OperatorsLength() == 1
    code = model.OperatorCodes(graph.Operators(0).OpcodeIndex())
    assert (code.BuiltinCode(), code.Version()) == (tflite.BuiltinOperator.FULLY_CONNECTED, 4)
    entries = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    assert model.Buffers(entries[b"about"]).DataAsNumpy().tobytes() == b'{"answer": 42}'
    signature = model.SignatureDefs(0)
    ends = {signature.Outputs(i).Name(): signature.Outputs(i).TensorIndex() for i in range(2)}
    assert ends == {b"y": graph.Outputs(0), b"again": graph.Outputs(0)}


@pytest.mark.parametrize("runtime", ["tflite_runtime", "ai_edge_litert"])
def test_a_quantized_layer_runs(runtime):
    """Within half a step of the real-valued layer, plus what the kernels' fixed-point rescaling may add."""
    interpreter_of = pytest.importorskip(f"{runtime}.interpreter").Interpreter
    interpreter = interpreter_of(model_content=quantized())
    port = interpreter.get_input_details()[0]
    assert port["quantization"] == (0.5, 3)
    for batch in (5, 1):
        interpreter.resize_tensor_input(port["index"], (batch, 12))
        interpreter.allocate_tensors()
        x = np.random.default_rng(batch).integers(-128, 128, (batch, 12)).astype(np.int8)
        interpreter.set_tensor(port["index"], x)
        interpreter.invoke()
        y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        real = ((x.astype(float) - 3) * 0.5) @ (WEIGHT.T * 0.25) / 50 - 4
        assert y.shape == (batch, 20) and np.abs(y - real.clip(-128, 127)).max() < 0.51


def test_options_and_free_axes():
    m = ModelBuild()
    x = m.input("x", "float32", (-1, 1, 4))
    scaled = m.op("MUL", [x, m.constant(np.ones((3, 1), np.float32))])
    assert m.shape(scaled) == (-1, 3, 4)
    image = m.op("RESHAPE", [scaled, m.ints(-1, 3, 4, 1)], shape=(-1, 3, 4, 1))
    kernel = m.constant(np.ones((2, 2, 2, 1), np.float32))
    y = m.op("CONV_2D", [image, kernel, NONE], shape=(-1, 2, 2, 2), padding="VALID", stride_h=1, stride_w=2)
    m.output("y", y)
    model = tflite.Model.GetRootAs(m.finish({}))
    table = model.Subgraphs(0).Operators(2).BuiltinOptions()
    options = tflite.Conv2DOptions()
    options.Init(table.Bytes, table.Pos)
    assert (options.Padding(), options.StrideH(), options.StrideW()) == (tflite.Padding.VALID, 1, 2)
    with m.scoped("layer"):
        parts = m.ops("SPLIT", [m.ints(2), x], 4, "float32", (-1, 1, 1), num_splits=4)
    assert len(set(parts)) == 4 and {m.shape(part) for part in parts} == {(-1, 1, 1)}
    assert m.operators[-1].scope == "layer" and m.tensors[parts[3]].name.startswith("layer/split")
    whole = m.cast(x, "int32")
    assert m.cast(x, "int32") == whole and m.cast(whole, "int32") == whole


def test_an_operator_that_is_not_known_is_refused():
    m = ModelBuild()
    with pytest.raises(GraphError, match="there is no operator 'FULLY_CONECTED'"):
        m.op("FULLY_CONECTED", [m.input("x", "float32", (1,))])
