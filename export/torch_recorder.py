"""A model run once, for real, while every tensor that depends on an input is followed.

The model runs in evaluation on the sample, so loops over time, shapes and Python's control flow are simply executed;
a read of a signal's value, by which the next sample could take another path, is refused. Known layers and all modules
of torch and snnTorch are one call each; functions outside of them are followed one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from cortexcore.errors import GraphError
from cortexcore.export.nodes import Affine, Conv1d, Conv2d, Linear, Node, Scale
from cortexcore.export.shapes import Shape, sent_shape
from cortexcore.export.torch_functions import BY_SHAPE, QUESTIONS, Application, apply
from cortexcore.export.torch_layers import array, batch_norm, channelwise, fold_after, layer, removed_layers
from cortexcore.export.torch_leaves import constants_of, is_leaf, is_neuron, plain_name, tensors_in
from cortexcore.export.torch_neurons import STATES, check, neuron
from cortexcore.export.torch_values import Argument, Call, Constant, Kind, Record, Refusal, Signal, State, Value, a


class Recorder(TorchFunctionMode):
    """Follows tensors from ``forward``'s arguments on; use it as a context manager around the run.

    Attributes:
        calls: neurons' path → their calls, one per step.
        problems: what cannot be kept wherever it stands, as reads of values.
        states: argument of ``forward`` → the (path, state) of the neurons it was handed to as their state.
        whole, stepped: the arguments that were used at once, and step by step.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model
        self.calls: dict[str, list[Call]] = {}
        self.problems: list[str] = []
        self.states: dict[str, list[tuple[str, str]]] = {}
        self.whole: dict[str, Call] = {}
        self.stepped: dict[str, dict[int, Call]] = {}
        self._values: Any = WeakIdKeyDictionary()
        self._nodes: dict[tuple[int, int, Shape], tuple[Node | None, list[str], Node | None]] = {}
        self.made: list[Call] = []
        self._inside = False
        for tensor in constants_of(model):
            self.bind(tensor, Constant())

    def bind(self, tensor: torch.Tensor, value: Value | None) -> None:
        """Let ``tensor``, as it is now, stand for ``value``."""
        if value is not None:
            self._values[tensor] = (value, tensor._version)

    def value(self, tensor: Any) -> Value | None:
        """What a tensor stands for; None for what is no tensor or was made by code that cannot be followed."""
        if not isinstance(tensor, torch.Tensor) or tensor not in self._values:
            return None
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
                    self.whole[name] = self._call(name, name, "input", shape)
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
            calls[index] = self._call(argument.name, argument.name, "input", shape, time=index)
        return Signal(((calls[index], "spikes"),), shape)

    def operation(self, name: str, node: Node, reads: Signal, shape: Shape) -> Signal:
        """A function that is a node."""
        call = self._call(name, name, "layer", shape, reads=reads, node=node, numbered=True)
        return Signal(((call, "spikes"),), shape)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._inside:
            return func(*args, **kwargs)
        name = plain_name(func)
        given = list(tensors_in((args, kwargs)))
        faults: list[str] = []
        before = [self._value_or(each, faults) for each in given]
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
        elif name in BY_SHAPE:
            for each in results:
                self.bind(each, Constant())
        else:
            if earlier is not None:
                self.bind(earlier, before[0])
                args = (earlier, *args[1:])
            self._follow(name.strip("_"), args, kwargs, result, followed, faults)
        return result

    def _follow(self, name: str, args: Any, kwargs: Any, result: Any, followed: list[Value], faults: list[str]) -> None:
        """Bind what a function made of followed tensors."""
        results = list(tensors_in(result))
        shape = tuple(int(n) for n in results[0].shape[1:])
        try:
            if faults:
                raise Refusal(faults[0])
            made = apply(self, Application(name, args, kwargs, result, shape))
            values = made if isinstance(made, tuple) else (made,)
        except Refusal as refusal:
            values = tuple(self.refused(name, str(refusal), followed, each) for each in results)
        for each, value in zip(results, values, strict=True):
            self.bind(each, value)

    def refused(self, place: str, problem: str, reads: list[Value], result: torch.Tensor) -> Signal:
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
        call = self._call(place, place, "layer", shape, reads=Signal(tuple(terms), ()), problems=[problem])
        return Signal(((call, "spikes"),), shape)

    def _value_or(self, tensor: torch.Tensor, faults: list[str]) -> Value | None:
        try:
            return self.value(tensor)
        except Refusal as refusal:
            faults.append(str(refusal))
            return None

    def _assign(self, args: Any, before: list[Value | None], followed: list[Value], faults: list[str]) -> None:
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
            steps = list(held.steps) if isinstance(held, Record) else [None] * len(target)
            value = self.value(source)
            steps[key] = value if isinstance(value, State) else self.signal(source)
            self.bind(target, Record(tuple(steps)))
        except Refusal as refusal:
            self.bind(target, self.refused("setitem", str(refusal), followed, target))

    def _call(self, place: str, name: str, kind: Kind, shape: Shape, **fields: Any) -> Call:
        """A new call, the next in order."""
        call = Call(place, name, kind, shape, len(self.made) + 1, **fields)
        self.made.append(call)
        return call

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Stand in for the ``forward`` of every leaf while the context lasts."""
        leaves = [(path, module) for path, module in self.model.named_modules() if is_leaf(module)]
        originals = [(module, module.__dict__.get("forward")) for _, module in leaves]
        try:
            for path, module in leaves:
                module.__dict__["forward"] = self._stand_in(path, module)
            with self:
                yield
        finally:
            for module, forward in originals:
                if forward is None:
                    module.__dict__.pop("forward", None)
                else:
                    module.__dict__["forward"] = forward

    def _stand_in(self, path: str, module: torch.nn.Module) -> Any:
        forward = module.forward

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return forward(*args, **kwargs)
            self._inside = True
            try:
                followed = is_neuron(module)
                call, first = (
                    self._neuron(path, module, args, kwargs) if followed else self._layer(path, module, args, kwargs)
                )
                try:
                    result = forward(*args, **kwargs)
                except Exception as error:
                    raise GraphError(self._failure(path, module, call, error)) from error
                if followed:
                    self._bind_neuron(module, call, result)
                elif call is None:
                    if isinstance(result, torch.Tensor):
                        self.bind(result, first)
                else:
                    self._bind_layer(call, result)
                return result
            finally:
                self._inside = False

        return stand_in

    def _failure(self, path: str, module: torch.nn.Module, call: Call | None, error: Exception) -> str:
        """Why a module does not run, and what else was found until there."""
        shape = call.reads.shape if call is not None and call.reads is not None else ()
        reasons = list(call.problems) if call is not None else []
        if is_neuron(module) and not reasons:
            try:
                neuron(module, shape, 1.0, False)
            except Refusal as refusal:
                reasons = [str(refusal)]
        reasons = reasons or [f"is {a(type(module).__name__)} that fails on the shape {shape}: {error}"]
        found = [f"'{each.place}' {problem}" for each in self.made if each is not call for problem in each.problems]
        return "; ".join(dict.fromkeys([*found, *(f"'{path}' {reason}" for reason in reasons)]))

    def _layer(self, path: str, module: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Call | None, Value | None]:
        """The call of a layer; None and what it passes on for one that does nothing."""
        given = list(tensors_in((args, kwargs)))
        faults: list[str] = []
        values = [self._value_or(each, faults) for each in given]
        if isinstance(module, removed_layers()) and len(given) == 1 and not faults:
            return None, values[0]
        name = path.replace(".", "_")
        call = self._call(path, name, "layer", ())
        try:
            if faults:
                raise Refusal(faults[0])
            if len(given) != 1:
                layer(module, ())
                raise Refusal(f"is called with {len(given)} tensors (pass one signal)")
            call.reads = self.signal(given[0])
        except Refusal as refusal:
            call.problems.append(str(refusal))
            followed = [v for v in values if v is not None and not isinstance(v, Constant)]
            call.reads = self.refused(path, str(refusal), followed, given[0]) if followed else None
            return call, None
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            self._batch_norm(module, call, call.reads)
            return call, None
        shape = call.reads.shape
        key = (id(module), 0, shape)
        if key not in self._nodes:
            try:
                self._nodes[key] = (layer(module, shape), [], None)
            except Refusal as refusal:
                self._nodes[key] = (None, [str(refusal)], None)
        call.node, problems, _ = self._nodes[key]
        call.problems += problems
        return call, None

    def _batch_norm(self, module: Any, call: Call, reads: Signal) -> None:
        """Batch normalisation: folded into the one layer before it, else a layer of its own."""
        before = reads.terms[0][0] if len(reads.terms) == 1 and not reads.rest else None
        layer_before = before.node if before is not None else None
        foldable = isinstance(layer_before, Linear | Affine | Conv1d | Conv2d)
        key = (id(module), id(layer_before) if foldable else 0, reads.shape)
        if key not in self._nodes:
            try:
                gain, offset = batch_norm(module, reads.shape)
                folded = fold_after(layer_before, gain, offset)
                self._nodes[key] = (folded or channelwise(reads.shape, gain, offset), [], layer_before)
            except Refusal as refusal:
                self._nodes[key] = (None, [str(refusal)], layer_before)
        call.node, problems, _ = self._nodes[key]
        call.problems += problems
        if before is not None and foldable:
            call.reads, call.alias = before.reads, before.name

    def _bind_layer(self, call: Call, result: Any) -> None:
        for each in tensors_in(result):
            call.shape = tuple(int(n) for n in each.shape[1:])
            told = sent_shape(call.node, call.reads.shape) if call.node is not None and call.reads is not None else ()
            if call.node is not None and told != call.shape:
                call.problems.append(f"sends {call.shape} where its node sends {told} (give its input a batch axis)")
            self.bind(each, Signal(((call, "spikes"),), call.shape))

    def _neuron(self, path: str, module: Any, args: Any, kwargs: Any) -> tuple[Call, Value | None]:
        """The call of a neuron, with its states checked: from rest, then its own of the step before."""
        calls = self.calls.setdefault(path, [])
        call = self._call(path, path.replace(".", "_"), "neuron", (), module=module, time=len(calls))
        calls.append(call)
        states = STATES.get(type(module).__name__, ())
        given = dict(zip(("input_", *states), args, strict=False)) | dict(kwargs)
        try:
            check(module)
            call.reads = self.signal(given.get("input_"))
            call.shape = call.reads.shape
            for which in states:
                self._check_state(call, calls, which, given.get(which))
        except Refusal as refusal:
            call.problems.append(str(refusal))
            if call.reads is None:
                faults: list[str] = []
                followed = [self._value_or(each, faults) for each in tensors_in((args, kwargs))]
                first = next(iter(tensors_in((args, kwargs))), None)
                if first is not None:
                    reads = [v for v in followed if v is not None and not isinstance(v, Constant)]
                    call.reads = self.refused(path, str(refusal), reads, first)
                    call.shape = call.reads.shape
        return call, None

    def _check_state(self, call: Call, calls: list[Call], which: str, passed: Any) -> None:
        """A state that is handed in, or kept by the neuron, must be rest at first and its own afterwards."""
        tensor = getattr(call.module, which) if passed is None else passed
        value = self.value(tensor)
        first = len(calls) == 1
        if isinstance(value, Argument) and first:
            self.states.setdefault(value.name, []).append((call.place, which))
            return
        if first and isinstance(value, Constant) and not bool(tensor.detach().count_nonzero()):
            return
        if not first:
            before = calls[-2]
            if which == "spk" and isinstance(value, Signal) and value.terms == ((before, "spikes"),):
                return
            if isinstance(value, State) and value.call is before and value.which == which:
                return
        if isinstance(value, State) and value.call.place != call.place:
            raise Refusal(f"is handed the {which} of '{value.call.place}' (hand it its own of the step before)")
        raise Refusal(
            f"starts from a {which} other than rest (start from zeros)"
            if first
            else f"is not handed its own {which} of the step before (each step must call it once, with the state it "
            "returned, and reset it only before the first)"
        )

    def _bind_neuron(self, module: Any, call: Call, result: Any) -> None:
        returned = list(tensors_in(result))
        states = [which for which in STATES.get(type(module).__name__, ()) if which != "spk"]
        for which, tensor in zip(states, returned[1:], strict=False):
            self.bind(tensor, State(call, which))
        for which in states:
            self.bind(getattr(module, which), State(call, which))
        spikes = Signal(((call, "spikes"),), call.shape)
        factor = getattr(module, "graded_spikes_factor", None)
        if factor is not None and states:
            spikes = self._graded(module, call, spikes, factor)
        for tensor in returned[:1] if states else returned:
            self.bind(tensor, spikes)

    def _graded(self, module: Any, call: Call, spikes: Signal, factor: Any) -> Signal:
        """Spikes of another size than 1: a multiplication behind the neuron."""
        try:
            values = array(factor, "a graded_spikes_factor with values")
            if np.all(values == 1.0):
                return spikes
            if "spk" in STATES[type(module).__name__]:
                raise Refusal("returns graded spikes to itself (use graded_spikes_factor=1 and scale its weights)")
            values = values.reshape(()) if values.size == 1 else np.array(np.broadcast_to(values, call.shape))
        except (Refusal, ValueError) as error:
            call.problems.append(str(error))
            return spikes
        name = f"{call.name}_graded"
        graded = self._call(call.place, name, "layer", call.shape, reads=spikes, node=Scale(values))
        return Signal(((graded, "spikes"),), call.shape)
