"""One torch or snnTorch module as one node; whatever a node cannot keep is a :class:`Refusal` with its remedy.

torch and snntorch are looked at, never imported at this module's import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Float, Linear, Node, Reset
from cortexcore.export.shapes import Shape

if TYPE_CHECKING:
    import torch


class Refusal(Exception):
    """What a module does that no node can keep, and the remedy; collected by ``from_torch`` into one GraphError."""


def layer(module: torch.nn.Module, shape: Shape) -> Node:
    """A Linear, Conv1d or Flatten that receives ``shape`` (without batch).

    Raises:
        Refusal: the layer, or one of its options, has no node.
    """
    import torch

    match module:
        case torch.nn.Linear():
            if len(shape) != 1:
                raise Refusal(f"is applied to the last axis of {shape} (put nn.Flatten() before it)")
            weight = array(module.weight)
            return Linear(weight) if module.bias is None else Affine(weight, array(module.bias))
        case torch.nn.Conv1d():
            return _conv1d(module, shape)
        case torch.nn.Flatten():
            if (module.start_dim, module.end_dim) not in ((1, -1), (1, len(shape))):
                raise Refusal("flattens only some axes (use nn.Flatten() with its defaults)")
            return Flatten(shape)
    raise Refusal(
        f"is a {type(module).__name__}, which has no counterpart (use Linear, Conv1d, BatchNorm1d, Flatten, Dropout, "
        "snntorch.Leaky or snntorch.Synaptic)"
    )


def _conv1d(module: torch.nn.Conv1d, shape: Shape) -> Conv1d:
    if len(shape) != 2:
        raise Refusal(f"receives {shape}, it takes [channels, length]")
    if module.padding_mode != "zeros":
        raise Refusal(f"pads with '{module.padding_mode}' (use padding_mode='zeros')")
    weight = array(module.weight)
    stride, dilation = int(module.stride[0]), int(module.dilation[0])
    padding = module.padding if isinstance(module.padding, str) else int(module.padding[0])
    if padding == "same":
        reach = dilation * (weight.shape[2] - 1)
        if reach % 2:
            raise Refusal("pads both sides unequally with padding='same' (use an odd kernel or a number)")
        padding = reach // 2
    bias = np.zeros(len(weight)) if module.bias is None else array(module.bias)
    return Conv1d(weight, bias, shape[1], stride, 0 if padding == "valid" else int(padding), dilation, module.groups)


def fold_batch_norm(module: torch.nn.BatchNorm1d, before: Node) -> Affine | Conv1d:
    """BatchNorm1d as ``model.eval()`` computes it, folded into the linear node ``before`` it.

    y = γ·(x − mean)/√(var + ε) + β, so that W ← W·g and b ← (b − mean)·g + β with g = γ/√(var + ε).

    Raises:
        Refusal: there is no linear layer before it, or it keeps no running statistics.
    """
    if module.running_mean is None or module.running_var is None:
        raise Refusal("keeps no running statistics (use track_running_stats=True)")
    if not isinstance(before, Linear | Affine | Conv1d):
        raise Refusal("does not follow a Linear or Conv1d directly (move it there, so that it can be folded)")
    gain = 1.0 / np.sqrt(array(module.running_var) + module.eps)
    offset = np.zeros_like(gain)
    if module.affine:
        gain, offset = gain * array(module.weight), array(module.bias)
    bias = np.zeros(len(before.weight)) if isinstance(before, Linear) else before.bias
    bias = (bias - array(module.running_mean)) * gain + offset
    if isinstance(before, Conv1d):
        weight = before.weight * gain[:, None, None]
        return Conv1d(weight, bias, before.input_length, before.stride, before.padding, before.dilation, before.groups)
    return Affine(before.weight * gain[:, None], bias)


def neuron(module: Any, shape: Shape, dt_s: float, membrane: bool) -> Node:
    """A ``snntorch.Leaky`` or ``Synaptic`` as LIF, CubaLIF or, where ``membrane`` is what is read, LI.

    snnTorch adds the input to the decayed state without a gain, v ← β·v + i; under Euler that is
    tau = dt/(1 − β) and r = 1/(1 − β).

    Args:
        module: the neuron.
        shape: what it receives, without batch.
        dt_s: the graph's time step in seconds.
        membrane: its membrane is read, not its spikes.

    Raises:
        Refusal: an option without counterpart.
    """
    import snntorch

    reset: Reset = module.reset_mechanism
    _refuse_options(module)
    threshold = _parameter(module.threshold, shape, "threshold")
    if threshold.min() < 0:
        raise Refusal(f"has a threshold of {threshold.min():g}, which fires at rest (use a threshold of at least 0)")
    tau, gain = _time_constant(module.beta, shape, dt_s, "beta")
    zero = np.zeros(())
    if membrane:
        if type(module) is not snntorch.Leaky or reset != "none":
            raise Refusal("is read at its membrane (a readout is snntorch.Leaky with reset_mechanism='none')")
        return LI(shape, tau, gain, zero)
    if reset == "subtract" and not module.reset_delay:
        raise Refusal(
            "subtracts at once, and snnTorch does so twice where the membrane is still above its threshold "
            "(use reset_delay=True or reset_mechanism='zero')"
        )
    if type(module) is snntorch.Leaky:
        return LIF(shape, tau, gain, zero, threshold, reset, bool(module.reset_delay) and reset == "subtract")
    if reset == "zero" and module.reset_delay:
        raise Refusal("drops the input of the step after a spike (use reset_delay=False)")
    tau_syn, w_in = _time_constant(module.alpha, shape, dt_s, "alpha")
    return CubaLIF(shape, tau_syn, tau, gain, zero, threshold, w_in, reset, reset == "subtract")


def _refuse_options(module: Any) -> None:
    """Refuse what snnTorch can do to a spike that no target does."""
    import snntorch
    import torch

    if type(module) not in (snntorch.Leaky, snntorch.Synaptic):
        raise Refusal(f"is a {type(module).__name__} (use snntorch.Leaky or snntorch.Synaptic)")
    if module.inhibition:
        raise Refusal("inhibits its neighbours (use inhibition=False)")
    if module.state_quant:
        raise Refusal("quantizes its own state (use state_quant=False; quantize() does it after the export)")
    if float(np.max(np.abs(array(module.graded_spikes_factor) - 1.0))) > 0:
        raise Refusal("sends graded spikes (use graded_spikes_factor=1)")
    probe = torch.cat([torch.linspace(-4.0, 4.0, 801), torch.tensor([-1e-4, 0.0, 1e-4])])
    with torch.no_grad():
        fired = module.spike_grad(probe)
    if not torch.equal(fired.to(probe.dtype), (probe > 0).to(probe.dtype)):
        raise Refusal("fires by something else than v > threshold (use a surrogate with a hard forward step)")


def _time_constant(beta: Any, shape: Shape, dt_s: float, name: str) -> tuple[Float, Float]:
    """tau in seconds and the gain 1/(1 − β) that undoes the leak's weight, from snnTorch's clamped β."""
    kept = np.clip(_parameter(beta, shape, name), 0.0, 1.0)
    if kept.max() >= 1.0:
        raise Refusal(f"never leaks, {name} = 1 has no time constant (use {name} below 1, e.g. 0.999)")
    return dt_s / (1.0 - kept), 1.0 / (1.0 - kept)


def _parameter(value: Any, shape: Shape, name: str) -> Float:
    """A neuron's parameter as a scalar, or one value per neuron where snnTorch broadcasts it."""
    values = array(value)
    if values.size == 1:
        return values.reshape(())
    try:
        return np.array(np.broadcast_to(values, shape))
    except ValueError:
        raise Refusal(f"has a {name} of shape {values.shape}, which does not broadcast to {shape}") from None


def array(tensor: Any) -> Float:
    """A tensor or number as a float64 array of its own."""
    value = tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor
    return np.array(value, dtype=np.float64)
