"""A growing TFLite model: tensors, operators and constants, then the bytes of the file, through the published schema.

::

    m = ModelBuild()
    x = m.input("x", "int8", (-1, 12), Quantization((0.5,), (3,)))
    w = m.constant(weight, "weight", Quantization((0.25,)))
    y = m.op("FULLY_CONNECTED", [x, w, NONE], "int8", (-1, 20), Quantization((1.5,), (0,)))
    m.output("y", y)
    data = m.finish({"cortexcore": json_text})

An axis of −1 is free: it is stored with length 1, and the runtime's ``resize_tensor_input`` sets it on the inputs.
Schema: ``tensorflow/lite/schema/schema.fbs``, version 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.tflite.operators import builtin_code, tflite, write_options

SCHEMA_VERSION = 3
IDENTIFIER = b"TFL3"
BUFFER_ALIGNMENT = 16
"""What the schema demands of a buffer's data."""
NONE = -1
"""An optional input that is left out, such as the bias of FULLY_CONNECTED; CONV_2D insists on one."""
SIGNATURE = "serving_default"
"""The name under which TFLite's signature runner finds a model's inputs and outputs by their names."""
DTYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "bool": tflite.TensorType.BOOL,
}
Shape = tuple[int, ...]
Shared = dict[tuple[Any, ...], tuple[int, int]]
"""Integers, or an operator with its options → (which table, where it stands in the file)."""


