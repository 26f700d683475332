"""NIR's primitives as our nodes, one small function each; what depends on what feeds a node waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cortexcore.errors import GraphError
from cortexcore.export.nir_io.fields import Said, Tree, array, one, parameters, shape, spatial
from cortexcore.export.nir_io.forms import original, same_padding
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    Float,
    I,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    SumPool2d,
    Threshold,
)
from cortexcore.export.shapes import Shape

SPIKING = ("LIF", "CubaLIF", "IF")
"""Primitives whose reset a file must say, or be given."""
LEAKY = frozenset({"LIF", "LI", "CubaLIF", "CubaLI"})
"""Primitives whose decay depends on the discretization."""


@dataclass(frozen=True)
class Unshaped:
    """A node whose file leaves its input's shape out: it is built once that is known.

    Attributes:
        lacks: the field that is missing.
        build: the input's shape → the node; raises GraphError where that shape does not fit.
    """

    lacks: str
    build: Callable[[Shape], Node]


def parse(kind: str, group: Tree, said: Said) -> Node | Unshaped:
    """The node that ``group``, of the NIR type ``kind``, describes.

    Raises:
        KeyError: a field is missing, or ``kind`` is not in :data:`PARSERS`.
        GraphError: a field is of the wrong kind, or says what we cannot keep.
    """
    return PARSERS[kind](group, said)


def _port(make: Callable[[Shape], Node], *keys: str) -> Callable[[Tree, Said], Node]:
    def parser(group: Tree, said: Said) -> Node:
        found = shape(group, *keys)
        if found is None:
            raise GraphError("does not say its shape; write it with one")
        return make(found)

    return parser


def _neuron(
    make: Callable[..., Node], *keys: str, spiking: bool = False, **defaults: float
) -> Callable[[Tree, Said], Node | Unshaped]:
    """A parser of a neuron with the parameters ``keys``, and ``defaults`` that a file may lack."""
    if spiking:
        defaults = {**defaults, "v_reset": 0.0}

    def parser(group: Tree, said: Said) -> Node | Unshaped:
        values, found = parameters(group, said, *keys, **defaults)
        fields: dict[str, Any] = dict(values)
        if spiking:
            fields |= {"reset": said.reset, "reset_delay": said.reset_delay}
        if found is None:
            return Unshaped("shape", lambda incoming: make(shape=incoming, **fields))
        return make(shape=found, **fields)

    return parser


def _weight(group: Tree, axes: int, form: str) -> Float:
    weight = array(group, "weight")
    if weight.ndim != axes or 0 in weight.shape:
        raise GraphError(f"has a weight of shape {weight.shape}, it must be {form}")
    return weight


def _linear(group: Tree, said: Said) -> Node:
    return Linear(_weight(group, 2, "[out, in]"))


def _affine(group: Tree, said: Said) -> Node:
    return Affine(_weight(group, 2, "[out, in]"), array(group, "bias"))


def _convolution(axes: int) -> Callable[[Tree, Said], Node | Unshaped]:
    form = "[out, in/groups, kernel]" if axes == 1 else "[out, in/groups, height, width]"

    def parser(group: Tree, said: Said) -> Node | Unshaped:
        weight, bias = _weight(group, 2 + axes, form), array(group, "bias")
        stride, dilation = spatial(group, "stride", axes), spatial(group, "dilation", axes)
        groups = one(group, "groups")
        if min(*stride, *dilation, groups) < 1:
            raise GraphError("needs stride, dilation and groups of at least 1")
        padding = group["padding"]
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise GraphError(f"pads '{padding}', it must be 'same', 'valid' or numbers")
            weight, padding = same_padding(weight, stride, dilation) if padding == "same" else (weight, (0,) * axes)
        else:
            padding = spatial(group, "padding", axes)
        if said.groups != 1 or said.kernel is not None:
            if groups != 1:
                raise GraphError(f"has {groups} groups in the file and {said.groups} in its metadata")
            groups = said.groups
            weight, padding = original(weight, padding, dilation, groups, said.kernel or weight.shape[2:])
        channels = weight.shape[1] * groups

        def build(incoming: Shape) -> Node:
            if len(incoming) != 1 + axes or incoming[0] != channels:
                sizes = "length" if axes == 1 else "height, width"
                raise GraphError(f"takes [{channels}, {sizes}], but {incoming} arrives")
            if axes == 1:
                return Conv1d(weight, bias, incoming[1], stride[0], padding[0], dilation[0], groups)
            return Conv2d(
                weight,
                bias,
                (incoming[1], incoming[2]),
                (stride[0], stride[1]),
                (padding[0], padding[1]),
                (dilation[0], dilation[1]),
                groups,
            )

        size = shape(group, "input_shape")
        if size is None:
            return Unshaped("input_shape", build)
        if len(size) not in (axes, axes + 1):
            raise GraphError(f"holds {len(size)} numbers in 'input_shape', it takes {axes}")
        return build((channels, *size[-axes:]))

    return parser


def _pool(make: type[SumPool2d] | type[AvgPool2d]) -> Callable[[Tree, Said], Node]:
    def parser(group: Tree, said: Said) -> Node:
        (height, width), (down, right), (top, left) = (
            spatial(group, key, 2) for key in ("kernel_size", "stride", "padding")
        )
        if min(height, width, down, right) < 1 or min(top, left) < 0:
            raise GraphError("needs a kernel and stride of at least 1 and a padding of at least 0")
        return make((height, width), (down, right), (top, left))

    return parser


def _flatten(group: Tree, said: Said) -> Node | Unshaped:
    start, end = one(group, "start_dim"), one(group, "end_dim")

    def build(incoming: Shape) -> Node:
        axes = len(incoming)
        if not (-axes <= start < axes and -axes <= end < axes):
            raise GraphError(f"flattens the axes {start} to {end} of {incoming}, which has none such")
        return Flatten(incoming, start, end)

    found = shape(group, "input_type", "input_shape")
    return Unshaped("input_type", build) if found is None else build(found)


def _scale(group: Tree, said: Said) -> Node:
    return Scale(parameters(group, said, "scale")[0]["scale"])


def _delay(group: Tree, said: Said) -> Node:
    return Delay(parameters(group, said, "delay")[0]["delay"])


PARSERS: Mapping[str, Callable[[Tree, Said], Node | Unshaped]] = {
    "Input": _port(Input, "shape", "input_type"),
    "Output": _port(Output, "shape", "output_type"),
    "Linear": _linear,
    "Affine": _affine,
    "Conv1d": _convolution(1),
    "Conv2d": _convolution(2),
    "SumPool2d": _pool(SumPool2d),
    "AvgPool2d": _pool(AvgPool2d),
    "Flatten": _flatten,
    "Scale": _scale,
    "Delay": _delay,
    "Threshold": _neuron(Threshold, "threshold"),
    "LIF": _neuron(LIF, "tau", "r", "v_leak", "v_threshold", spiking=True),
    "CubaLIF": _neuron(CubaLIF, "tau_syn", "tau_mem", "r", "v_leak", "v_threshold", spiking=True, w_in=1.0),
    "IF": _neuron(IF, "r", "v_threshold", spiking=True),
    "LI": _neuron(LI, "tau", "r", "v_leak"),
    "CubaLI": _neuron(CubaLI, "tau_syn", "tau_mem", "r", "v_leak", w_in=1.0),
    "I": _neuron(I, "r"),
}
"""NIR type → parser. A NIRGraph within a graph is read by :mod:`cortexcore.export.nir_io.read`."""

DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "LIF": {"v_reset": 0.0},
    "CubaLIF": {"v_reset": 0.0, "w_in": 1.0},
    "IF": {"v_reset": 0.0},
    "CubaLI": {"w_in": 1.0},
}
"""Fields that older files lack (neuromorphs/NIR#142), and what NIR itself takes for them (``nir/ir/neuron.py``)."""
