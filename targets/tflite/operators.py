"""The builtin operators that a model may hold, and how the schema spells their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cortexcore.errors import GraphError, missing_package

try:
    # Handed on: who writes the file imports both from here, past this refusal.
    import flatbuffers as flatbuffers
    import tflite as tflite
except ImportError as error:
    raise missing_package("tflite", "tflite", "lowering to TFLite") from error

OPTIONS: dict[str, str | None] = {
    "ADD": "AddOptions",
    "CAST": "CastOptions",
    "CEIL": None,
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FLOOR": None,
    "FLOOR_DIV": "FloorDivOptions",
    "FLOOR_MOD": "FloorModOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GREATER": "GreaterOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "RESHAPE": "ReshapeOptions",
    "SELECT_V2": "SelectV2Options",
    "SPLIT": "SplitOptions",
    "SUB": "SubOptions",
    "TRANSPOSE": "TransposeOptions",
}
"""Operator → its table of options in the schema; None where it has none."""
ENUMS: dict[str, Any] = {
    "fused_activation_function": tflite.ActivationFunctionType,
    "padding": tflite.Padding,
}
"""Options whose values the schema names."""


def builtin_code(kind: str) -> int:
    """The operator's number in the schema. Raises GraphError for one that is not in :data:`OPTIONS`."""
    if kind not in OPTIONS:
        raise GraphError(f"there is no operator '{kind}' to build a TFLite model of; there are {', '.join(OPTIONS)}")
    code: int = getattr(tflite.BuiltinOperator, kind)
    return code


def write_options(b: Any, kind: str, given: Mapping[str, Any]) -> tuple[int, int]:
    """Write one operator's options and return (which table, where it is), (0, 0) where the operator has none.

    Args:
        b: the ``flatbuffers.Builder`` of the model.
        given: option in the schema's spelling, e.g. ``stride_w`` → value; text where the schema names the values.
    """
    table = OPTIONS[kind]
    if table is None:
        return 0, 0
    getattr(tflite, f"{table}Start")(b)
    for name, value in given.items():
        camel = "".join(part.capitalize() for part in name.split("_"))
        getattr(tflite, f"{table}Add{camel}")(b, getattr(ENUMS[name], value) if name in ENUMS else value)
    return getattr(tflite.BuiltinOptions, table), getattr(tflite, f"{table}End")(b)
