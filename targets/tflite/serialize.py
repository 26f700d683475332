"""The bytes of a TFLite file, through the bindings of its schema, ``tensorflow/lite/schema/schema.fbs`` version 3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cortexcore.targets.tflite.contents import IDENTIFIER, Contents, Operator, Quantization, Tensor
from cortexcore.targets.tflite.operators import builtin_code, flatbuffers, tflite, write_options

SCHEMA_VERSION = 3
BUFFER_ALIGNMENT = 16
"""What the schema demands of a buffer's data."""
SIGNATURE = "serving_default"
"""The name under which TFLite's signature runner finds a model's inputs and outputs by their names."""
DTYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "bool": tflite.TensorType.BOOL,
}
Shared = dict[tuple[Any, ...], tuple[int, int]]
"""Integers, or an operator with its options → (which table, where it stands in the file)."""


def serialize(m: Contents) -> bytes:
    """The file: tables after what they point to, since a FlatBuffer is written from its end."""
    b = flatbuffers.Builder(sum(map(len, m.buffers)) + 1024)
    texts = [text.encode() for text in m.metadata.values()]
    buffers = _vector(b, "ModelStartBuffers", [_buffer(b, data) for data in [*m.buffers, *texts]])
    codes = list(dict.fromkeys((o.kind, o.version) for o in m.operators))
    operator_codes = _vector(b, "ModelStartOperatorCodes", [_code(b, *code) for code in codes])
    subgraphs = _vector(b, "ModelStartSubgraphs", [_subgraph(b, m, codes)])
    signatures = _vector(b, "ModelStartSignatureDefs", [_signature(b, m)])
    entries = [_metadata(b, name, len(m.buffers) + i) for i, name in enumerate(m.metadata)]
    about = _vector(b, "ModelStartMetadata", entries)
    described = b.CreateString(m.description)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, SCHEMA_VERSION)
    tflite.ModelAddOperatorCodes(b, operator_codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    tflite.ModelAddDescription(b, described)
    tflite.ModelAddBuffers(b, buffers)
    tflite.ModelAddMetadata(b, about)
    tflite.ModelAddSignatureDefs(b, signatures)
    b.Finish(tflite.ModelEnd(b), file_identifier=IDENTIFIER)
    return bytes(b.Output())


def _ints(b: Any, values: Sequence[int], shared: Shared) -> int:
    """A vector of int32, which tables that hold the same may share: an unrolled model repeats few shapes often."""
    key = tuple(values)
    if key not in shared:
        shared[key] = 0, b.CreateNumpyVector(np.array(values, np.int32))
    return shared[key][1]


def _vector(b: Any, start: str, offsets: Sequence[int]) -> int:
    """A vector of tables that are written already; ``start`` is the schema's function that begins it."""
    getattr(tflite, f"{start}Vector")(b, len(offsets))
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _buffer(b: Any, data: bytes) -> int:
    vector = None
    if data:
        b.StartVector(1, len(data), BUFFER_ALIGNMENT)
        b.head -= len(data)
        b.Bytes[b.head : b.head + len(data)] = data
        vector = b.EndVector()
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return int(tflite.BufferEnd(b))


def _code(b: Any, kind: str, version: int) -> int:
    code = builtin_code(kind)
    tflite.OperatorCodeStart(b)
    # Runtimes older than 2.4 read the code from a single byte, newer ones the larger of the two.
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, tflite.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES))
    tflite.OperatorCodeAddVersion(b, version)
    tflite.OperatorCodeAddBuiltinCode(b, code)
    return int(tflite.OperatorCodeEnd(b))


def _subgraph(b: Any, m: Contents, codes: Sequence[tuple[str, int]]) -> int:
    shared: Shared = {}
    tensors = _vector(b, "SubGraphStartTensors", [_tensor(b, t, shared) for t in m.tensors])
    operators = _vector(
        b, "SubGraphStartOperators", [_operator(b, o, codes.index((o.kind, o.version)), shared) for o in m.operators]
    )
    entering = _ints(b, list(m.inputs.values()), shared)
    leaving = _ints(b, list(dict.fromkeys(m.outputs.values())), shared)
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddInputs(b, entering)
    tflite.SubGraphAddOutputs(b, leaving)
    tflite.SubGraphAddOperators(b, operators)
    return int(tflite.SubGraphEnd(b))


def _tensor(b: Any, t: Tensor, shared: Shared) -> int:
    name = b.CreateString(t.name)
    shape = _ints(b, [max(n, 1) for n in t.shape], shared)
    signature = _ints(b, t.shape, shared) if -1 in t.shape else None
    quantization = None if t.quantization is None else _quantization(b, t.quantization)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, DTYPES[t.dtype])
    tflite.TensorAddBuffer(b, t.buffer)
    tflite.TensorAddName(b, name)
    if quantization is not None:
        tflite.TensorAddQuantization(b, quantization)
    if signature is not None:
        tflite.TensorAddShapeSignature(b, signature)
    return int(tflite.TensorEnd(b))


def _quantization(b: Any, q: Quantization) -> int:
    scale = b.CreateNumpyVector(np.array(q.scale, np.float32))
    zero_point = b.CreateNumpyVector(np.broadcast_to(np.array(q.zero_point, np.int64), len(q.scale)).copy())
    tflite.QuantizationParametersStart(b)
    tflite.QuantizationParametersAddScale(b, scale)
    tflite.QuantizationParametersAddZeroPoint(b, zero_point)
    tflite.QuantizationParametersAddQuantizedDimension(b, q.axis)
    return int(tflite.QuantizationParametersEnd(b))


def _operator(b: Any, o: Operator, code: int, shared: Shared) -> int:
    key = (o.kind, *sorted(o.options.items()))
    if key not in shared:
        shared[key] = write_options(b, o.kind, o.options)
    table, options = shared[key]
    inputs = _ints(b, o.inputs, shared)
    outputs = _ints(b, o.outputs, shared)
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    if table:
        tflite.OperatorAddBuiltinOptionsType(b, table)
        tflite.OperatorAddBuiltinOptions(b, options)
    return int(tflite.OperatorEnd(b))


def _signature(b: Any, m: Contents) -> int:
    maps = []
    for start, named in (("SignatureDefStartInputs", m.inputs), ("SignatureDefStartOutputs", m.outputs)):
        maps.append(_vector(b, start, [_named(b, name, tensor) for name, tensor in named.items()]))
    key = b.CreateString(SIGNATURE)
    tflite.SignatureDefStart(b)
    tflite.SignatureDefAddInputs(b, maps[0])
    tflite.SignatureDefAddOutputs(b, maps[1])
    tflite.SignatureDefAddSignatureKey(b, key)
    return int(tflite.SignatureDefEnd(b))


def _named(b: Any, name: str, tensor: int) -> int:
    text = b.CreateString(name)
    tflite.TensorMapStart(b)
    tflite.TensorMapAddName(b, text)
    tflite.TensorMapAddTensorIndex(b, tensor)
    return int(tflite.TensorMapEnd(b))


def _metadata(b: Any, name: str, buffer: int) -> int:
    text = b.CreateString(name)
    tflite.MetadataStart(b)
    tflite.MetadataAddName(b, text)
    tflite.MetadataAddBuffer(b, buffer)
    return int(tflite.MetadataEnd(b))
