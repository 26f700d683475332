"""Rounding and firing with a gradient: the forward is exact, the backward passes through or is a surrogate's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Truncate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.trunc(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _OnGrid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, step: int, low: int, high: int) -> Tensor:
        return (torch.round(x / step) * step).clamp(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient, None, None, None


class _Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, level: Tensor, unit: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(v, level, unit)
        ctx.slope = slope
        return (v > level).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        v, level, unit = ctx.saved_tensors
        distance = (v - level).abs_().div_(unit).mul_(ctx.slope).add_(1.0)
        return gradient / distance.square_().mul_(unit), None, None, None


def truncate(x: Tensor) -> Tensor:
    """tz(x), toward zero; gradient 1."""
    result: Tensor = _Truncate.apply(x)  # type: ignore[no-untyped-call]
    return result


def floor(x: Tensor) -> Tensor:
    """⌊x⌋, what an arithmetic right shift leaves; gradient 1."""
    result: Tensor = _Floor.apply(x)  # type: ignore[no-untyped-call]
    return result


def on_grid(x: Tensor, step: int, low: int, high: int) -> Tensor:
    """The nearest multiple of ``step`` in [low, high], halves to even multiples; gradient 1 everywhere."""
    result: Tensor = _OnGrid.apply(x, step, low, high)  # type: ignore[no-untyped-call]
    return result


def fire(v: Tensor, level: Tensor, unit: Tensor, slope: float) -> Tensor:
    """1 where v > level, else 0; gradient 1/(unit·(1 + slope·|v − level|/unit)²), the fast sigmoid's.

    Source: Zenke and Ganguli, "SuperSpike", Neural Computation 30, 2018.
    """
    result: Tensor = _Fire.apply(v, level, unit, slope)  # type: ignore[no-untyped-call]
    return result
