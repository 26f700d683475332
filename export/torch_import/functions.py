"""What PyTorch's functions and tensor methods do to a followed value, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cortexcore.export.nodes import Flatten, Node, Scale
from cortexcore.export.shapes import Shape
from cortexcore.export.torch_import.layers import array, average, convolution, linear
from cortexcore.export.torch_import.values import Argument, Constant, Record, Refusal, Signal, State, Value

QUESTIONS = frozenset(
    """
    broadcast_shapes can_cast data_ptr device dim dir dtype element_size format get_device grad grad_fn
    has_names hash is_complex is_conj is_contiguous is_cpu is_cuda is_floating_point is_inference is_leaf
    is_meta is_neg is_nested is_pinned is_quantized is_same_size is_shared is_sparse itemsize layout len names
    nbytes ndim ndimension nelement numel output_nr register_hook repr requires_grad result_type retain_grad
    shape size storage_offset str stride type version
    """.split()  # noqa: SIM905
)
"""What may be asked of a signal without reading its values."""
BY_SHAPE = frozenset(
    """
    empty_like full_like new_empty new_full new_ones new_tensor new_zeros ones_like zeros_like
    """.split()  # noqa: SIM905
)
"""What makes a constant from a signal's shape alone."""
SAME = frozenset(
    """
    alias alias_copy bfloat16 bool clone contiguous cpu cuda data detach double float half int long positive
    requires_grad requires_grad_ short to type type_as
    """.split()  # noqa: SIM905
)
RESHAPES = frozenset(
    """
    expand expand_as flatten reshape reshape_as squeeze unflatten unsqueeze view view_as
    """.split()  # noqa: SIM905
)
FUNCTIONS = (
    "use layers, a + b, a - b, a multiplication or division by a constant, flatten(1), x[step] and torch.stack, and do "
    "all else outside the model"
)


class Follower(Protocol):
    """What the functions need of the recorder."""

    def signal(self, value: Any) -> Signal: ...

    def constant(self, tensor: Any) -> Any: ...

    def operation(self, name: str, node: Node, reads: Signal, shape: Shape) -> Signal: ...

    def step(self, argument: Argument, index: int, shape: Shape) -> Signal: ...

    def value(self, tensor: Any) -> Value | None: ...


@dataclass(frozen=True)
class Application:
    """One call of a function: its plain name, what it was given and what it returned."""

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any
    shape: Shape
    """Of the result, without batch."""

    def given(self, position: int, keyword: str, default: Any = None) -> Any:
        """An argument by position or keyword."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(keyword, default)


def apply(recorder: Follower, call: Application) -> Any:
    """The value of what a function returned, a tuple where it returned several.

    Raises:
        Refusal: the function has no counterpart.
    """
    first = recorder.value(call.args[0]) if call.args else None
    if call.name in SAME:
        return _same(call, first)
    if isinstance(first, Argument) and call.name in _ON_ARGUMENTS:
        return _ON_ARGUMENTS[call.name](recorder, call, first)
    if call.name == "stack":
        return _stack(recorder, call)
    if isinstance(first, Record):
        return _on_record(call, first)
    if call.name in RESHAPES:
        return _reshaped(recorder, call)
    if call.name in _ARITHMETIC:
        return _ARITHMETIC[call.name](recorder, call)
    if call.name in _LAYERS:
        return _layer(recorder, call)
    if call.name in ("dropout", "feature_dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout"):
        if not call.given(2, "training", True):
            return first
        raise Refusal("drops at random also in evaluation (use nn.Dropout, or training=self.training)")
    raise Refusal(f"has no counterpart ({FUNCTIONS})")


def _same(call: Application, first: Value | None) -> Value | None:
    """A copy, or the same numbers in a type that holds them."""
    import torch

    source, result = call.args[0].dtype, call.result.dtype
    if (
        source.is_floating_point
        and source != result
        and (not result.is_floating_point or torch.finfo(result).bits < torch.finfo(source).bits)
    ):
        raise Refusal(f"turns {source} into {result}, which rounds it (leave it as it is)")
    return first


def _number(value: Any) -> Any:
    """Python and NumPy numbers as arrays; None for all else."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return np.array(float(value))
    return None


def _operand(recorder: Follower, value: Any) -> Any:
    """A number or constant tensor as an array, else a signal."""
    number = _number(value)
    if number is not None:
        return number
    followed = recorder.value(value)
    return array(recorder.constant(value)) if isinstance(followed, Constant) else recorder.signal(value)


def _add(recorder: Follower, call: Application) -> Signal:
    a, b = call.args[0], call.given(1, "other")
    if call.kwargs.get("alpha", 1) != 1:
        raise Refusal("adds a multiple (multiply first)")
    for signal, other in ((a, b), (b, a)):
        number = _number(other)
        if number is not None:
            if number == 0:
                return recorder.signal(signal)
            raise Refusal("adds a constant (put it into the bias of a Linear or convolution)")
    first, second = recorder.signal(a), recorder.signal(b)
    return first.plus(second)


