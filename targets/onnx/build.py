"""A growing ONNX graph: nodes and constants with names that stay unique over the model and its Scan bodies.

A node's name is "<scope>/<operator>.<number>"; the scope is the population or layer that it belongs to, by which a
profile of ONNX Runtime's is read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import missing_package

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise missing_package("onnx", "export", "lowering to ONNX") from error

OPSET = 17
IR_VERSION = 8
"""What ONNX Runtime 1.17, the oldest that CortexCore accepts, reads; nothing newer is needed."""
DTYPES = {
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
}


class Build:
    """Nodes in order of computation. A body shares its parent's constants, which ONNX lets a subgraph read.

    Args:
        taken: names of the model's inputs and outputs, which no other tensor gets.
        parent: the graph that this one is a body in.
    """

    def __init__(self, taken: Iterable[str] = (), parent: Build | None = None) -> None:
        self._root: Build = self if parent is None else parent._root
        self._nodes: list[Any] = []
        self._casts: dict[tuple[str, str], str] = {}
        if parent is None:
            self._count = 0
            self._taken = frozenset(taken)
            self._scope = ""
            self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
            self.initializers: list[Any] = []

    def body(self) -> Build:
        """An empty graph inside this one."""
        return Build(parent=self)

    @contextmanager
    def scoped(self, scope: str) -> Iterator[None]:
        """Nodes added meanwhile, here and in bodies, belong to ``scope``."""
        root = self._root
        before, root._scope = root._scope, scope
        try:
            yield
        finally:
            root._scope = before

    def name(self, hint: str) -> str:
        """A fresh tensor name."""
        root = self._root
        root._count += 1
        while (name := f"{hint}.{root._count}") in root._taken:
            root._count += 1
        return name

    def node(self, op: str, inputs: Sequence[str], name: str | None = None, **attributes: Any) -> str:
        """Add a node with one output and return that output's name."""
        output = name or self.name(op)
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=self._node_name(op), **attributes))
        return output

    def nodes(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node with several, already named outputs."""
        self._nodes.append(helper.make_node(op, list(inputs), list(outputs), name=self._node_name(op), **attributes))

    def constant(self, values: NDArray[Any], hint: str = "constant") -> str:
        """A constant tensor; equal ones are stored once."""
        key = (values.dtype.str, values.shape, values.tobytes())
        root = self._root
        if key not in root._constants:
            root._constants[key] = self.name(hint)
            root.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), root._constants[key]))
        return root._constants[key]

    def cast(self, tensor: str, dtype: str) -> str:
        """The tensor as another type; the same cast stands once."""
        key = (tensor, dtype)
        if key not in self._casts:
            self._casts[key] = self.node("Cast", [tensor], to=DTYPES[dtype])
        return self._casts[key]

    def whole(self, *numbers: int) -> str:
        """A constant int64 vector: shapes, axes, limits of slices."""
        return self.constant(np.array(numbers, np.int64))

    def real(self, values: NDArray[Any] | float, hint: str = "constant") -> str:
        """A constant of float64."""
        return self.constant(np.asarray(values, np.float64), hint)

    def _node_name(self, op: str) -> str:
        return self.name(f"{self._root._scope}/{op}")

    def graph(self, title: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """The finished GraphProto; only the outermost carries constants."""
        constants = self.initializers if self._root is self else []
        return helper.make_graph(self._nodes, title, list(inputs), list(outputs), initializer=constants)


def value(name: str, dtype: str, shape: Sequence[int | str]) -> Any:
    """A ValueInfoProto: a graph's input or output."""
    return helper.make_tensor_value_info(name, DTYPES[dtype], list(shape))


def finish(graph: Any, metadata: dict[str, str]) -> bytes:
    """The serialized model, after ONNX's own full check and strict shape inference."""
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="cortexcore",
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return bytes(inferred.SerializeToString())
