"""Fit a network to beats by backpropagation through time with surrogate gradients.

The number of epochs is fixed beforehand and the learning rate falls to zero over them (half a cosine), so the last
epoch is the result: no epoch is picked by looking at the beats that judge the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from cortexcore.errors import CortexCoreError
from cortexcore.train.augment import Augmentation, augment
from cortexcore.train.dataset import Beats
from cortexcore.train.models.registry import Model, build_model
from cortexcore.train.sampling import draw_beats


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted; validated at construction.

    Attributes:
        epochs, beats_per_epoch, batch: beats are drawn anew each epoch, see :func:`draw_beats`.
        balance: how far rare classes and short records are drawn more often, see :func:`draw_beats`.
        learning_rate, weight_decay: of AdamW; the rate falls to zero over the epochs.
        focal_gamma: focal loss (1 − p)^γ·CE; 0 is cross entropy.
        smoothing: label smoothing of the cross entropy.
        rate_penalty: weight of the mean spike rate above ``rate_targets``.
        rate_targets: spikes per neuron and step of the three hidden layers that cost nothing. The last layer's are
            higher: it is small, and what it says of the rhythm is in its rates.
        augmentation: changes to the beats.

    Raises:
        CortexCoreError: a value is out of its range.
    """

    epochs: int = 6
    beats_per_epoch: int = 16384
    batch: int = 128
    balance: float = 0.6
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    focal_gamma: float = 0.0
    smoothing: float = 0.02
    rate_penalty: float = 2.0
    rate_targets: tuple[float, float, float] = (0.08, 0.08, 0.2)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch) < 1 or self.beats_per_epoch < self.batch:
            raise CortexCoreError(
                f"epochs {self.epochs} and batch {self.batch} must be positive "
                f"and beats_per_epoch {self.beats_per_epoch} no smaller than batch"
            )
        if not (0 <= self.balance <= 1 and self.learning_rate > 0 and 0 <= self.smoothing < 1):
            raise CortexCoreError("balance must lie in [0, 1], learning_rate above 0, smoothing in [0, 1)")


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: its number from 1, the mean loss, and spikes per neuron and step of each hidden layer."""

    number: int
    of: int
    loss: float
    rates: tuple[float, ...]


def fit(
    architecture: str,
    model_config: dict[str, object],
    beats: Beats,
    steps: int,
    config: FitConfig,
    seed: int,
    progress: Callable[[Epoch], None] | None = None,
) -> Model:
    """Train a fresh network.

    Args:
        architecture, model_config: as for :func:`build_model`.
        beats: what to learn; the labels index the model's outputs.
        steps: time steps per inference.
        config: hyper-parameters.
        seed: fixes initial weights, sampling, augmentation and dropout; on one machine it fixes the model.
        progress: called after each epoch.

    Returns:
        the network in evaluation mode, at rest.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_model(architecture, model_config)
        rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        batches = config.beats_per_epoch // config.batch
        targets = torch.tensor(config.rate_targets)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.epochs * batches, pct_start=0.1
        )
        model.train()
        for number in range(1, config.epochs + 1):
            drawn = draw_beats(beats.labels, beats.records, batches * config.batch, config.balance, rng)
            loss_sum, rate_sum = 0.0, torch.zeros(3)
            for chosen in drawn.reshape(batches, config.batch):
                window = torch.from_numpy(beats.windows[chosen]).float()
                rhythm = torch.from_numpy(beats.rhythms[chosen]).float()
                label = torch.from_numpy(beats.labels[chosen].astype(np.int64))
                window, rhythm = augment(window, rhythm, config.augmentation, generator)
                v, rates = model.run(window, rhythm, steps)
                loss = _loss(v, label, config) + config.rate_penalty * (rates - targets).relu().sum()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                loss_sum += float(loss.detach())
                rate_sum += rates.detach()
            if progress:
                progress(Epoch(number, config.epochs, loss_sum / batches, tuple((rate_sum / batches).tolist())))
    return model.eval()


def _loss(v: torch.Tensor, label: torch.Tensor, config: FitConfig) -> torch.Tensor:
    cross_entropy = functional.cross_entropy(v, label, reduction="none", label_smoothing=config.smoothing)
    if config.focal_gamma:
        of_label = v.softmax(1).gather(1, label[:, None])[:, 0]
        cross_entropy = (1 - of_label) ** config.focal_gamma * cross_entropy
    return cross_entropy.mean()