def _subtract(recorder: Follower, call: Application, turned: bool = False) -> Signal:
    a, b = call.args[0], call.given(1, "other")
    a, b = (b, a) if turned else (a, b)
    if call.kwargs.get("alpha", 1) != 1 or any(_number(x) is not None and _number(x) != 0 for x in (a, b)):
        raise Refusal("subtracts a constant or a multiple (use the bias of a layer, or multiply first)")
    negative = _scaled(recorder, call, recorder.signal(b), np.array(-1.0)) if _number(b) is None else None
    if negative is None or _number(a) is not None:
        return recorder.signal(a) if negative is None else negative
    return recorder.signal(a).plus(negative)


def _multiply(recorder: Follower, call: Application) -> Signal:
    a, b = _operand(recorder, call.args[0]), _operand(recorder, call.given(1, "other"))
    signal, factor = (a, b) if isinstance(a, Signal) else (b, a)
    if isinstance(factor, Signal) or not isinstance(signal, Signal):
        raise Refusal("does not multiply a signal by a constant (only constants can be multiplied with)")
    return _scaled(recorder, call, signal, factor)


def _divide(recorder: Follower, call: Application) -> Signal:
    signal, divisor = _operand(recorder, call.args[0]), _operand(recorder, call.given(1, "other"))
    rounding = call.kwargs.get("rounding_mode")
    if not isinstance(signal, Signal) or isinstance(divisor, Signal) or not np.all(divisor != 0) or rounding:
        raise Refusal("does not divide a signal by a constant other than 0 (only that can be kept)")
    return _scaled(recorder, call, signal, 1.0 / divisor)


def _negative(recorder: Follower, call: Application) -> Signal:
    return _scaled(recorder, call, recorder.signal(call.args[0]), np.array(-1.0))


def _scaled(recorder: Follower, call: Application, signal: Signal, factor: Any) -> Signal:
    if factor.size > 1:
        if factor.ndim > len(signal.shape) and factor.shape[0] == 1:
            factor = factor[0]
        if factor.ndim > len(signal.shape) or np.broadcast_shapes(factor.shape, signal.shape) != signal.shape:
            raise Refusal(f"multiplies {signal.shape} by a constant of shape {factor.shape}")
        factor = np.array(np.broadcast_to(factor, signal.shape))
    else:
        factor = factor.reshape(())
    return recorder.operation(call.name, Scale(factor), signal, signal.shape)


def _reshaped(recorder: Follower, call: Application) -> Signal:
    """A reshape that joins neighbouring axes, or does nothing."""
    signal = recorder.signal(call.args[0])
    before, after = signal.shape, call.shape
    if before == after and call.result.shape[0] == call.args[0].shape[0]:
        return signal
    joined = len(before) - len(after)
    for start in range(len(after)):
        end = start + joined
        if (
            joined > 0
            and before[:start] == after[:start]
            and before[end + 1 :] == after[start + 1 :]
            and call.result.shape[0] == call.args[0].shape[0]
        ):
            return recorder.operation(call.name, Flatten(before, start, end), signal, after)
    raise Refusal(
        f"makes {tuple(call.result.shape)} of {tuple(call.args[0].shape)} (only neighbouring axes behind the batch can "
        "be joined, as flatten(1) does; give an input the shape that the layers need)"
    )


def _layer(recorder: Follower, call: Application) -> Signal:
    """A layer in its functional form, with constant weights."""
    signal = recorder.signal(call.args[0])
    if call.name.startswith("avg_pool"):
        names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        defaults = (None, None, 0, False, True, None)
        options = [
            call.given(i + 1, name, default) for i, (name, default) in enumerate(zip(names, defaults, strict=True))
        ]
        return recorder.operation(call.name, average(int(call.name[8]), signal.shape, *options), signal, call.shape)
    weight, bias = recorder.constant(call.given(1, "weight", call.kwargs.get("other"))), call.given(2, "bias")
    bias = None if bias is None else recorder.constant(bias)
    if call.name in ("matmul", "mm"):
        node: Node = linear(weight.T, None, signal.shape)
    elif call.name == "linear":
        node = linear(weight, bias, signal.shape)
    else:
        others, ones = ("stride", "padding", "dilation", "groups"), (1, 0, 1, 1)
        options = [call.given(i + 3, name, default) for i, (name, default) in enumerate(zip(others, ones, strict=True))]
        node = convolution(weight, bias, signal.shape, *options)
    return recorder.operation(call.name, node, signal, call.shape)


def _stack(recorder: Follower, call: Application) -> Record:
    """``torch.stack`` of what was collected step by step."""
    tensors, axis = call.given(0, "tensors"), int(call.given(1, "dim", 0))
    steps: list[Signal | State] = []
    for tensor in tensors:
        followed = recorder.value(tensor)
        steps.append(followed if isinstance(followed, State) else recorder.signal(tensor))
    return Record(tuple(steps), axis % call.result.ndim)


