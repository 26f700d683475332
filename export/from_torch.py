"""A PyTorch spiking network as a graph.

The convention: the module's ``forward`` is *one time step* and its neurons keep their own state, as snnTorch's do with
``init_hidden=True``. It is traced with torch.fx, the neurons as leaves, so a plain ``nn.Sequential`` works. The
parameters of ``forward`` name the graph's inputs, the paths of the modules its nodes ("." becomes "_"); the output is
"y", several are "y0", "y1", … or, from a returned dict, named by its keys. A ``snntorch.Leaky`` with
``reset_mechanism="none", output=True`` whose membrane is returned is a leaky integrator (LI), the readout.

What is exported is what ``model.eval()`` computes: batch normalisation is folded, dropout is gone.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexcore.errors import GraphError, missing_package
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import Flatten, Input, Node, Output, Scale
from cortexcore.export.shapes import Shape, sent_shape
from cortexcore.export.torch_layers import Refusal, array, fold_batch_norm, layer, neuron

if TYPE_CHECKING:
    import torch


def from_torch(
    model: torch.nn.Module, sample_inputs: Any, dt_s: float, metadata: Mapping[str, Any] | None = None
) -> Graph:
    """Export a module whose ``forward`` is one time step; see the module docstring for the convention.

    Args:
        model: the network; it is only read.
        sample_inputs: one array or tensor per input, [B, *shape], alone, in a tuple or in a dict by name;
            only the shapes are used.
        dt_s: length of a step in seconds; it gives snnTorch's β its time constant, tau = dt/(1 − β).
        metadata: JSON values for the graph, e.g. classes and front end.

    Returns:
        the graph, discretized with Euler.

    Raises:
        GraphError: whatever cannot be kept, all of it at once, each with its remedy.
        TargetUnavailable: torch or snntorch is not installed.
    """
    try:
        import snntorch
        import torch
        import torch.fx
    except ImportError as error:
        raise missing_package(error.name or "torch", "train", "exporting a PyTorch network") from error

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, snntorch.SpikingNeuron) or super().is_leaf_module(m, module_qualified_name)

    try:
        traced = Tracer().trace(model)
    except Exception as error:
        raise GraphError(
            f"the forward of {type(model).__name__} cannot be traced as one time step: {error} "
            "(forward(x) must be a fixed chain of layers without loops over time or branches on data)"
        ) from error
    for unread in [n for n in reversed(traced.nodes) if n.op not in ("placeholder", "output")]:
        if not unread.users:
            traced.erase_node(unread)
    walk = _Walk(model, dt_s, _sample_shapes(traced, sample_inputs))
    for fx_node in traced.nodes:
        walk.visit(fx_node)
    if walk.problems:
        raise GraphError(f"{type(model).__name__} cannot be exported: " + "; ".join(dict.fromkeys(walk.problems)))
    nodes, edges = _reachable(walk)
    return Graph(nodes, edges, float(dt_s), "euler", dict(metadata or {}))


@dataclass(frozen=True)
class _Signal:
    """What an fx node stands for: a sum of what these graph nodes send, without batch."""

    sources: tuple[str, ...]
    shape: Shape


@dataclass
class _Walk:
    """Builds the graph along torch.fx's nodes, and collects what cannot be kept."""

    model: torch.nn.Module
    dt_s: float
    sample_shapes: Mapping[str, Shape]
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    folded: dict[str, str] = field(default_factory=dict)
    """Name of a batch normalisation → name of the layer it was folded into."""
    values: dict[Any, Any] = field(default_factory=dict)
    """fx node → _Signal, constant array, ``("neuron", fx node)`` of a tuple-valued neuron; absent after a refusal."""

    def visit(self, fx_node: Any) -> None:
        """Translate one fx node, if everything it reads could be translated."""
        missing = [arg for arg in fx_node.all_input_nodes if arg not in self.values]
        if missing and fx_node.op != "call_module":
            return
        try:
            match fx_node.op:
                case "placeholder":
                    self._placeholder(fx_node)
                case "get_attr":
                    self.values[fx_node] = array(operator.attrgetter(fx_node.target)(self.model))
                case "call_module":
                    self._module(fx_node, bool(missing))
                case "call_function" | "call_method":
                    self.values[fx_node] = self._function(fx_node)
                case "output":
                    self._outputs(fx_node.args[0])
        except Refusal as refusal:
            self.problems.append(f"'{_place(fx_node)}' {refusal}")

    def _placeholder(self, fx_node: Any) -> None:
        name = str(fx_node.target)
        shape = self.sample_shapes[name]
        self.values[fx_node] = self._add(name, Input(shape), (), shape)

    def _add(self, name: str, node: Node, sources: Sequence[str], shape: Shape) -> _Signal:
        if name in self.nodes:
            raise Refusal(f"would be the second node named '{name}' (rename a module, an input or an output)")
        if len(set(sources)) < len(sources):
            raise Refusal("receives the same signal twice (multiply it by 2 instead)")
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return _Signal(tuple(sources), shape) if isinstance(node, Output) else _Signal((name,), shape)

    def _module(self, fx_node: Any, blind: bool) -> None:
        """A module; ``blind`` where what it receives was refused, so that only its kind can be judged."""
        import snntorch
        import torch

        module = self.model.get_submodule(fx_node.target)
        name = str(fx_node.target).replace(".", "_")
        if len(fx_node.args) != 1 or fx_node.kwargs:
            raise Refusal(
                "is called with its state (let it keep its state: init_hidden=True, and pass the input alone)"
            )
        if isinstance(module, torch.nn.modules.dropout._DropoutNd | torch.nn.Identity):
            if not blind:
                self.values[fx_node] = self._signal(fx_node.args[0])
            return
        if blind:
            known = torch.nn.Linear | torch.nn.Conv1d | torch.nn.Flatten | torch.nn.BatchNorm1d
            if not isinstance(module, known | snntorch.Leaky | snntorch.Synaptic):
                layer(module, ())
            return
        signal = self._signal(fx_node.args[0])
        if isinstance(module, snntorch.SpikingNeuron):
            self._neuron(fx_node, module, name, signal)
        elif isinstance(module, torch.nn.BatchNorm1d):
            before = signal.sources[0] if len(signal.sources) == 1 else ""
            folded = fold_batch_norm(module, self.nodes[before] if before else Flatten(()))
            sources = [a for a, b in self.edges if b == before]
            self.folded[name] = before
            self.values[fx_node] = self._add(name, folded, sources, signal.shape)
        else:
            node = layer(module, signal.shape)
            while name in self.nodes:
                name += "_again"
            self.values[fx_node] = self._add(name, node, signal.sources, sent_shape(node, signal.shape))

    def _neuron(self, fx_node: Any, module: Any, name: str, signal: _Signal) -> None:
        tupled = bool(module.output) or not module.init_hidden
        membrane = tupled and module.reset_mechanism == "none" and not _reads_spikes(fx_node)
        node = neuron(module, signal.shape, self.dt_s, membrane)
        if name in self.nodes:
            raise Refusal("is used twice in one step, and would be updated twice (use two neurons)")
        sent = self._add(name, node, signal.sources, signal.shape)
        self.values[fx_node] = _Tuple(sent, membrane, 2 if hasattr(module, "alpha") else 1) if tupled else sent

    def _function(self, fx_node: Any) -> Any:
        """A call of a function or of a tensor's method."""
        import torch

        args = fx_node.args
        match fx_node.target:
            case operator.getitem if isinstance(self.values.get(args[0]), _Tuple):
                return self.values[args[0]].item(args[1])
            case operator.add | operator.iadd | torch.add | "add" | "add_" if len(args) == 2 and not fx_node.kwargs:
                return self._sum(*(self._operand(a) for a in args))
            case operator.mul | operator.imul | torch.mul | torch.multiply | "mul" | "mul_" if len(args) == 2:
                return self._scaled(fx_node, *(self._operand(a) for a in args))
            case operator.truediv | torch.div | "div" if len(args) == 2 and not fx_node.kwargs:
                signal, divisor = (self._operand(a) for a in args)
                if isinstance(signal, _Signal) and not isinstance(divisor, _Signal) and np.all(divisor != 0):
                    return self._scaled(fx_node, signal, 1.0 / divisor)
            case torch.flatten | "flatten" if args[1:] == (1,) or fx_node.kwargs == {"start_dim": 1}:
                signal = self._signal(args[0])
                shape = (int(np.prod(signal.shape)),)
                return self._add(str(fx_node.name), Flatten(signal.shape), signal.sources, shape)
        raise Refusal(
            "has no counterpart (use layers, a + b, a multiplication by a constant, flatten(1), or nn.Flatten())"
        )

    def _sum(self, a: Any, b: Any) -> _Signal:
        if not (isinstance(a, _Signal) and isinstance(b, _Signal)):
            raise Refusal("adds a constant (put it into the bias of a Linear or Conv1d)")
        if a.shape != b.shape:
            raise Refusal(f"adds signals of the shapes {a.shape} and {b.shape} (they must be equal)")
        if set(a.sources) & set(b.sources):
            raise Refusal("adds a signal to itself (multiply it by 2 instead)")
        return _Signal(a.sources + b.sources, a.shape)

    def _scaled(self, fx_node: Any, a: Any, b: Any) -> _Signal:
        signal, factor = (a, b) if isinstance(a, _Signal) else (b, a)
        if not isinstance(signal, _Signal) or isinstance(factor, _Signal):
            raise Refusal("does not multiply a signal by a constant (only constants can be multiplied with)")
        if factor.ndim and factor.size > 1:
            if factor.ndim > len(signal.shape) and factor.shape[0] == 1:
                factor = factor[0]
            if np.broadcast_shapes(factor.shape, signal.shape) != signal.shape:
                raise Refusal(f"multiplies {signal.shape} by a constant of shape {factor.shape}")
            factor = np.array(np.broadcast_to(factor, signal.shape))
        else:
            factor = factor.reshape(())
        return self._add(str(fx_node.name), Scale(factor), signal.sources, signal.shape)

    def _operand(self, arg: Any) -> Any:
        """An argument as a signal or a constant array."""
        if isinstance(arg, int | float):
            return np.array(float(arg))
        return self._signal(arg) if isinstance(self.values[arg], _Tuple) else self.values[arg]

    def _signal(self, arg: Any) -> _Signal:
        value = self.values.get(arg) if isinstance(arg, Hashable) else None
        if isinstance(value, _Tuple):
            raise Refusal(f"receives the spikes and the state of '{arg}' together (take one: spikes = result[0])")
        if not isinstance(value, _Signal):
            raise Refusal("receives a constant")
        return value

    def _outputs(self, returned: Any) -> None:
        if isinstance(returned, Mapping):
            named = {str(key): value for key, value in returned.items()}
        elif isinstance(returned, tuple | list):
            named = {f"y{i}": value for i, value in enumerate(returned)}
        else:
            named = {"y": returned}
        for name, arg in named.items():
            value = self.values.get(arg)
            signal = value.item(1 if value.membrane else 0) if isinstance(value, _Tuple) else self._signal(arg)
            self._add(name, Output(signal.shape), signal.sources, signal.shape)


