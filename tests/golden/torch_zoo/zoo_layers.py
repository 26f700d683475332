"""Every layer kind: what stands between neurons."""

from __future__ import annotations

import torch
from torch import nn
from zoo import Case, leaky, norm, readout, sequential


class Residual(nn.Module):
    """A branch around a block, added before its neuron, with a subtraction and a vector gain."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.l1 = nn.Linear(6, 10), leaky(0.7)
        self.second, self.l2 = nn.Linear(10, 10), leaky(0.8, reset_mechanism="zero")
        self.register_buffer("gain", torch.linspace(0.5, 1.5, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = self.l1(self.first(x))
        return self.l2(self.second(s) * self.gain - 0.25 * self.first(x) + s / 2)


class ResidualConv(nn.Module):
    """Two-dimensional residual block with batch normalisation in both paths."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.l1 = nn.Conv2d(2, 4, 3, padding=1), leaky(0.8)
        self.conv, self.bn = nn.Conv2d(4, 4, 3, padding="same", bias=False), norm(nn.BatchNorm2d(4))
        self.skip, self.bn_skip = nn.Conv2d(4, 4, 1), norm(nn.BatchNorm2d(4))
        self.l2, self.pool = leaky(0.9), nn.AvgPool2d(2)
        self.head, self.li = nn.Linear(4 * 3 * 3, 3), readout()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s = self.l1(self.stem(x))
        s = self.l2(self.bn(self.conv(s)) + self.bn_skip(self.skip(s)))
        return self.li(self.head(self.pool(s).flatten(1)))[1]


