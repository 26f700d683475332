"""A model run once, for real, while every tensor that depends on an input is followed.

The model runs in evaluation on the sample, so loops over time, shapes and Python's control flow are simply executed;
a read of a signal's value, by which the next sample could take another path, is refused. Known layers and all modules
of torch and snnTorch are one call each; functions outside of them are followed one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from cortexcore.errors import GraphError
from cortexcore.export.nodes import Node
from cortexcore.export.shapes import Shape
from cortexcore.export.torch_import.functions import BY_SHAPE, QUESTIONS, Application, apply
from cortexcore.export.torch_import.leaves import constants_of, narrowed, plain_name, tensors_in
from cortexcore.export.torch_import.values import (
    Argument,
    Call,
    Constant,
    Kind,
    Record,
    Refusal,
    Signal,
    State,
    Value,
    a,
)


class Recorder(TorchFunctionMode):
    """Follows tensors from ``forward``'s arguments on; use it as a context manager around the run.

    Attributes:
        problems: what cannot be kept wherever it stands, as reads of values.
        whole, stepped: the arguments that were used at once, and step by step.
        made: all calls, in order.
        inside: whether a leaf runs, whose own functions are not followed.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.problems: list[str] = []
        self.whole: dict[str, Call] = {}
        self.stepped: dict[str, dict[int, Call]] = {}
        self._values: Any = WeakIdKeyDictionary()
        self.made: list[Call] = []
        self.inside = False
        self.shared: list[tuple[torch.Tensor, int]] = []
        for tensor in constants_of(model):
            self.bind(tensor, Constant())

    def changed_unseen(self) -> list[str]:
        """A sentence if a signal was changed in place through its ``.data``, which has a version of its own."""
        if all(each._version == version for each, version in self.shared):
            return []
        return [f"{type(self.model).__name__}.forward changes a signal in place through its .data (use x = x + y)"]

    def bind(self, tensor: torch.Tensor, value: Value | None) -> None:
        """Let ``tensor``, as it is now, stand for ``value``."""
        if value is not None and tensor.is_inference():
            raise GraphError(
                "it holds or makes tensors in torch.inference_mode(), where changes in place cannot be followed (make "
                "and run it under torch.no_grad() instead)"
            )
        if value is not None:
            self._values[tensor] = (value, tensor._version)

    def value(self, tensor: Any) -> Value | None:
        """What a tensor stands for; None for what is no tensor or was made by code that cannot be followed."""
        if not isinstance(tensor, torch.Tensor) or tensor not in self._values:
            return None
        value: Value
        value, version = self._values[tensor]
        if version != tensor._version:
            raise Refusal("reads a tensor that was changed in place through another view of it (use x = x + y)")
        return value

    def constant(self, tensor: Any) -> Any:
        """A tensor that depends on no input."""
        if isinstance(tensor, torch.Tensor) and not isinstance(self.value(tensor), Constant):
            raise Refusal("needs a constant where a signal stands, or one that cannot be followed (use a buffer)")
        return tensor

    def signal(self, tensor: Any) -> Signal:
        """What a tensor stands for, as a signal."""
        if not isinstance(tensor, torch.Tensor):
            raise Refusal(
                f"receives {a(type(tensor).__name__)} where a signal should stand (take one: spikes = result[0])"
            )
        followed = self.value(tensor)
        shape = tuple(int(n) for n in tensor.shape[1:])
        match followed:
            case Signal():
                return followed
            case State(call=call, which="mem"):
                return Signal(((call, "mem"),), call.shape)
            case State(which=which):
                raise Refusal(f"reads a neuron's {which} (read its spikes, or a readout's membrane)")
            case Argument(name=name):
                if followed.axes != tuple(range(len(followed.axes))):
                    raise Refusal(
                        f"reorders the axes of '{name}' (give the input with the axes in the order it is used)"
                    )
                if name not in self.whole:
                    self.whole[name] = self.call(name, name, "input", shape)
                return Signal(((self.whole[name], "spikes"),), shape)
            case Record():
                raise Refusal(
                    "works on what was recorded over the steps (return torch.stack(...) as it is and do that outside "
                    "the model)"
                )
            case Constant():
                if not tensor.detach().count_nonzero():
                    return Signal((), shape, rest=True)
                raise Refusal("receives a constant (put it into the bias of a Linear or convolution)")
        raise Refusal(
            "receives a tensor made by code that cannot be followed, as a custom autograd function or a global (use "
            "modules and PyTorch's functions, and buffers for constants)"
        )

    def step(self, argument: Argument, index: int, shape: Shape) -> Signal:
        """One step of an argument."""
        calls = self.stepped.setdefault(argument.name, {})
        if index not in calls:
            calls[index] = self.call(argument.name, argument.name, "input", shape, time=index)
        return Signal(((calls[index], "spikes"),), shape)

    def operation(self, name: str, node: Node, reads: Signal, shape: Shape) -> Signal:
        """A function that is a node."""
        call = self.call(name, name, "layer", shape, reads=reads, node=node, numbered=True)
        return Signal(((call, "spikes"),), shape)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.inside:
            return func(*args, **kwargs)
        name = plain_name(func)
        given = list(tensors_in((args, kwargs)))
        faults: list[str] = []
        before = [self.value_or(each, faults) for each in given]
        followed = [value for value in before if value is not None and not isinstance(value, Constant)]
        in_place = name.endswith("_") and bool(given)
        earlier = given[0].clone() if in_place else None
        result = func(*args, **kwargs)
        results = list(tensors_in(result))
        if name == "setitem":
            self._assign(args, before, followed, faults)
        elif not followed and not faults:
            for each in results if None not in before else ():
                if in_place or each not in self._values:
                    self.bind(each, Constant())
        elif not results:
            if name not in QUESTIONS and not (name in ("eq", "ne") and result in (NotImplemented, True, False)):
                self.problems.append(
                    f"{type(self.model).__name__}.forward reads a signal's value by '{name}' (a branch on data, which "
                    "another sample takes another way: compute it with layers and neurons)"
                )
        elif name == "data":
            self.shared += [(each, each._version) for each in results]
            self._follow(name, args, kwargs, result, followed, faults)
        elif name in BY_SHAPE and not any(v is not None and not isinstance(v, Constant) for v in before[1:]):
            for each in results:
                self.bind(each, Constant())
        else:
            if earlier is not None:
                self.bind(earlier, before[0])
                args = (earlier, *args[1:])
            self._follow(name.strip("_"), args, kwargs, result, followed, faults)
        return result

    def _follow(
        self, name: str, args: Any, kwargs: Any, result: Any, followed: Sequence[Value], faults: list[str]
    ) -> None:
        """Bind what a function made of followed tensors."""
        results = list(tensors_in(result))
        shape = tuple(int(n) for n in results[0].shape[1:])
        try:
            if faults:
                raise Refusal(faults[0])
            made = apply(self, Application(name, args, kwargs, result, shape))
            if rounded := narrowed(tensors_in((args, kwargs)), results):
                raise Refusal(rounded)
            values = made if isinstance(made, tuple) else (made,)
        except Refusal as refusal:
            values = tuple(self.refused(name, str(refusal), followed, each) for each in results)
        for each, value in zip(results, values, strict=True):
            self.bind(each, value)

    def refused(self, place: str, problem: str, reads: Sequence[Value], result: torch.Tensor) -> Signal:
        """The result of what was refused, so that what follows is judged as well."""
        terms: list[Any] = []
        for value in reads:
            match value:
                case Signal():
                    terms += value.terms
                case State():
                    terms.append((value.call, "spikes"))
                case Record():
                    for step in value.steps:
                        terms += step.terms if isinstance(step, Signal) else []
        shape = tuple(int(n) for n in result.shape[1:])
        call = self.call(place, place, "layer", shape, reads=Signal(tuple(terms), ()), problems=[problem])
        return Signal(((call, "spikes"),), shape)

    def value_or(self, tensor: torch.Tensor, faults: list[str]) -> Value | None:
        try:
            return self.value(tensor)
        except Refusal as refusal:
            faults.append(str(refusal))
            return None

    def _assign(self, args: Any, before: list[Value | None], followed: Sequence[Value], faults: list[str]) -> None:
        """record[step] = signal, into a tensor that held nothing but constants and earlier steps."""
        target, key, source = args
        held = before[0]
        if isinstance(key, tuple) and all(k is Ellipsis or k == slice(None) for k in key[1:]):
            key = key[0]
        try:
            if faults:
                raise Refusal(faults[0])
            if not followed:
                self.bind(target, held)
                return
            if not (isinstance(held, Record | Constant) and isinstance(key, int) and isinstance(source, torch.Tensor)):
                raise Refusal("changes a part of a tensor (collect the steps in a list and stack them)")
            steps: list[Signal | State | None] = [None] * len(target)
            if isinstance(held, Record):
                if held.axis:
                    raise Refusal("changes a part of what was recorded (collect the steps in a list and stack them)")
                steps = list(held.steps)
            value = self.value(source)
            steps[key] = value if isinstance(value, State) else self.signal(source)
            self.bind(target, Record(tuple(steps)))
        except Refusal as refusal:
            self.bind(target, self.refused("setitem", str(refusal), followed, target))

    def call(self, place: str, name: str, kind: Kind, shape: Shape, **fields: Any) -> Call:
        """A new call, the next in order."""
        call = Call(place, name, kind, shape, len(self.made) + 1, **fields)
        self.made.append(call)
        return call
