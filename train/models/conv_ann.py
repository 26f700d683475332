"""The beat classifier without spikes: :class:`ConvSNN`'s layers with ReLU for its neurons, one pass for all its steps.

It is what the spiking network is compared with: the same data, recipe, loss and folds. Its int8 form is made by
:mod:`cortexcore.train.quantize_ann`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.errors import CortexCoreError, missing_package
from cortexcore.train.models.layout import conv_lengths, layout_problems

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise missing_package(error.name or "torch", "train", "training or loading a network") from error


@dataclass(frozen=True)
class ConvANNConfig:
    """Sizes of a :class:`ConvANN`; validated at construction.

    Attributes:
        channels, length: shape of the window.
        features: number of rhythm features.
        classes: number of outputs.
        filters, kernels, strides: the two convolutions, in order; no padding.
        hidden: units of the dense layer, where window and rhythm meet.
        input_scale: inputs are integers in [−127, 127]; this brings them to about ±2.
        dropout: share of the second convolution's activations dropped while training, in [0, 1).

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
    input_scale: float = 1 / 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name in ("filters", "kernels", "strides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        whole = (self.channels, self.length, self.features, self.classes, self.hidden)
        problems = layout_problems(whole, self.length, self.filters, self.kernels, self.strides)
        if not (self.input_scale > 0 and 0 <= self.dropout < 1):
            problems.append("input_scale must be positive and dropout in [0, 1)")
        if problems:
            raise CortexCoreError("the ConvANN cannot be built: " + "; ".join(problems))

    @property
    def lengths(self) -> tuple[int, int]:
        """Positions after each convolution."""
        return conv_lengths(self.length, self.kernels, self.strides)


class ConvANN(nn.Module):
    """conv → ReLU → conv → ReLU → dense (+ dense of the rhythm) → ReLU → dense."""

    def __init__(self, config: ConvANNConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.conv1 = nn.Conv1d(c.channels, c.filters[0], c.kernels[0], c.strides[0], bias=False)
        self.norm1 = nn.BatchNorm1d(c.filters[0])
        self.conv2 = nn.Conv1d(c.filters[0], c.filters[1], c.kernels[1], c.strides[1])
        self.dropout = nn.Dropout(c.dropout)
        self.dense_window = nn.Linear(c.filters[1] * c.lengths[1], c.hidden)
        self.dense_rhythm = nn.Linear(c.features, c.hidden, bias=False)
        self.readout = nn.Linear(c.hidden, c.classes)

    def activations(self, window: Tensor, rhythm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What each layer sends.

        Args:
            window: float [B, channels, length], integers in [−127, 127].
            rhythm: float [B, features], integers in [−127, 127].

        Returns:
            the convolutions [B, filters, positions], the dense layer [B, hidden] and the readout [B, classes].
        """
        scale = self.config.input_scale
        a1 = self.norm1(self.conv1(window * scale)).relu()
        a2 = self.conv2(a1).relu()
        a3 = (self.dense_window(self.dropout(a2.flatten(1))) + self.dense_rhythm(rhythm * scale)).relu()
        return a1, a2, a3, self.readout(a3)

    def forward(self, window: Tensor, rhythm: Tensor) -> Tensor:
        """The readout [B, classes]."""
        return self.activations(window, rhythm)[-1]

    def run(self, window: Tensor, rhythm: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """One pass, in the form of :meth:`ConvSNN.run`, so that both are fitted and judged by the same code.

        Args:
            steps: must be 1; there is nothing that goes on in time.

        Returns:
            the readout [B, classes], and the share of each hidden layer's activations that are not zero [3].

        Raises:
            CortexCoreError: ``steps`` is not 1.
        """
        if steps != 1:
            raise CortexCoreError(f"a ConvANN makes one pass, not {steps} steps: set steps to 1")
        *hidden, scores = self.activations(window, rhythm)
        return scores, torch.stack([(a > 0).float().mean() for a in hidden])
