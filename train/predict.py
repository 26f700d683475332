"""Decide beats with a float network, many at once: the reference that quantized networks are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cortexcore.runtime.frontend import Beat
from cortexcore.train.checkpoint import Checkpoint
from cortexcore.train.models.registry import Model


def predict_scores(
    model: Model, windows: NDArray[Any], rhythms: NDArray[Any], steps: int, batch: int = 1024
) -> NDArray[np.float32]:
    """v of the readout at the last step, float32 [B, classes].

    Args:
        model: the network; it is left at rest and in evaluation mode.
        windows: integers [B, channels, length].
        rhythms: integers [B, features].
        steps: time steps per inference.
        batch: beats computed together; has no influence on the result beyond rounding.
    """
    model.eval()
    scores = np.zeros((len(windows), model.config.classes), np.float32)
    with torch.inference_mode():
        for start in range(0, len(windows), batch):
            part = slice(start, start + batch)
            window = torch.from_numpy(windows[part].astype(np.float32))
            rhythm = torch.from_numpy(rhythms[part].astype(np.float32))
            scores[part] = model.run(window, rhythm, steps)[0].numpy()
    return scores


def predict(model: Model, windows: NDArray[Any], rhythms: NDArray[Any], steps: int) -> NDArray[np.int64]:
    """Index of the decided class per beat: the largest v at the last step, the first of equals."""
    return np.asarray(predict_scores(model, windows, rhythms, steps).argmax(1), np.int64)


def checkpoint_classifier(checkpoint: Checkpoint) -> Callable[[Sequence[Beat]], list[str]]:
    """A function from beats to labels, as :func:`cortexcore.train.evaluation.evaluate.evaluate` takes it."""

    def classify(beats: Sequence[Beat]) -> list[str]:
        if not beats:
            return []
        windows = np.stack([beat.window for beat in beats])
        rhythms = np.stack([beat.rhythm for beat in beats])
        return [checkpoint.classes[i] for i in predict(checkpoint.model, windows, rhythms, checkpoint.steps)]

    return classify
