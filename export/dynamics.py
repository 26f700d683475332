"""A neuron's equation as the discrete update that one step of the graph performs: the one place that knows dt.

Per step, with i the sum of what arrives::

    u ← α·u + g_u·i            only where there is a synaptic current, else u = i
    v ← β·v + g·u + c
    s = v > θ, then the reset

"euler": β = 1 − dt/τ;  "exponential": β = exp(−dt/τ), exact for a current that is constant within a step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import GraphError
from cortexcore.export.nodes import IF, LI, LIF, CubaLI, CubaLIF, Delay, Float, I, Neuron, Reset, Threshold

Discretization = Literal["euler", "exponential"]
DISCRETIZATIONS: tuple[Discretization, ...] = get_args(Discretization)
ROUNDING = 2.0**-51
"""What the two divisions in tau = dt/(1 − β) and β = 1 − dt/tau may round away."""
MAX_DELAY = 2**31 - 1
"""Steps; beyond them counts of steps would not fit everywhere."""
WHOLE = 1e-6
"""A delay may miss a whole number of steps by this share of one, as decimal fractions in floats do."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """One neuron's factors, each scalar or [*shape].

    Attributes:
        alpha, input_gain: α and g_u; both None without synaptic current.
        beta, gain, drive: β, g and c.
        threshold: θ; None for a neuron that sends v.
        reset, v_reset: as in :class:`cortexcore.export.nodes.LIF`; reset_delay: of a "subtract" alone.
    """

    alpha: Float | None
    input_gain: Float | None
    beta: Float
    gain: Float
    drive: Float
    threshold: Float | None
    reset: Reset = "none"
    reset_delay: bool = False
    v_reset: Float = field(default_factory=lambda: np.zeros(()))


def dynamics(node: Neuron, dt_s: float, discretization: Discretization) -> Dynamics:
    """The factors of ``node`` at a step of ``dt_s`` seconds.

    Raises:
        GraphError: Euler with a time constant shorter than the step, where the state would change its sign.
    """
    zero, one = np.zeros(()), np.ones(())
    alpha: Float | None = None
    input_gain: Float | None = None
    beta, gain, drive = one, zero, zero
    match node:
        case LIF() | LI():
            beta = decay(node.tau, dt_s, discretization)
            gain, drive = _settled((1 - beta) * node.r), (1 - beta) * node.v_leak
        case CubaLIF() | CubaLI():
            alpha, beta = (decay(tau, dt_s, discretization) for tau in (node.tau_syn, node.tau_mem))
            input_gain = _settled((1 - alpha) * node.w_in)
            gain, drive = _settled((1 - beta) * node.r), (1 - beta) * node.v_leak
        case IF() | I():
            gain = _settled(dt_s * node.r)
        case Threshold():
            return Dynamics(None, None, zero, one, zero, node.threshold)
        case _:
            raise TypeError(f"{type(node).__name__} is no neuron")
    if isinstance(node, LI | CubaLI | I):
        return Dynamics(alpha, input_gain, beta, gain, drive, None)
    delayed = node.reset_delay and node.reset == "subtract"
    return Dynamics(alpha, input_gain, beta, gain, drive, node.v_threshold, node.reset, delayed, node.v_reset)


def decay(tau: Float, dt_s: float, discretization: Discretization) -> Float:
    """β, the share of a state that is left after one step, from its time constant in seconds.

    Raises:
        GraphError: Euler with dt > tau.
    """
    if discretization == "exponential":
        return np.asarray(np.exp(-dt_s / tau))
    beta = np.asarray(1.0 - dt_s / tau)
    if beta.min(initial=0.0) < 0:
        raise GraphError(
            f"a time constant of {float(np.min(tau))} s, shorter than the step of {dt_s} s, "
            "which Euler cannot follow: use a shorter step or the exponential discretization"
        )
    return _settled(beta)


def _settled(factor: Float) -> Float:
    """``factor``, or the float32 that lies within the rounding of the time constant it was computed from.

    Networks are trained in float32, and a gain that is one bit above 1 fires where a weight equals the threshold.
    """
    with np.errstate(over="ignore"):
        near = np.asarray(factor).astype(np.float32).astype(np.float64)
    near = np.where(np.isfinite(near), near, factor)
    return np.where(np.abs(factor - near) <= ROUNDING * np.maximum(1.0, np.abs(near)), near, factor)


def delay_steps(node: Delay, dt_s: float) -> NDArray[np.int64]:
    """A delay in steps, scalar or [*shape].

    Raises:
        GraphError: it is negative, no whole number of steps, or above :data:`MAX_DELAY`.
    """
    steps = node.delay / dt_s
    whole = np.round(steps)
    bad = (whole < 0) | (whole > MAX_DELAY) | (np.abs(steps - whole) > WHOLE * np.maximum(1.0, whole))
    if bad.any():
        worst = float(node.delay[bad].flat[0])
        raise GraphError(
            f"a delay of {worst:g} s, {worst / dt_s:g} steps of {dt_s:g} s (use whole numbers of steps, none negative "
            f"or above {MAX_DELAY})"
        )
    return np.asarray(whole, np.int64)
