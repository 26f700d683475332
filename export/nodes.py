"""The float graph's nodes: one frozen dataclass per layer or neuron type, named as in NIR 1.0.

Parameters are float64 arrays, scalar (shape ``()``) or one value per neuron. In each step of ``dt_s`` seconds every
neuron is updated in the same order: leak, integrate, fire, reset. The discrete factors that stand in the docstrings,
of Euler (β = 1 − dt/τ) or exponential (β = exp(−dt/τ)) discretization, are computed in
:mod:`cortexcore.export.dynamics`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.windows import Sizes, Window

Float = NDArray[np.float64]
Reset = Literal["zero", "subtract", "none"]
RESETS: tuple[Reset, ...] = ("zero", "subtract", "none")
Pair = tuple[int, int]


def _zero() -> Float:
    return np.zeros(())


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
    def window(self) -> Window:
        return Window((self.weight.shape[2],), (self.stride,), (self.padding,), (self.dilation,))

    @property
    def input_size(self) -> Sizes:
        return (self.input_length,)

    @property
    def output_size(self) -> Sizes:
        return self.window.positions(self.input_size)

    @property
    def output_length(self) -> int:
        return self.output_size[0]


@dataclass(frozen=True, eq=False)
class Conv2d:
    """As :class:`Conv1d` over two axes: ``weight`` [out, in/groups, height, width], input [in, *input_size].

    ``bias`` [out]; ``input_size``, ``stride``, ``padding``, ``dilation``: (height, width).
    """

    weight: Float
    bias: Float
    input_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def window(self) -> Window:
        return Window(tuple(self.weight.shape[2:]), self.stride, self.padding, self.dilation)

    @property
    def output_size(self) -> Sizes:
        return self.window.positions(self.input_size)


@dataclass(frozen=True, eq=False)
class SumPool2d:
    """y[c, p] = Σ_k x[c, p·stride + k − padding] over a window of ``kernel`` (height, width), padded with zeros.

    Input [channels, height, width]; positions as of a convolution (what does not fill a window is left out).
    """

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, (1, 1))


@dataclass(frozen=True, eq=False)
class AvgPool2d:
    """:class:`SumPool2d` divided by the window's area, padding counted (PyTorch's ``count_include_pad=True``)."""

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.padding, (1, 1))

    @property
    def area(self) -> int:
        return math.prod(self.kernel)


@dataclass(frozen=True, eq=False)
class Flatten:
    """Input of ``input_shape`` with the axes ``start`` to ``end``, both counted, as one, last fastest."""

    input_shape: tuple[int, ...]
    start: int = 0
    end: int = -1


@dataclass(frozen=True, eq=False)
class Scale:
    """y = s·x elementwise; ``scale`` is a scalar or has the input's shape."""

    scale: Float


@dataclass(frozen=True, eq=False)
class Delay:
    """y(t) = x(t − delay), 0 before: y[t] = x[t − delay/dt]. ``delay`` in seconds, whole steps, scalar or [*shape]."""

    delay: Float


@dataclass(frozen=True, eq=False)
class Threshold:
    """s = i > threshold (strict), without memory; ``threshold`` scalar or [*shape]."""

    shape: tuple[int, ...]
    threshold: Float


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate-and-fire: tau·dv/dt = (v_leak − v) + r·i.

    Step: v ← β·v + (1 − β)·(v_leak + r·i);  s = v > v_threshold (strict);  then the reset where s:
    "zero": v ← v_reset,  "subtract": v ← v − v_threshold,  "none": v stays.
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
    v_reset: Float = field(default_factory=_zero)


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
    v_reset: Float = field(default_factory=_zero)


@dataclass(frozen=True, eq=False)
class IF:
    """Integrate-and-fire: dv/dt = r·i.

    Step: v ← v + dt·r·i, then fire and reset as in :class:`LIF`.
    """

    shape: tuple[int, ...]
    r: Float
    v_threshold: Float
    reset: Reset
    reset_delay: bool = False
    v_reset: Float = field(default_factory=_zero)


@dataclass(frozen=True, eq=False)
class LI:
    """Leaky integrator, the usual readout: tau·dv/dt = (v_leak − v) + r·i; no threshold, its output is v."""

    shape: tuple[int, ...]
    tau: Float
    r: Float
    v_leak: Float


@dataclass(frozen=True, eq=False)
class CubaLI:
    """Leaky integrator with synaptic current: u as in :class:`CubaLIF`, v as in :class:`LI` with i replaced by u."""

    shape: tuple[int, ...]
    tau_syn: Float
    tau_mem: Float
    r: Float
    v_leak: Float
    w_in: Float


@dataclass(frozen=True, eq=False)
class I:  # noqa: E742
    """Integrator: dv/dt = r·i, in steps v ← v + dt·r·i; no threshold, its output is v."""

    shape: tuple[int, ...]
    r: Float


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A network within a network, with one :class:`Input` and one :class:`Output`, through which its signal passes.

    It means what its nodes mean, named "<name>.<node>"; :func:`cortexcore.export.subgraphs.inline` writes them out.
    """

    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]


Spiking = LIF | CubaLIF | IF | Threshold
"""Neurons that send spikes."""
Readout = LI | CubaLI | I
"""Neurons that send their membrane."""
Neuron = LIF | CubaLIF | IF | Threshold | LI | CubaLI | I
Convolution = Conv1d | Conv2d
Pool = SumPool2d | AvgPool2d
Layer = Linear | Affine | Conv1d | Conv2d
"""Linear nodes with weights."""
Stateless = Linear | Affine | Conv1d | Conv2d | SumPool2d | AvgPool2d | Flatten | Scale
"""Nodes whose output depends on nothing but their present input."""
Node = (
    Input
    | Output
    | Linear
    | Affine
    | Conv1d
    | Conv2d
    | SumPool2d
    | AvgPool2d
    | Flatten
    | Scale
    | Delay
    | Threshold
    | LIF
    | CubaLIF
    | IF
    | LI
    | CubaLI
    | I
    | Subgraph
)