class TwoInputs(nn.Module):
    """Two inputs, two named outputs, a scale, a shared layer, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.flat = nn.Conv1d(2, 3, 5, stride=2), nn.Dropout(0.5), nn.Flatten()
        self.l1, self.dense, self.rhythm = leaky(0.6), nn.Linear(3 * 8, 8), nn.Linear(3, 8, bias=False)
        self.l2, self.shared, self.l3, self.l4 = leaky(), nn.Linear(8, 4), leaky(0.5), leaky(0.7)

    def forward(self, window: torch.Tensor, rhythm: torch.Tensor) -> dict[str, torch.Tensor]:
        current = self.dense(self.flat(self.drop(self.l1(self.conv(window * 0.5)))))
        s = self.l2(current + self.rhythm(rhythm))
        return {"a": self.l3(self.shared(s)), "b": self.l4(self.shared(s * 1.5))}


class Functional(nn.Module):
    """Layers in their functional form, weights masked in forward as pruning does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Parameter(torch.randn(4, 2, 3))
        self.weight, self.bias = nn.Parameter(torch.randn(5, 16) * 0.4), nn.Parameter(torch.randn(5) * 0.1)
        self.register_buffer("mask", (torch.rand(5, 16) > 0.3).float())
        self.l1, self.l2, self.l3 = leaky(0.7), leaky(0.8), leaky(0.6)
        self.last = nn.Parameter(torch.randn(5, 4) * 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = nn.functional
        s = f.avg_pool1d(self.l1(f.conv1d(x, self.conv, padding=1)), 2)
        s = self.l2(f.linear(s.reshape(s.size(0), -1), self.weight * self.mask, self.bias))
        return self.l3(s @ self.last)


CASES = [
    sequential("linear", (6,), lambda: nn.Linear(6, 12), leaky),
    sequential(
        "linear without bias", (6,), lambda: nn.Linear(6, 12, bias=False), leaky, lambda: nn.Linear(12, 4), leaky
    ),
    sequential(
        "conv1d",
        (4, 32),
        lambda: nn.Conv1d(4, 6, 5, stride=2, padding=2, groups=2),
        leaky,
        lambda: nn.Conv1d(6, 3, 3, dilation=2, padding="same"),
        leaky,
    ),
    sequential("conv1d valid", (2, 20), lambda: nn.Conv1d(2, 4, 4, padding="valid"), leaky),
    sequential(
        "conv2d",
        (2, 9, 7),
        lambda: nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), bias=False),
        leaky,
        lambda: nn.Conv2d(4, 4, 3, padding="same", dilation=(1, 2), groups=4),
        leaky,
    ),
    sequential("batch normalisation, dense", (6,), lambda: nn.Linear(6, 12), lambda: norm(nn.BatchNorm1d(12)), leaky),
    sequential(
        "batch normalisation, conv1d",
        (2, 20),
        lambda: nn.Conv1d(2, 4, 3),
        lambda: norm(nn.BatchNorm1d(4)),
        leaky,
        nn.Flatten,
        lambda: nn.Linear(72, 4),
        leaky,
    ),
    sequential(
        "batch normalisation, conv2d",
        (2, 8, 8),
        lambda: nn.Conv2d(2, 4, 3),
        lambda: norm(nn.BatchNorm2d(4)),
        leaky,
    ),
    sequential(
        "batch normalisation before a padded convolution",
        (2, 8, 8),
        lambda: norm(nn.BatchNorm2d(2)),
        lambda: nn.Conv2d(2, 4, 3, padding=1),
        leaky,
        lambda: norm(nn.BatchNorm2d(4)),
        nn.Flatten,
        lambda: norm(nn.BatchNorm1d(4 * 64)),
        lambda: nn.Linear(4 * 64, 6),
        leaky,
        scale=1.0,
    ),
    sequential(
        "average pooling, 1-d",
        (3, 24),
        lambda: nn.Conv1d(3, 4, 3),
        leaky,
        lambda: nn.AvgPool1d(3, stride=2, padding=1),
        lambda: nn.Conv1d(4, 3, 2),
        lambda: leaky(threshold=0.4),
    ),
    sequential(
        "average pooling, 2-d",
        (2, 9, 9),
        lambda: nn.Conv2d(2, 4, 2),
        leaky,
        lambda: nn.AvgPool2d((2, 3), stride=2, padding=1),
        lambda: nn.Conv2d(4, 3, 2),
        lambda: leaky(threshold=0.4),
    ),
    sequential(
        "average pooling whose ceiling changes nothing",
        (2, 8, 8),
        lambda: nn.AvgPool2d(2, ceil_mode=True, divisor_override=1),
        lambda: nn.Conv2d(2, 3, 2),
        leaky,
    ),
    sequential(
        "sum pooling, 1-d",
        (2, 20),
        lambda: nn.Conv1d(2, 4, 3),
        leaky,
        lambda: nn.LPPool1d(1, 3, stride=2),
        nn.Flatten,
        lambda: nn.Linear(32, 5),
        leaky,
    ),
    sequential(
        "sum pooling, 2-d",
        (2, 8, 8),
        lambda: nn.Conv2d(2, 4, 3),
        leaky,
        lambda: nn.LPPool2d(1, 2),
        nn.Flatten,
        lambda: nn.Linear(36, 5),
        leaky,
    ),
    sequential(
        "partial flatten",
        (3, 4, 5),
        lambda: nn.Flatten(2),
        lambda: nn.Conv1d(3, 4, 3),
        leaky,
        lambda: nn.Flatten(1, -1),
        lambda: nn.Linear(72, 4),
        leaky,
    ),
    sequential(
        "dropout and identity",
        (6,),
        nn.Identity,
        lambda: nn.Linear(6, 8),
        lambda: nn.Dropout(0.9),
        leaky,
        lambda: nn.AlphaDropout(0.5),
        lambda: nn.Linear(8, 4),
        leaky,
    ),
    Case("residual branch", Residual, {"x": (6,)}),
    Case("residual block of convolutions", ResidualConv, {"x": (2, 6, 6)}),
    Case("two inputs and two outputs", TwoInputs, {"window": (2, 20), "rhythm": (3,)}),
    Case("functional layers", Functional, {"x": (2, 8)}, scale=1.0),
]
