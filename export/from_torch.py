"""A PyTorch spiking network as a graph.

The model runs once on a sample, in evaluation, and every tensor is followed
(:mod:`cortexcore.export.torch_import.recorder`).
Two forms of ``forward`` are understood, and what lies between them:

* *One time step*, the neurons keeping their own state (``init_hidden=True``), or handing it through: a state that
  is passed as an argument and returned is the neuron's own. Samples are [B, *shape]. A plain ``nn.Sequential`` works.
* *All steps*, in a loop of its own::

      mem = self.lif.reset_mem()
      for step in range(x.size(0)):                      # or range(self.num_steps), with x the same at every step
          spk, mem = self.lif(self.fc(x[step]), mem)
          record.append(spk)
      return torch.stack(record)

  A sample that is indexed by step has its time on that axis, [T, B, *shape]; one that is used whole is a constant
  current, [B, *shape]. All steps must wire the neurons alike, each neuron being called once per step with the state
  that it returned; a value of the step before is a recurrent connection, one step late. Two steps at least, where
  something is late. A value of the last step alone stands for the signal that has it there.

Names: the parameters of ``forward`` are the graph's inputs, the paths of modules its nodes ("." becomes "_"); the
output is "y", several are "y0", "y1", … by their position or, from a returned dict, named by its keys.

A neuron with ``reset_mechanism="none"`` whose membrane is read is an integrator (LI, CubaLI, I), the readout. Returned
together with its membrane, its spikes and current are left out, as they follow from it. The membrane of a neuron
that resets has no output: choose what to keep by ``outputs``.

What is exported is what ``model.eval()`` computes: batch normalisation is folded into the layer before it or becomes a
layer of each channel with itself, dropout is gone, pooling over one axis is a convolution.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cortexcore.errors import GraphError, missing_package
from cortexcore.export.graph import Graph

if TYPE_CHECKING:
    import torch

    from cortexcore.export.torch_import.modules import Modules


def from_torch(
    model: torch.nn.Module,
    sample_inputs: Any,
    dt_s: float,
    metadata: Mapping[str, Any] | None = None,
    *,
    outputs: Sequence[int | str] | int | None = None,
) -> Graph:
    """Export a module; see the module docstring for the forms of ``forward``.

    Args:
        model: the network; it is left as it was: mode, states, buffers and random generators.
        sample_inputs: one array or tensor per input, [B, *shape] or with time, [T, B, *shape], alone, in a tuple or in
            a dict by name; numbers, strings and None are handed on. Values do not matter, steps and shapes do.
        dt_s: length of a step in seconds; it gives snnTorch's β its time constant, tau = dt/(1 − β).
        metadata: JSON values for the graph, e.g. classes, front end, or ``input_ranges`` {input: (low, high)}, by which
            a reset "subtract" without delay can be proven to be kept.
        outputs: the returned values that become outputs, by position or name, several or one; all of them if None.

    Returns:
        the graph, discretized with Euler.

    Raises:
        GraphError: whatever cannot be kept, all of it at once, each with its remedy.
        TargetUnavailable: torch or snntorch is not installed.
    """
    try:
        from cortexcore.export.torch_import.modules import Modules
        from cortexcore.export.torch_import.rest import at_rest
        from cortexcore.export.torch_import.returned import wanted_outputs
        from cortexcore.export.torch_import.steps import Fold
    except ImportError as error:
        raise missing_package(error.name or "torch", "train", "exporting a PyTorch network") from error
    from cortexcore.export.torch_import.ranges import unproven
    from cortexcore.export.torch_import.values import Argument

    _require_module(model)
    if not (math.isfinite(dt_s) and dt_s > 0):
        raise GraphError(f"dt_s is {dt_s}, it must be a positive number of seconds")
    _refuse_wrappers(model)
    samples = _samples(model, sample_inputs)
    with at_rest(model) as random:
        try:
            modules = Modules(model)
        except GraphError as error:
            raise GraphError(f"{type(model).__name__} cannot be exported: {error}") from error
        recorder = modules.recorder
        tensors = {name: _tensor(model, value) for name, value in samples.items()}
        for name, tensor in tensors.items():
            if hasattr(tensor, "shape"):
                recorder.bind(tensor, Argument(name, tuple(range(tensor.ndim))))
        result = _run(model, modules, tensors)
        wanted, problems = wanted_outputs(modules, result, outputs)
    problems += [*recorder.problems, *recorder.changed_unseen(), *random]
    inputs = {}
    for name, tensor in tensors.items():
        if name in recorder.whole and name in recorder.stepped:
            problems.append(f"input '{name}' is used step by step and also whole (give it as two inputs)")
        elif hasattr(tensor, "shape") and name not in modules.states:
            calls = [recorder.whole[name]] if name in recorder.whole else list(recorder.stepped.get(name, {}).values())
            inputs[name] = calls[0].shape if calls else tuple(int(n) for n in tensor.shape[1:])
            if not inputs[name] or min(inputs[name]) < 1:
                problems.append(f"the sample of '{name}' must have the shape [B, *shape], with a batch axis first")
    fold = Fold(modules.calls, wanted, inputs, float(dt_s))
    fold.problems += problems
    graph = fold.graph(dict(metadata or {}))
    if graph is not None:
        fold.problems += unproven(graph, fold.at_once)
    if graph is None or fold.problems:
        raise GraphError(f"{type(model).__name__} cannot be exported: " + "; ".join(dict.fromkeys(fold.problems)))
    return graph


def _require_module(model: Any) -> None:
    import torch

    if isinstance(model, type):
        raise GraphError(f"{model.__name__} is a class: give an instance, {model.__name__}(...)")
    if not isinstance(model, torch.nn.Module):
        raise GraphError(f"a network is a torch.nn.Module, this is of the type {type(model).__name__}: give the module")


def _refuse_wrappers(model: torch.nn.Module) -> None:
    """Compiled and distributed modules run outside of Python or in other threads, where nothing can be followed."""
    import torch

    spread = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    problems = []
    for path, each in model.named_modules():
        if isinstance(each, torch.jit.ScriptModule):
            problems.append(
                f"{path or 'the model'}: compiled by torch.jit, cannot be followed (give it as it was before)"
            )
        elif isinstance(each, spread):
            problems.append(f"{path or 'the model'}: a {type(each).__name__} (give the module in it, its .module)")
        elif hasattr(each, "_orig_mod") or getattr(each, "_compiled_call_impl", None) is not None:
            problems.append(
                f"{path or 'the model'}: compiled by torch.compile (give it as it was before, its _orig_mod)"
            )
    if problems:
        raise GraphError(f"{type(model).__name__} cannot be exported: {'; '.join(problems)}")


def _run(model: torch.nn.Module, modules: Modules, tensors: Mapping[str, Any]) -> Any:
    """Run the model under the recorder."""
    try:
        with modules.following():
            return model(**tensors)
    except GraphError as error:
        more = "; ".join(dict.fromkeys(modules.recorder.problems))
        raise GraphError(f"{type(model).__name__} cannot be exported: {error}{'; ' + more if more else ''}") from error
    except Exception as error:
        raise GraphError(
            f"the forward of {type(model).__name__} does not run on the sample: {error} (give each input as it takes "
            "it: [B, *shape], or with time, [T, B, *shape])"
        ) from error


def _samples(model: torch.nn.Module, sample_inputs: Any) -> dict[str, Any]:
    """Argument of forward → sample."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(parameter.kind in kinds for parameter in parameters):
        raise GraphError(f"the forward of {type(model).__name__} takes arguments without names (name them)")
    names = [parameter.name for parameter in parameters]
    needed = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    if isinstance(sample_inputs, Mapping):
        samples = {str(key): value for key, value in sample_inputs.items()}
    elif isinstance(sample_inputs, tuple | list):
        samples = dict(zip(names, sample_inputs, strict=False)) if len(sample_inputs) <= len(names) else {}
    else:
        samples = {names[0]: sample_inputs} if names else {}
    if not set(needed) <= set(samples) <= set(names) or not samples:
        raise GraphError(f"forward takes {names}: give one sample [B, *shape] for each, in a tuple or a dict by name")
    bad = [
        name
        for name, value in samples.items()
        if hasattr(value, "shape") and (np.ndim(value) < 2 or 0 in np.shape(value))
    ]
    if bad or not any(hasattr(value, "shape") for value in samples.values()):
        raise GraphError(f"the samples of {bad or names} must have the shape [B, *shape], with a batch axis first")
    return samples


def _tensor(model: torch.nn.Module, value: Any) -> Any:
    """A sample as a tensor of the model's type; what is no array as it is."""
    import torch

    if not hasattr(value, "shape"):
        return value
    like = next((p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()), torch.zeros(()))
    return torch.tensor(value if not hasattr(value, "detach") else value.detach().cpu().numpy()).to(like)
