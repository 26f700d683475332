"""Modules as single calls: layers, batch normalisation and neurons, each standing in for its ``forward``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from cortexcore.errors import GraphError
from cortexcore.export.nodes import Affine, Conv1d, Conv2d, Linear, Node, Scale
from cortexcore.export.shapes import Shape, sent_shape
from cortexcore.export.torch_import.layers import (
    array,
    batch_norm,
    channelwise,
    fold_after,
    known_layers,
    layer,
    removed_layers,
)
from cortexcore.export.torch_import.leaves import is_leaf, is_neuron, narrowed, tensors_in
from cortexcore.export.torch_import.neurons import STATES, check, neuron
from cortexcore.export.torch_import.recorder import Recorder
from cortexcore.export.torch_import.values import Argument, Call, Constant, Refusal, Signal, State, Value, a

SAMPLE = "give a sample of the shape and type that the model takes"


class Modules:
    """Records the calls of a model's leaves; :meth:`following` is the context in which the model runs.

    Attributes:
        recorder: follows everything else.
        calls: neurons' path → their calls, one per step.
        states: argument of ``forward`` → the (path, state) of the neurons it was handed to as their state.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.recorder = Recorder(model)
        self.calls: dict[str, list[Call]] = {}
        self.states: dict[str, list[tuple[str, str]]] = {}
        self._nodes: dict[tuple[int, int, Shape], tuple[Node | None, list[str], Node | None]] = {}

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Stand in for the ``forward`` of every leaf while the context lasts."""
        modules = self.recorder.model.named_modules()
        leaves = [(path or type(module).__name__.lower(), module) for path, module in modules if is_leaf(module)]
        originals = [(module, module.__dict__.get("forward")) for _, module in leaves]
        try:
            for path, module in leaves:
                module.__dict__["forward"] = self._stand_in(path, module)
            with self.recorder:
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
            if self.recorder.inside:
                return forward(*args, **kwargs)
            self.recorder.inside = True
            try:
                if is_neuron(module):
                    call = self._neuron(path, module, args, kwargs)
                    result = self._run(path, module, call, forward, args, kwargs)
                    self._bind_neuron(module, call, result)
                    return result
                given, passed = self._layer(path, module, args, kwargs)
                result = self._run(path, module, given, forward, args, kwargs)
                if given is not None:
                    if rounded := narrowed(tensors_in((args, kwargs)), tensors_in(result)):
                        given.problems.append(rounded)
                    self._bind_layer(given, result)
                elif isinstance(result, torch.Tensor):
                    self.recorder.bind(result, passed)
                return result
            finally:
                self.recorder.inside = False

        return stand_in

    def _run(self, path: str, module: torch.nn.Module, call: Call | None, forward: Any, args: Any, kwargs: Any) -> Any:
        """What a leaf returns; a GraphError that names it where it fails."""
        try:
            return forward(*args, **kwargs)
        except Exception as error:
            raise GraphError(self._failure(path, module, call, error)) from error

    def _failure(self, path: str, module: torch.nn.Module, call: Call | None, error: Exception) -> str:
        """Why a module does not run, and what else was found until there."""
        shape = call.reads.shape if call is not None and call.reads is not None else ()
        reasons = list(call.problems) if call is not None else []
        if is_neuron(module) and not reasons:
            try:
                neuron(module, shape, 1.0, False)
            except Refusal as refusal:
                reasons = [str(refusal)]
        reasons = reasons or [f"is {a(type(module).__name__)} that fails on the shape {shape}: {error} ({SAMPLE})"]
        found = [
            f"'{each.place}' {problem}" for each in self.recorder.made if each is not call for problem in each.problems
        ]
        return "; ".join(dict.fromkeys([*found, *(f"'{path}' {reason}" for reason in reasons)]))

    def _layer(self, path: str, module: torch.nn.Module, args: Any, kwargs: Any) -> tuple[Call | None, Value | None]:
        """The call of a layer; None and what it passes on for one that does nothing."""
        given = list(tensors_in((args, kwargs)))
        faults: list[str] = []
        values = [self.recorder.value_or(each, faults) for each in given]
        if isinstance(module, removed_layers()) and len(given) == 1 and not faults:
            return None, values[0]
        name = path.replace(".", "_")
        call = self.recorder.call(path, name, "layer", ())
        try:
            if faults:
                raise Refusal(faults[0])
            if len(given) != 1:
                if not isinstance(module, tuple(known_layers())):
                    layer(module, ())
                raise Refusal(
                    f"is called with {len(given)} tensors (pass one signal; a neuron returns its spikes alone with "
                    "init_hidden=True)"
                )
            call.reads = self.recorder.signal(given[0])
        except Refusal as refusal:
            call.problems.append(str(refusal))
            followed = [v for v in values if v is not None and not isinstance(v, Constant)]
            call.reads = self.recorder.refused(path, str(refusal), followed, given[0]) if followed else None
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
            self.recorder.bind(each, Signal(((call, "spikes"),), call.shape))

    def _neuron(self, path: str, module: Any, args: Any, kwargs: Any) -> Call:
        """The call of a neuron, with its states checked: from rest, then its own of the step before."""
        calls = self.calls.setdefault(path, [])
        call = self.recorder.call(path, path.replace(".", "_"), "neuron", (), module=module, time=len(calls))
        calls.append(call)
        states = STATES.get(type(module).__name__, ())
        given = dict(zip(("input_", *states), args, strict=False)) | dict(kwargs)
        try:
            check(module)
            call.reads = self.recorder.signal(given.get("input_"))
            call.shape = call.reads.shape
            for which in states:
                self._check_state(call, calls, which, given.get(which))
        except Refusal as refusal:
            call.problems.append(str(refusal))
            if call.reads is None:
                faults: list[str] = []
                followed = [self.recorder.value_or(each, faults) for each in tensors_in((args, kwargs))]
                first = next(iter(tensors_in((args, kwargs))), None)
                if first is not None:
                    reads = [v for v in followed if v is not None and not isinstance(v, Constant)]
                    call.reads = self.recorder.refused(path, str(refusal), reads, first)
                    call.shape = call.reads.shape
        return call

    def _check_state(self, call: Call, calls: list[Call], which: str, passed: Any) -> None:
        """A state that is handed in, or kept by the neuron, must be rest at first and its own afterwards."""
        tensor = getattr(call.module, which) if passed is None else passed
        value = self.recorder.value(tensor)
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
            self.recorder.bind(tensor, State(call, which))
        for which in states:
            self.recorder.bind(getattr(module, which), State(call, which))
        spikes = Signal(((call, "spikes"),), call.shape)
        factor = getattr(module, "graded_spikes_factor", None)
        if factor is not None and states:
            spikes = self._graded(module, call, spikes, factor)
        for tensor in returned[:1] if states else returned:
            self.recorder.bind(tensor, spikes)

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
        graded = self.recorder.call(call.place, name, "layer", call.shape, reads=spikes, node=Scale(values))
        return Signal(((graded, "spikes"),), call.shape)
