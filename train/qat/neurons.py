"""Neurons of the trainable integer network, step by step in float64, which holds every value exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortexcore.export.integer_currents import WRAP
from cortexcore.export.network import (
    BIAS_LIMIT,
    DECAY_ONE,
    STATE_LIMIT,
    THRESHOLD_SHIFT,
    WEIGHT_LIMIT,
    Field,
    Population,
)
from cortexcore.train.qat.rounding import fire, on_grid, truncate


@dataclass
class State:
    """A population between two steps, each [B, neurons]: u, v after its reset, spikes; ``peak`` of |u|, |v| so far."""

    u: Tensor
    v: Tensor
    s: Tensor
    peak: float = 0.0


class QatNeurons(nn.Module):
    """A population's fields; only its bias is trained, and only where :class:`Bias` says so.

    Args:
        p: of the integer network.
        bias: the wanted bias in mantissas, [*shape] or less; None keeps the integers as they are.
        unit: float value of one integer unit, which scales the surrogate of a threshold of 0.
        slope: of the surrogate.
    """

    bias_master: Tensor
    kept_u: Tensor
    kept_v: Tensor
    level: Tensor
    span: Tensor

    def __init__(self, p: Population, bias: NDArray[np.float64] | None, unit: float, slope: float) -> None:
        super().__init__()
        self.population, self.slope = p, slope
        self.spiking = p.vth is not None
        self.has_current = p.has_current
        exponent = max((s.operation.weight_exp for s in p.synapses), default=0)
        self._bias_unit = WEIGHT_LIMIT * 2.0 ** (exponent + THRESHOLD_SHIFT - p.bias_exp)
        self.frozen = bias is None
        if bias is None:
            self.register_buffer("bias_master", torch.from_numpy(np.array(p.bias, np.float64)))
        else:
            self.bias_master = nn.Parameter(torch.from_numpy(np.asarray(bias / self._bias_unit)))
        level = _flat(0 if p.vth is None else p.vth) * 2.0**THRESHOLD_SHIFT
        self.register_buffer("kept_u", (DECAY_ONE - 1 - _flat(p.du)) / DECAY_ONE)
        self.register_buffer("kept_v", (DECAY_ONE - _flat(p.dv)) / DECAY_ONE)
        self.register_buffer("level", level)
        self.register_buffer("span", torch.where(level > 0, level, torch.full_like(level, 2.0**THRESHOLD_SHIFT / unit)))

    def bias(self) -> Tensor:
        """Mantissas on their grid, float64, [*shape] or less."""
        if self.frozen:
            return self.bias_master
        return on_grid(self.bias_master * self._bias_unit, 1, 1 - BIAS_LIMIT, BIAS_LIMIT - 1)

    def wanted_bias(self) -> NDArray[np.float64]:
        """The bias before rounding, in mantissas."""
        if self.frozen:
            return np.asarray(self.bias_master.numpy())
        return np.asarray(self.bias_master.detach().numpy() * self._bias_unit)

    def drive(self) -> Tensor:
        """What the bias adds to v in every step, for one neuron or [neurons]."""
        bias = self.bias() * 2.0**self.population.bias_exp
        return bias.expand(self.population.shape).reshape(-1) if bias.ndim else bias

    def rest(self, batch: int) -> State:
        zeros = torch.zeros(batch, self.population.size, dtype=torch.float64)
        return State(zeros, zeros, zeros)

    def step(self, arriving: Tensor, bias: Tensor, state: State, record: bool) -> None:
        """One step: ``arriving`` Σ a·2^6 [B, neurons]; ``state`` becomes the one after it."""
        p = self.population
        u = wrap(truncate(state.u * self.kept_u) + arriving if self.has_current else arriving)
        v = truncate(state.v * self.kept_v) + (u + bias)
        late = self.spiking and p.reset == "subtract" and p.reset_delay
        if late:
            v = v - self.level * state.s.detach()
        if record:
            state.peak = max(state.peak, float(u.detach().abs().max()), float(v.detach().abs().max()))
        v = v.clamp(-STATE_LIMIT, STATE_LIMIT)
        s = state.s
        if self.spiking:
            s = fire(v, self.level, self.span, self.slope)
            if p.reset == "zero":
                v = v * (1.0 - s.detach())
            elif p.reset == "subtract" and not late:
                v = v - self.level * s.detach()
        state.u, state.v, state.s = u, v, s


def wrap(u: Tensor) -> Tensor:
    """u brought to (−2^23, 2^23] by multiples of 2^24; gradient 1."""
    turns = torch.ceil((u.detach() - (STATE_LIMIT + 1)) / WRAP)
    return u - turns * WRAP if bool(turns.any()) else u


def _flat(field: Field) -> Tensor:
    values = torch.from_numpy(np.asarray(field, np.float64).copy())
    return values.reshape(-1) if values.ndim else values
