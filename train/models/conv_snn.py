"""The beat classifier: a small convolutional SNN with graded input, one call of ``forward`` being one time step.

Neurons (snnTorch ``Leaky``, threshold θ): v ← β·v + i;  s = v > θ (strict);  v ← 0 where s. The readout leaks but
never fires: v ← β_out·v + i. The input is constant over the steps (direct coding), so the currents of the first
convolution and of the rhythm features are computed once per run and injected at each step.
"""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.errors import CortexCoreError, missing_package
from cortexcore.train.models.layout import conv_lengths, layout_problems

try:
    import snntorch as snn
    import torch
    from snntorch import surrogate
    from torch import Tensor, nn
except ImportError as error:
    raise missing_package(error.name or "snntorch", "train", "training or loading a spiking network") from error


@dataclass(frozen=True)
class ConvSNNConfig:
    """Sizes and constants of a :class:`ConvSNN`; validated at construction.

    Attributes:
        channels, length: shape of the window.
        features: number of rhythm features.
        classes: number of outputs.
        filters, kernels, strides: the two convolutions, in order; no padding.
        hidden: neurons of the dense layer, where window and rhythm meet.
        beta, beta_out: share of v kept per step, in hidden neurons and readout, in (0, 1).
        input_scale: inputs are integers in [−127, 127]; this brings them to about ±2.
        dropout: share of the second convolution's spikes dropped while training, in [0, 1).
        surrogate_slope: k of the fast-sigmoid gradient 1/(1 + k·|v − θ|)².

    Raises:
        CortexCoreError: a value is out of its range, or the window is shorter than the kernels reach.
    """

    channels: int
    length: int
    features: int
    classes: int
    filters: tuple[int, int] = (8, 16)
    kernels: tuple[int, int] = (9, 5)
    strides: tuple[int, int] = (3, 2)
    hidden: int = 64
    beta: float = 0.9
    beta_out: float = 0.9
    input_scale: float = 1 / 64
    dropout: float = 0.2
    surrogate_slope: float = 2.5

    def __post_init__(self) -> None:
        for name in ("filters", "kernels", "strides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        whole = (self.channels, self.length, self.features, self.classes, self.hidden)
        problems = layout_problems(whole, self.length, self.filters, self.kernels, self.strides)
        if not (0 < self.beta < 1 and 0 < self.beta_out < 1):
            problems.append(f"beta {self.beta} and beta_out {self.beta_out} must lie in (0, 1)")
        if not (self.input_scale > 0 and self.surrogate_slope > 0 and 0 <= self.dropout < 1):
            problems.append("input_scale and surrogate_slope must be positive and dropout in [0, 1)")
        if problems:
            raise CortexCoreError("the ConvSNN cannot be built: " + "; ".join(problems))

    @property
    def lengths(self) -> tuple[int, int]:
        """Positions after each convolution."""
        return conv_lengths(self.length, self.kernels, self.strides)


class ConvSNN(nn.Module):
    """conv → LIF → conv → LIF → dense (+ dense of the rhythm) → LIF → dense → leaky integrator."""

    def __init__(self, config: ConvSNNConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.conv1 = nn.Conv1d(c.channels, c.filters[0], c.kernels[0], c.strides[0], bias=False)
        self.norm1 = nn.BatchNorm1d(c.filters[0])
        self.lif1 = self._lif()
        self.conv2 = nn.Conv1d(c.filters[0], c.filters[1], c.kernels[1], c.strides[1])
        self.lif2 = self._lif()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(c.dropout)
        self.dense_window = nn.Linear(c.filters[1] * c.lengths[1], c.hidden)
        self.dense_rhythm = nn.Linear(c.features, c.hidden, bias=False)
        self.lif3 = self._lif()
        self.readout = nn.Linear(c.hidden, c.classes)
        self.li = snn.Leaky(beta=c.beta_out, reset_mechanism="none", init_hidden=True, output=True)

    def _lif(self) -> nn.Module:
        neuron: nn.Module = snn.Leaky(
            beta=self.config.beta,
            spike_grad=surrogate.fast_sigmoid(slope=self.config.surrogate_slope),
            init_hidden=True,
            reset_mechanism="zero",
        )
        return neuron

    def reset(self) -> None:
        """Put every neuron to rest; the next step may have any batch size."""
        for neuron in (self.lif1, self.lif2, self.lif3, self.li):
            neuron.mem = torch.zeros(0)

    def drive(self, window: Tensor, rhythm: Tensor) -> tuple[Tensor, Tensor]:
        """What the input injects at each step: currents [B, filters, positions] and [B, hidden]."""
        scale = self.config.input_scale
        return self.norm1(self.conv1(window * scale)), self.dense_rhythm(rhythm * scale)

    def advance(self, window_current: Tensor, rhythm_current: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """One step of all neurons: the readout's v [B, classes] and the spikes of the three hidden layers."""
        s1 = self.lif1(window_current)
        s2 = self.lif2(self.conv2(s1))
        s3 = self.lif3(self.dense_window(self.dropout(self.flatten(s2))) + rhythm_current)
        _, v = self.li(self.readout(s3))
        return v, (s1, s2, s3)

    def forward(self, window: Tensor, rhythm: Tensor) -> Tensor:
        """One time step; neurons keep their state until :meth:`reset`.

        Args:
            window: float [B, channels, length], integers in [−127, 127].
            rhythm: float [B, features], integers in [−127, 127].

        Returns:
            v of the readout [B, classes].
        """
        return self.advance(*self.drive(window, rhythm))[0]

    def run(self, window: Tensor, rhythm: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """``steps`` calls of :meth:`forward` from rest, for training: the same values, the constant part computed once.

        Returns:
            v of the readout at the last step [B, classes], and the spikes per neuron and step of each hidden
            layer, averaged over batch, neurons and steps [3].
        """
        self.reset()
        currents = self.drive(window, rhythm)
        rates = torch.zeros(3, device=window.device)
        v = torch.empty(0)
        for _ in range(steps):
            v, spikes = self.advance(*currents)
            rates = rates + torch.stack([s.mean() for s in spikes])
        self.reset()
        return v, rates / steps
