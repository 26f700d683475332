"""A growing TFLite model: tensors, operators and constants, then the bytes of the file, through the published schema.

::

    m = ModelBuild()
    x = m.input("x", "int8", (-1, 12), Quantization((0.5,), (3,)))
    w = m.constant(weight, "weight", Quantization((0.25,)))
    y = m.op("FULLY_CONNECTED", [x, w, NONE], "int8", (-1, 20), Quantization((1.5,), (0,)))
    m.output("y", y)
    data = m.finish({"cortexcore": json_text})

An axis of −1 is free: it is stored with length 1, and the runtime's ``resize_tensor_input`` sets it on the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.tflite.contents import Contents, Operator, Shape, Tensor
from cortexcore.targets.tflite.contents import Quantization as Quantization
from cortexcore.targets.tflite.operators import builtin_code
from cortexcore.targets.tflite.serialize import serialize

NONE = -1
"""An optional input that is left out, such as the bias of FULLY_CONNECTED; CONV_2D insists on one."""


class ModelBuild:
    """A model of one subgraph, its operators in order of computation; a tensor is known by its number."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.buffers: list[bytes] = [b""]
        self.inputs: dict[str, int] = {}
        self.outputs: dict[str, int] = {}
        self._constants: dict[tuple[str, Shape, bytes, Quantization | None], int] = {}
        self._casts: dict[tuple[int, str], int] = {}
        self._scope = ""

    def input(self, name: str, dtype: str, shape: Shape, quantization: Quantization | None = None) -> int:
        """A tensor that the caller fills."""
        self.inputs[name] = self._tensor(name, dtype, shape, 0, quantization)
        return self.inputs[name]

    def output(self, name: str, tensor: int) -> None:
        """Hand a tensor out under ``name``; one tensor may go by several names."""
        self.outputs[name] = tensor

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
        version: int = 1,
        **options: Any,
    ) -> int:
        """Add an operator with one output and return that.

        Args:
            kind: of :data:`cortexcore.targets.tflite.operators.OPTIONS`.
            inputs: tensors, :data:`NONE` for an optional one that is left out.
            dtype, shape: of the output; by default the first input's type and the shape the inputs broadcast to.
            version: of the operator, as runtimes register it; 1 is the oldest.
            options: as :func:`cortexcore.targets.tflite.operators.write_options` takes them.

        Raises:
            GraphError: there is no such operator.
        """
        return self.ops(kind, inputs, 1, dtype, shape, quantization, version=version, **options)[0]

    def ops(
        self,
        kind: str,
        inputs: Sequence[int],
        count: int,
        dtype: str | None = None,
        shape: Shape | None = None,
        quantization: Quantization | None = None,
        *,
        version: int = 1,
        **options: Any,
    ) -> list[int]:
        """As :meth:`op`, with ``count`` outputs that are all alike."""
        builtin_code(kind)
        dtype = dtype or self.tensors[inputs[0]].dtype
        shape = self._broadcast(inputs) if shape is None else shape
        label = f"{self._scope}/{kind.lower()}.{len(self.operators)}"
        outputs = [
            self._tensor(label if count == 1 else f"{label}.{i}", dtype, shape, 0, quantization) for i in range(count)
        ]
        self.operators.append(Operator(kind, version, tuple(inputs), tuple(outputs), options, self._scope))
        return outputs

    def shape(self, tensor: int) -> Shape:
        return self.tensors[tensor].shape

    def finish(self, metadata: Mapping[str, str], description: str = "") -> bytes:
        """The file's bytes, with each entry of ``metadata`` in a buffer of its own."""
        whole = (self.tensors, self.operators, self.buffers, self.inputs, self.outputs)
        return serialize(Contents(*whole, metadata, description))

    def _tensor(self, name: str, dtype: str, shape: Shape, buffer: int, quantization: Quantization | None) -> int:
        self.tensors.append(Tensor(name, dtype, tuple(shape), buffer, quantization))
        return len(self.tensors) - 1

    def _broadcast(self, inputs: Sequence[int]) -> Shape:
        """NumPy's rule, with free axes, that never meet another length but 1."""
        shapes = [self.tensors[t].shape for t in inputs]
        axes = max(map(len, shapes))
        padded = [(1,) * (axes - len(s)) + s for s in shapes]
        return tuple(next((n for n in lengths if n != 1), 1) for lengths in zip(*padded, strict=True))