@dataclass(frozen=True)
class _Tuple:
    """What a neuron with ``output=True`` returns: spikes, then its states, the membrane last at ``last``."""

    sent: _Signal
    membrane: bool
    last: int

    def item(self, index: Any) -> _Signal:
        """The spikes (0), or the membrane (last) of a readout."""
        if index not in (0, self.last, -1) or (index == 0) == self.membrane:
            raise Refusal(
                "reads a neuron's state (only a readout, snntorch.Leaky with reset_mechanism='none', is read at its "
                "membrane, and then not at its spikes)"
            )
        return self.sent


def _reads_spikes(fx_node: Any) -> bool:
    """Whether anything takes item 0 of what a neuron returns."""
    return any(user.target is operator.getitem and user.args[1] == 0 for user in fx_node.users)


def _place(fx_node: Any) -> str:
    """Where in the model an fx node stands, in the user's words."""
    if fx_node.op in ("call_module", "placeholder", "get_attr"):
        return str(fx_node.target)
    return str(fx_node.name)


def _sample_shapes(traced: Any, sample_inputs: Any) -> dict[str, Shape]:
    """Input name → shape without batch, from the samples."""
    names = [str(n.target) for n in traced.nodes if n.op == "placeholder"]
    if isinstance(sample_inputs, Mapping):
        samples = {str(k): v for k, v in sample_inputs.items()}
    elif isinstance(sample_inputs, tuple | list):
        samples = dict(zip(names, sample_inputs, strict=False)) if len(names) == len(sample_inputs) else {}
    else:
        samples = {names[0]: sample_inputs} if len(names) == 1 else {}
    if set(samples) != set(names):
        raise GraphError(f"forward takes {names}: give one sample [B, *shape] for each, in a tuple or a dict by name")
    shapes = {name: tuple(int(n) for n in np.shape(sample))[1:] for name, sample in samples.items()}
    if bad := [name for name, shape in shapes.items() if not shape or min(shape) < 1]:
        raise GraphError(f"the samples of {bad} must have the shape [B, *shape], with a batch axis first")
    return shapes


def _reachable(walk: _Walk) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
    """The inputs and all that an output depends on; a layer with folded batch normalisation keeps the layer's name."""
    needed = {name for name, node in walk.nodes.items() if isinstance(node, Output)}
    for source, destination in reversed(walk.edges):
        if destination in needed:
            needed.add(source)
    kept = [name for name, node in walk.nodes.items() if name in needed or isinstance(node, Input)]
    named = {name: name for name in kept}
    named |= {norm: layer for norm, layer in walk.folded.items() if norm in named and layer not in named}
    nodes = {named[name]: walk.nodes[name] for name in kept}
    return nodes, tuple((named[a], named[b]) for a, b in walk.edges if a in named and b in named)
