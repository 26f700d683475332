"""Connections of the trainable integer network: master weights brought onto the grid in every forward pass."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cortexcore.errors import QuantizationError
from cortexcore.export.integer_currents import FLOAT32_EXACT, FLOAT64_EXACT, WRAP
from cortexcore.export.network import (
    THRESHOLD_SHIFT,
    WEIGHT_LIMIT,
    Convolution,
    Dense,
    Operation,
    Synapses,
)
from cortexcore.export.quantize.grids import step_of
from cortexcore.train.qat.rounding import floor, on_grid


class QatSynapses(nn.Module):
    """One connection; a·2^6 of what its source sends, exactly as the golden arithmetic has it.

    Attributes:
        master: float64, of the weights' shape, in units of the grid's end (256 integers); a buffer where frozen.
        kept: 0 where the weight is exactly zero and stays so, else 1.
    """

    master: Tensor
    kept: Tensor

    def __init__(
        self,
        synapses: Synapses,
        wanted: NDArray[np.float64] | None,
        bits: int,
        peak: int,
        source_shape: tuple[int, ...],
    ) -> None:
        """Make a connection trainable.

        Args:
            synapses: of the integer network.
            wanted: its weights before rounding, in integers; None leaves the integers as they are, frozen.
            bits: of its grid.
            peak: largest |s| that the source sends; source_shape: what it sends per inference.
        """
        super().__init__()
        self.name, self.source, self.recurrent = synapses.name, synapses.source, synapses.recurrent
        self.operation, self.source_shape = synapses.operation, source_shape
        self.bits = bits
        self.step = step_of(bits)
        weight = self.operation.weight.astype(np.float64) if wanted is None else wanted
        master = torch.from_numpy(weight / WEIGHT_LIMIT)
        self.frozen = wanted is None
        if wanted is None:
            self.register_buffer("master", master)
        else:
            self.master = nn.Parameter(master)
        self.register_buffer("kept", (master != 0).to(torch.float64))
        self.limit = WEIGHT_LIMIT * (weight.size // len(weight)) * peak
        self._narrow = self.limit <= FLOAT32_EXACT * (1 if self.frozen else self.step) and peak <= FLOAT32_EXACT
        if self.limit > FLOAT64_EXACT or self.drive > FLOAT64_EXACT - WRAP:
            raise QuantizationError(
                f"what '{self.name}' carries can reach {self.drive:.3g}, beyond what trains exactly: "
                "narrow the range of the input that feeds it"
            )

    @property
    def drive(self) -> float:
        """The largest |a·2^6| whatever the weights become."""
        return self.limit * 2.0 ** (max(self.operation.weight_exp, 0) + THRESHOLD_SHIFT)

    def weight(self) -> Tensor:
        """Integers on the grid, float64, of the weights' shape."""
        if self.frozen:
            return self.master * WEIGHT_LIMIT
        return on_grid(self.master * self.kept * WEIGHT_LIMIT, self.step, -WEIGHT_LIMIT, WEIGHT_LIMIT - self.step)

    def wanted(self) -> NDArray[np.float64]:
        """The weights before rounding, in integers."""
        return np.asarray((self.master * self.kept).detach().numpy() * WEIGHT_LIMIT)

    def forward(self, weight: Tensor, sent: Tensor) -> Tensor:
        """``sent`` [N, *source] times ``weight`` of this pass → a·2^6, float64 [N, neurons]."""
        number = torch.float32 if self._narrow and torch.get_float32_matmul_precision() == "highest" else torch.float64
        total = multiply(self.operation, weight.to(number), sent.to(number))
        exponent = self.operation.weight_exp
        if exponent < 0:
            return floor(total.double() * 2.0**exponent) * 2.0**THRESHOLD_SHIFT
        return total.double() * 2.0 ** (exponent + THRESHOLD_SHIFT)

    @torch.no_grad()
    def settle(self) -> None:
        """Bring masters that an optimizer drove off the grid back to its ends."""
        if not self.frozen:
            self.master.clamp_(-1.0, 1.0 - self.step / WEIGHT_LIMIT).mul_(self.kept)


def multiply(operation: Operation, weight: Tensor, sent: Tensor) -> Tensor:
    """Σ w·s: ``sent`` [N, *source] → [N, neurons], by matrix products alone, which add whole numbers exactly.

    PyTorch's own convolutions may take another algorithm (Winograd, FFT) that rounds.
    """
    if isinstance(operation, Dense):
        return functional.linear(sent.reshape(len(sent), -1), weight)
    return _convolve(operation, weight, sent)


def _convolve(operation: Convolution, weight: Tensor, sent: Tensor) -> Tensor:
    window, groups = operation.window, operation.groups
    kernel, stride, padding, dilation = window.kernel, window.stride, window.padding, window.dilation
    if len(kernel) == 1:
        sent = sent[:, :, None]
        kernel, stride, padding, dilation = (1, *kernel), (1, *stride), (0, *padding), (1, *dilation)
    columns = functional.unfold(sent, kernel, dilation, padding, stride)
    count, _, places = columns.shape
    rows = columns.reshape(count, groups, -1, places).permute(1, 0, 3, 2).reshape(groups, count * places, -1)
    weights = weight.reshape(groups, len(weight) // groups, -1).transpose(1, 2)
    sums = torch.bmm(rows, weights).reshape(groups, count, places, -1)
    return sums.permute(1, 0, 3, 2).reshape(count, -1)
