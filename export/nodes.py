"""The float graph's nodes: one frozen dataclass per layer or neuron type, named as in NIR.

Parameters are float64 arrays, scalar (shape ``()``) or one value per neuron. Every neuron is updated in the
same order in each step of ``dt_s`` seconds: leak, integrate, fire, reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Reset = Literal["zero", "subtract", "none"]
RESETS: tuple[Reset, ...] = ("zero", "subtract", "none")


@dataclass(frozen=True, eq=False)
class Input:
    """Where data enters; ``shape`` without time and batch, e.g. ``(2, 100)`` for two channels of 100 samples."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Output:
    """Where data leaves; ``shape`` without time and batch."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Linear:
    """y = W·x, with ``weight`` [out, in]."""

    weight: Float


@dataclass(frozen=True, eq=False)
class Affine:
    """y = W·x + b, with ``weight`` [out, in] and ``bias`` [out]."""

    weight: Float
    bias: Float


@dataclass(frozen=True, eq=False)
class Conv1d:
    """Cross-correlation y[o, p] = Σ_{c,k} W[o, c, k]·x[c, p·stride + k·dilation − padding] + b[o].

    ``weight`` [out, in/groups, kernel], ``bias`` [out], input [in, input_length], zero padding on both sides.
    """

    weight: Float
    bias: Float
    input_length: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def output_length(self) -> int:
        reach = self.dilation * (self.weight.shape[2] - 1) + 1
        return (self.input_length + 2 * self.padding - reach) // self.stride + 1


@dataclass(frozen=True, eq=False)
class Flatten:
    """Input of ``input_shape`` read as one vector, last axis fastest (C order)."""

    input_shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Scale:
    """y = s·x elementwise; ``scale`` is a scalar or has the input's shape."""

    scale: Float


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate-and-fire: tau·dv/dt = (v_leak − v) + r·i.

    Step, with β = 1 − dt/tau (Euler) or exp(−dt/tau) (exponential):
    v ← β·v + (1 − β)·(v_leak + r·i);  s = v > v_threshold (strict);  then the reset where s:
    "zero": v ← 0,  "subtract": v ← v − v_threshold,  "none": v stays.
    With ``reset_delay`` a "subtract" reaches v in the next step, after the leak: v[t+1] = β·v[t] + … −
    v_threshold·s[t] (snnTorch's default); a delayed "zero" fires the same spikes as an immediate one.
    ``tau`` in seconds; shapes scalar or [*shape].
    """

    shape: tuple[int, ...]
    tau: Float
    r: Float
    v_leak: Float
    v_threshold: Float
    reset: Reset
    reset_delay: bool = False


@dataclass(frozen=True, eq=False)
class CubaLIF:
    """Current-based LIF: tau_syn·du/dt = −u + w_in·i;  tau_mem·dv/dt = (v_leak − v) + r·u.

    Step: u ← α·u + (1 − α)·w_in·i, then v as in :class:`LIF` with i replaced by the new u, fire and reset as
    there; α from tau_syn as β from tau_mem. Times in seconds.
    """

    shape: tuple[int, ...]
    tau_syn: Float
    tau_mem: Float
    r: Float
    v_leak: Float
    v_threshold: Float
    w_in: Float
    reset: Reset
    reset_delay: bool = False


@dataclass(frozen=True, eq=False)
class LI:
    """Leaky integrator, the usual readout: tau·dv/dt = (v_leak − v) + r·i; no threshold, its output is v."""

    shape: tuple[int, ...]
    tau: Float
    r: Float
    v_leak: Float


Neuron = LIF | CubaLIF | LI
Node = Input | Output | Linear | Affine | Conv1d | Flatten | Scale | LIF | CubaLIF | LI
