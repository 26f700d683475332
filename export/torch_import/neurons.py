"""snnTorch's neurons as nodes; whatever a node cannot keep is a :class:`Refusal` with its remedy.

Read in the source of snnTorch 1.0 (``snntorch/_neurons``); s' are the spikes of the step before, θ the threshold::

    Leaky       v ← β·v + i − s'·θ                             "subtract" with reset_delay
                v ← β·v·(1 − s') + i                           "zero" with reset_delay: fires as an immediate reset
    Synaptic    u ← α·u + i,  v ← β·v + u − s'·θ               "subtract" with reset_delay
                v ← (β·v + u)·(1 − s')                         "zero" with reset_delay: drops a step, has no node
    RLeaky, RSynaptic   as Leaky and Synaptic with i + recurrent(s'), and "zero" with reset_delay as in Synaptic
    Lapicque    v ← (1 − T/RC)·v + (T/C)·i − s'·θ              T = time_step; "zero" as in Synaptic

Without reset_delay, v ← 0 where s ("zero"), or v ← v − θ where s; but where v is still above θ after that, the next
step fires only above 2·θ. That "subtract" equals a plain one only where v never passes 2·θ; the caller proves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cortexcore.export.dynamics import decay
from cortexcore.export.nodes import IF, LI, LIF, CubaLI, CubaLIF, Float, I, Node, Reset, Scale
from cortexcore.export.shapes import Shape
from cortexcore.export.torch_import.layers import array, convolution, linear
from cortexcore.export.torch_import.values import Refusal, a

MECHANISMS: dict[str, Reset] = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}
STATES = {
    "Leaky": ("mem",),
    "Lapicque": ("mem",),
    "Synaptic": ("syn", "mem"),
    "RLeaky": ("spk", "mem"),
    "RSynaptic": ("spk", "syn", "mem"),
}
"""The states of each neuron in the order in which it takes them after its input; it returns spikes, then the others."""


def neuron(module: Any, shape: Shape, dt_s: float, membrane: bool) -> tuple[Node, Node | None]:
    """A neuron as LIF, CubaLIF or IF or, where ``membrane`` is what is read, LI, CubaLI or I.

    snnTorch adds the input to the decayed state without a gain, v ← β·v + i; under Euler that is
    tau = dt/(1 − β) and r = 1/(1 − β), and r = 1/dt where β = 1.

    Args:
        module: the neuron.
        shape: what it receives, without batch.
        dt_s: the graph's time step in seconds.
        membrane: its membrane is read, not its spikes.

    Returns:
        the node, and the layer through which its spikes return to it, if it has one.

    Raises:
        Refusal: options without counterpart; all of them in one.
    """
    check(module)
    kind = type(module).__name__
    faults: list[str] = []
    reset = _reset(module, faults)
    if kind == "Lapicque":
        beta, gain = _circuit(module, shape, faults)
    else:
        beta, gain = _decay(module.beta, shape, "beta", faults), np.ones(())
    alpha = _decay(module.alpha, shape, "alpha", faults) if "syn" in STATES[kind] else None
    if alpha is not None and alpha.max() >= 1.0:
        faults.append("never forgets its input: alpha = 1 has no time constant (use alpha below 1, e.g. 0.999)")
    threshold = _collect(lambda: _parameter(module.threshold, shape, "threshold"), faults, np.ones(()))
    if not membrane and threshold.min() <= 0:
        faults.append(f"has a threshold of {threshold.min():g}, which fires at rest (use a threshold above 0)")
    returning = _collect(lambda: _recurrent(module, shape), faults, None)
    if membrane and (reset != "none" or returning is not None):
        faults.append(
            "is read at its membrane, which only a readout sends (read its spikes, or use reset_mechanism='none' in a "
            "neuron without recurrence)"
        )
    if beta.max() >= 1.0 and (beta.min() < 1.0 or alpha is not None):
        faults.append(
            "never leaks: beta = 1 has no time constant "
            + ("in a neuron with a synaptic current" if alpha is not None else "where others leak")
            + " (use beta below 1, e.g. 0.999)"
        )
    if faults:
        raise Refusal("; it ".join(faults))
    delayed = reset == "subtract" and bool(getattr(module, "reset_delay", True))
    return _node(shape, dt_s, alpha, beta, gain, threshold, reset, delayed, membrane), returning


def check(module: Any) -> None:
    """Refuse a class of neuron that has no node."""
    import snntorch

    if type(module) is not getattr(snntorch, type(module).__name__, None) or type(module).__name__ not in STATES:
        raise Refusal(f"is {a(type(module).__name__)}, which has no counterpart (use snntorch's {', '.join(STATES)})")


def _node(
    shape: Shape,
    dt_s: float,
    alpha: Float | None,
    beta: Float,
    gain: Float,
    threshold: Float,
    reset: Reset,
    delayed: bool,
    membrane: bool,
) -> Node:
    zero = np.zeros(())
    if beta.min() >= 1.0:
        r = gain / dt_s
        return I(shape, r) if membrane else IF(shape, r, threshold, reset, delayed)
    tau, r = _time_constant(beta, dt_s), gain / (1.0 - beta)
    if alpha is None:
        return LI(shape, tau, r, zero) if membrane else LIF(shape, tau, r, zero, threshold, reset, delayed)
    tau_syn, w_in = _time_constant(alpha, dt_s), 1.0 / (1.0 - alpha)
    if membrane:
        return CubaLI(shape, tau_syn, tau, r, zero, w_in)
    return CubaLIF(shape, tau_syn, tau, r, zero, threshold, w_in, reset, delayed)


def _time_constant(kept: Float, dt_s: float) -> Float:
    """tau = dt/(1 − β) in seconds: of the floats next to it, the one from which β comes back without rounding, if any.

    Every β of a float32 network comes back exactly, one of a float64 network within 2^−53.
    """
    tau = np.asarray(dt_s / (1.0 - kept))
    for near in (np.maximum(np.nextafter(tau, 0.0), dt_s), np.nextafter(tau, np.inf)):
        better = (decay(tau, dt_s, "euler") != kept) & (decay(near, dt_s, "euler") == kept)
        tau = np.where(better, near, tau)
    return tau


def _reset(module: Any, faults: list[str]) -> Reset:
    """The reset that a neuron computes, and what of it and of its other options has no node."""
    kind = type(module).__name__
    computed = MECHANISMS.get(module.state_function.__name__, "none")
    stored = list(module.reset_dict)[int(module.reset_mechanism_val)]
    if not computed == stored == module.reset_mechanism:
        faults.append(
            f"was made to reset by '{computed}' and then set to '{stored}', which snnTorch follows in parts only "
            "(give reset_mechanism when the neuron is made)"
        )
    delayed = bool(getattr(module, "reset_delay", True))
    if kind == "RSynaptic" and not delayed:
        faults.append(
            "has reset_delay=False, which snnTorch 1.0 fails at or ignores in an RSynaptic (use "
            + ("" if computed == "zero" else "reset_delay=True, or ")
            + "a Synaptic whose spikes return through a Linear in forward)"
        )
    elif computed == "zero" and delayed and kind != "Leaky":
        instead = {
            "Lapicque": "snntorch.Leaky",
            "RSynaptic": "a Synaptic with reset_delay=False whose spikes return through a Linear in forward",
        }
        faults.append(f"drops the input of the step after a spike (use {instead.get(kind, 'reset_delay=False')})")
    if module.inhibition:
        faults.append("inhibits its neighbours (use inhibition=False)")
    if module.state_quant:
        faults.append("quantizes its own state (use state_quant=False; quantize() does it after the export)")
    if not _hard(module):
        faults.append("fires by something else than v > threshold (use a surrogate with a hard forward step)")
    return computed


def _hard(module: Any) -> bool:
    """Whether the surrogate's forward step is 1 above 0 and 0 elsewhere."""
    import torch

    probe = torch.cat([torch.linspace(-4.0, 4.0, 801), torch.tensor([-1e-4, 0.0, 1e-4])])
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        fired = module.spike_grad(probe.to(module.threshold.device))
    return torch.equal(fired.cpu().to(probe.dtype), (probe > 0).to(probe.dtype))


