"""What the recorder needs to know of modules, functions and trees of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import snntorch
import torch

from cortexcore.export.torch_import.layers import known_layers, removed_layers


def is_neuron(module: torch.nn.Module) -> bool:
    """Whether a module is one of snnTorch's neurons, or derived from one."""
    return isinstance(module, snntorch.SpikingNeuron)


def is_leaf(module: torch.nn.Module) -> bool:
    """Whether a module is one call: all of torch's and snnTorch's but containers, and what inherits a known forward."""
    containers = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict, torch.nn.ParameterList)
    if isinstance(module, containers) or type(module) is torch.nn.Module:
        return False
    if is_neuron(module) or type(module).__module__.split(".")[:2] == ["torch", "nn"]:
        return True
    if type(module).__module__.split(".")[0] == "snntorch":
        return True
    known: tuple[type[torch.nn.Module], ...] = (
        *known_layers(),
        *removed_layers(),
        torch.nn.BatchNorm1d,
        torch.nn.BatchNorm2d,
    )
    return any(isinstance(module, each) and type(module).forward is each.forward for each in known)


def plain_name(func: Any) -> str:
    """A function's name without Python's underscores; an in-place method keeps its last one."""
    name = str(getattr(func, "__name__", type(func).__name__))
    if name == "__get__":
        name = str(getattr(getattr(func, "__self__", None), "__name__", name))
    if not name.startswith("__"):
        return name
    return name.strip("_")


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for each in tree.values():
            yield from tensors_in(each)
    elif isinstance(tree, tuple | list):
        for each in tree:
            yield from tensors_in(each)


def narrowed(given: Iterable[torch.Tensor], result: Iterable[torch.Tensor]) -> str:
    """What is wrong with a result of fewer bits than all that it was made from; empty where nothing is."""
    bits = [torch.finfo(each.dtype).bits for each in given if each.is_floating_point()]
    for each in result:
        if each.is_floating_point() and bits and torch.finfo(each.dtype).bits < min(bits):
            return f"rounds its result to {each.dtype} (run without torch.autocast)"
    return ""


def constants_of(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """The tensors that a model holds: parameters, buffers and plain attributes."""
    for module in model.modules():
        yield from module.parameters(recurse=False)
        yield from module.buffers(recurse=False)
        yield from tensors_in({key: value for key, value in module.__dict__.items() if not key.startswith("_")})