@dataclass(frozen=True)
class Quantization:
    """real = scale·(stored − zero_point): one pair for the tensor, or one per index of ``axis``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...] = (0,)
    axis: int = 0


@dataclass(frozen=True)
class Tensor:
    """What the file says of one tensor; ``buffer`` 0 holds nothing, which is what all but constants have."""

    name: str
    dtype: str
    shape: Shape
    buffer: int
    quantization: Quantization | None


@dataclass(frozen=True)
class Operator:
    """One operator; ``inputs`` and ``outputs`` are tensors by number, ``scope`` is its population or layer."""

    kind: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]
    scope: str


class ModelBuild:
    """A model of one subgraph, its operators in order of computation; a tensor is known by its number."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.buffers: list[bytes] = [b""]
        self._inputs: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._constants: dict[tuple[str, Shape, bytes, Quantization | None], int] = {}
        self._casts: dict[tuple[int, str], int] = {}
        self._scope = ""

    def input(self, name: str, dtype: str, shape: Shape, quantization: Quantization | None = None) -> int:
        """A tensor that the caller fills."""
        self._inputs[name] = self._tensor(name, dtype, shape, 0, quantization)
        return self._inputs[name]

    def output(self, name: str, tensor: int) -> None:
        """Hand a tensor out under ``name``; one tensor may go by several names."""
        self._outputs[name] = tensor

    def constant(self, values: NDArray[Any], name: str = "constant", quantization: Quantization | None = None) -> int:
        """A tensor whose values stand in the file; equal ones are stored once."""
        key = (values.dtype.name, values.shape, values.tobytes(), quantization)
        if key not in self._constants:
            self.buffers.append(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes())
            buffer = len(self.buffers) - 1
            self._constants[key] = self._tensor(name, values.dtype.name, values.shape, buffer, quantization)
        return self._constants[key]

    def ints(self, *values: int) -> int:
        """An int32 vector, as which operators take shapes, axes and sizes."""
        return self.constant(np.array(values, np.int32))

    def cast(self, tensor: int, dtype: str) -> int:
        """The tensor as another type, toward zero from float to integer; the same cast stands once."""
        if self.tensors[tensor].dtype == dtype:
            return tensor
        if (tensor, dtype) not in self._casts:
            self._casts[tensor, dtype] = self.op("CAST", [tensor], dtype)
        return self._casts[tensor, dtype]

    def dequantize(self, tensor: int, version: int) -> int:
        """The real values of a quantized constant, float32; they stand once, and the runtime computes them once."""
        if (tensor, "real") not in self._casts:
            self._casts[tensor, "real"] = self.op("DEQUANTIZE", [tensor], "float32", version=version)
        return self._casts[tensor, "real"]

    @contextmanager
    def scoped(self, scope: str) -> Iterator[None]:
        """Operators added meanwhile belong to ``scope``, a population or layer; their tensors' names begin with it."""
        before, self._scope = self._scope, scope
        try:
            yield
        finally:
            self._scope = before

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        dtype: str | None = None,
        shape: Shape | None = None,
        quantization: Quantization | None = None,
        *,
        name: str | None = None,
        version: int = 1,
        **options: Any,
    ) -> int:
        """Add an operator with one output and return that.

        Args:
            kind: of :data:`cortexcore.targets.tflite.operators.OPTIONS`.
            inputs: tensors, :data:`NONE` for an optional one that is left out.
            dtype, shape: of the output; by default the first input's type and the shape the inputs broadcast to.
            name: of the output, where it matters.
            version: of the operator, as runtimes register it; 1 is the oldest.
            options: as :func:`cortexcore.targets.tflite.operators.write_options` takes them.

        Raises:
            GraphError: there is no such operator.
        """
        return self.ops(kind, inputs, 1, dtype, shape, quantization, name=name, version=version, **options)[0]

    def ops(
        self,
        kind: str,
        inputs: Sequence[int],
        count: int,
        dtype: str | None = None,
        shape: Shape | None = None,
        quantization: Quantization | None = None,
        *,
        name: str | None = None,
        version: int = 1,
        **options: Any,
    ) -> list[int]:
        """As :meth:`op`, with ``count`` outputs that are all alike."""
        builtin_code(kind)
        dtype = dtype or self.tensors[inputs[0]].dtype
        shape = self._broadcast(inputs) if shape is None else shape
        label = name or f"{self._scope}/{kind.lower()}.{len(self.operators)}"
        outputs = [
            self._tensor(label if count == 1 else f"{label}.{i}", dtype, shape, 0, quantization) for i in range(count)
        ]
        self.operators.append(Operator(kind, version, tuple(inputs), tuple(outputs), options, self._scope))
        return outputs

    def shape(self, tensor: int) -> Shape:
        return self.tensors[tensor].shape

    def finish(self, metadata: Mapping[str, str], description: str = "") -> bytes:
        """The file's bytes, with each entry of ``metadata`` in a buffer of its own."""
        return _write(self, metadata, description)

    @property
    def ends(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """(inputs, outputs): name → tensor, in the order in which they were named."""
        return self._inputs, self._outputs

    def _tensor(self, name: str, dtype: str, shape: Shape, buffer: int, quantization: Quantization | None) -> int:
        self.tensors.append(Tensor(name, dtype, tuple(shape), buffer, quantization))
        return len(self.tensors) - 1

    def _broadcast(self, inputs: Sequence[int]) -> Shape:
        """NumPy's rule, with free axes, that never meet another length but 1."""
        shapes = [self.tensors[t].shape for t in inputs]
        axes = max(map(len, shapes))
        padded = [(1,) * (axes - len(s)) + s for s in shapes]
        return tuple(next((n for n in lengths if n != 1), 1) for lengths in zip(*padded, strict=True))


def _write(m: ModelBuild, metadata: Mapping[str, str], description: str) -> bytes:
    import flatbuffers

    b = flatbuffers.Builder(sum(map(len, m.buffers)) + 1024)
    texts = [text.encode() for text in metadata.values()]
    buffers = _vector(b, "ModelStartBuffers", [_buffer(b, data) for data in [*m.buffers, *texts]])
    codes = list(dict.fromkeys((o.kind, o.version) for o in m.operators))
    operator_codes = _vector(b, "ModelStartOperatorCodes", [_code(b, *code) for code in codes])
    subgraphs = _vector(b, "ModelStartSubgraphs", [_subgraph(b, m, codes)])
    signatures = _vector(b, "ModelStartSignatureDefs", [_signature(b, m)])
    entries = [_metadata(b, name, len(m.buffers) + i) for i, name in enumerate(metadata)]
    about = _vector(b, "ModelStartMetadata", entries)
    described = b.CreateString(description)
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


def _subgraph(b: Any, m: ModelBuild, codes: Sequence[tuple[str, int]]) -> int:
    shared: Shared = {}
    tensors = _vector(b, "SubGraphStartTensors", [_tensor(b, t, shared) for t in m.tensors])
    operators = _vector(
        b, "SubGraphStartOperators", [_operator(b, o, codes.index((o.kind, o.version)), shared) for o in m.operators]
    )
    inputs, outputs = m.ends
    entering = b.CreateNumpyVector(np.array(list(inputs.values()), np.int32))
    leaving = b.CreateNumpyVector(np.array(list(dict.fromkeys(outputs.values())), np.int32))
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


def _signature(b: Any, m: ModelBuild) -> int:
    maps = []
    for start, named in zip(("SignatureDefStartInputs", "SignatureDefStartOutputs"), m.ends, strict=True):
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