def _on_record(call: Application, record: Record) -> Any:
    index = call.given(1, "dim")
    if call.name == "getitem" and isinstance(call.args[1], int) and record.axis == 0:
        return record.steps[call.args[1]]
    if call.name in ("transpose", "swapaxes", "swapdims") and {*call.args[1:3]} == {0, 1} and record.axis in (0, 1):
        return Record(record.steps, 1 - record.axis)
    if call.name == "permute" and record.axis in (0, 1):
        order = tuple(index) if isinstance(index, tuple | list) else tuple(call.args[1:])
        if sorted(order[:2]) == [0, 1] and order[2:] == tuple(range(2, len(order))):
            return Record(record.steps, order.index(record.axis))
    raise Refusal(
        "works on what was recorded over the steps (return torch.stack(...) as it is and do that outside the model)"
    )


def _select(recorder: Follower, call: Application, argument: Argument) -> Any:
    """x[step], x[:, step] and the like: one step of an argument."""
    if call.name == "select":
        axis, index = int(call.given(1, "dim")), call.given(2, "index")
    else:
        axis, index = _position(call.args[1], len(argument.axes))
    return _one(recorder, argument, axis, int(index) % call.args[0].shape[axis], call.result)


def _one(recorder: Follower, argument: Argument, axis: int, index: int, result: Any) -> Signal:
    if len(argument.axes) < 3:
        raise Refusal(
            f"takes one step of '{argument.name}', whose sample has {len(argument.axes)} axes (give it "
            "steps, batch and the input's own axes, e.g. [T, B, features])"
        )
    left = argument.axes[: axis % len(argument.axes)] + argument.axes[axis % len(argument.axes) + 1 :]
    if list(left) != sorted(left):
        raise Refusal(f"reorders the axes of '{argument.name}' (give the input in the order in which it is used)")
    return recorder.step(argument, index, tuple(int(n) for n in result.shape[1:]))


def _position(key: Any, axes: int) -> tuple[int, int]:
    """Axis and position of an index that picks one element of one axis and everything of all others."""
    keys = key if isinstance(key, tuple) else (key,)
    if sum(k is Ellipsis for k in keys) == 1:
        at = [k is Ellipsis for k in keys].index(True)
        keys = (*keys[:at], *[slice(None)] * (axes - len(keys) + 1), *keys[at + 1 :])
    whole = [i for i, k in enumerate(keys) if k == slice(None)]
    picked = [i for i, k in enumerate(keys) if isinstance(k, int | np.integer) and not isinstance(k, bool)]
    if len(picked) != 1 or len(whole) + 1 != len(keys):
        raise Refusal("takes a part of an input (take one step of it, x[step]; give parts as inputs of their own)")
    return picked[0], int(keys[picked[0]])


def _unbound(recorder: Follower, call: Application, argument: Argument) -> tuple[Signal, ...]:
    axis = int(call.given(1, "dim", 0)) if call.name == "unbind" else 0
    return tuple(_one(recorder, argument, axis, i, each) for i, each in enumerate(call.result))


def _moved(recorder: Follower, call: Application, argument: Argument) -> Argument:
    axes = len(argument.axes)
    if call.name == "permute":
        given = call.given(1, "dims")
        dims = given if isinstance(given, tuple | list) else call.args[1:]
        return argument.moved(tuple(int(axis) % axes for axis in dims))
    first, second = (int(call.given(i, f"dim{i - 1}", call.kwargs.get(f"axis{i - 1}"))) % axes for i in (1, 2))
    order = list(range(axes))
    order[first], order[second] = order[second], order[first]
    return argument.moved(tuple(order))


_ON_ARGUMENTS: dict[str, Callable[[Follower, Application, Argument], Any]] = {
    "getitem": _select,
    "select": _select,
    "unbind": _unbound,
    "iter": _unbound,
    "permute": _moved,
    "transpose": _moved,
    "swapaxes": _moved,
    "swapdims": _moved,
}
_ARITHMETIC: dict[str, Callable[[Follower, Application], Signal]] = {
    **dict.fromkeys(("add", "radd", "iadd"), _add),
    **dict.fromkeys(("sub", "subtract", "isub"), _subtract),
    "rsub": lambda recorder, call: _subtract(recorder, call, turned=True),
    **dict.fromkeys(("mul", "rmul", "imul", "multiply"), _multiply),
    **dict.fromkeys(("div", "divide", "truediv", "true_divide", "itruediv", "idiv"), _divide),
    **dict.fromkeys(("neg", "negative"), _negative),
}
_LAYERS = frozenset(("linear", "matmul", "mm", "conv1d", "conv2d", "avg_pool1d", "avg_pool2d"))