def _recurrent(module: Any, shape: Shape) -> Node | None:
    """The layer through which spikes return, of an RLeaky or RSynaptic."""
    import torch

    if "spk" not in STATES[type(module).__name__]:
        return None
    inner = module.recurrent
    try:
        match inner:
            case torch.nn.Linear():
                return linear(inner.weight, inner.bias, shape)
            case torch.nn.Conv2d():
                return convolution(
                    inner.weight, inner.bias, shape, inner.stride, inner.padding, inner.dilation, inner.groups
                )
        return Scale(_parameter(inner.V, shape, "V"))
    except Refusal as refusal:
        raise Refusal(f"has a recurrent layer that {refusal}") from None


def _circuit(module: Any, shape: Shape, faults: list[str]) -> tuple[Float, Float]:
    """β = 1 − T/RC and the input's gain T/C, of a Lapicque: its ``beta`` only made R and C."""
    r, c, step = (
        _collect(lambda value=value, name=name: _parameter(value, shape, name), faults, np.ones(()))
        for value, name in ((module.R, "R"), (module.C, "C"), (module.time_step, "time_step"))
    )
    beta = np.asarray(1.0 - step / (r * c))
    if beta.min() < 0 or beta.max() > 1:
        worst = float(beta.min() if beta.min() < 0 else beta.max())
        faults.append(
            f"keeps {worst:g} of its membrane per step, 1 − time_step/(R·C), which must lie in [0, 1] "
            "(use a smaller time_step, or a beta of at least 0.37)"
        )
    return beta, np.asarray(r * (1.0 / (r * c)) * step)


def _decay(value: Any, shape: Shape, name: str, faults: list[str]) -> Float:
    """α or β as snnTorch uses it, within [0, 1]; outside it would be clamped without a word."""
    kept: Float = _collect(lambda: _parameter(value, shape, name), faults, np.zeros(()))
    if kept.min() < 0 or kept.max() > 1:
        worst = float(kept.min() if kept.min() < 0 else kept.max())
        faults.append(f"has {a(name)} of {worst:g}, it must lie in [0, 1] (clamp it after training)")
        return np.zeros(())
    return kept


def _parameter(value: Any, shape: Shape, name: str) -> Float:
    """A neuron's parameter as a scalar, or one value per neuron where snnTorch broadcasts it."""
    values = array(value, f"{a(name)} with values")
    if values.size == 1:
        return values.reshape(())
    if values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    try:
        return np.array(np.broadcast_to(values, shape))
    except ValueError:
        raise Refusal(f"has {a(name)} of shape {values.shape}, which does not broadcast to {shape}") from None


def _collect(read: Any, faults: list[str], instead: Any) -> Any:
    """What ``read`` gives, or ``instead`` and one more fault."""
    try:
        return read()
    except Refusal as refusal:
        faults.append(str(refusal))
        return instead
