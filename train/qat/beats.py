"""Batches of beats for fine-tuning, drawn and changed as for the training from scratch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from cortexcore.train.augment import LIMIT, augment
from cortexcore.train.dataset import Beats
from cortexcore.train.fit import FitConfig
from cortexcore.train.qat.fine_tuning import Batch, Batches
from cortexcore.train.sampling import draw_beats


def beat_batches(beats: Beats, steps: int, config: FitConfig, batch: int, seed: int) -> Batches:
    """Epochs of ``config.beats_per_epoch`` beats, sampled and augmented as ``config`` says, rounded to integers.

    Args:
        beats: what to learn; steps: time steps per inference.
        batch: beats at once; seed: of sampling and augmentation.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)

    def draw() -> Iterator[Batch]:
        drawn = draw_beats(beats.labels, beats.records, config.beats_per_epoch // batch * batch, config.balance, rng)
        for chosen in drawn.reshape(-1, batch):
            window, rhythm = augment(
                torch.from_numpy(beats.windows[chosen]).float(),
                torch.from_numpy(beats.rhythms[chosen]).float(),
                config.augmentation,
                generator,
            )
            inputs = {"window": _every_step(window, steps), "rhythm": _every_step(rhythm, steps)}
            yield inputs, torch.from_numpy(beats.labels[chosen].astype(np.int64))

    return draw


def _every_step(values: Tensor, steps: int) -> Tensor:
    """Whole numbers, the same at every step."""
    return values.round().clamp(-LIMIT, LIMIT).expand(steps, *values.shape)
