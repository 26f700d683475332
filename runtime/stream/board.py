"""What a device decided by itself, as a decision of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cortexcore.errors import StreamError
from cortexcore.runtime.frontend import FEATURES_VERSION, Beat
from cortexcore.runtime.stream.source import BoardBeat

if TYPE_CHECKING:
    from cortexcore.runtime.classifier import Decision


def board_decision(heard: BoardBeat, classes: Sequence[str]) -> Decision:
    """The device's decision with the name of its class.

    Args:
        heard: what the device said.
        classes: of the model that the device should run, in its order.

    Returns:
        the decision; its beat has no window and no features, which the device keeps to itself.

    Raises:
        StreamError: the device runs a model with other classes, or with features of another version.
    """
    from cortexcore.runtime.classifier import Decision

    message = heard.message
    if message.features != FEATURES_VERSION:
        raise StreamError(
            f"the device's network was given features of version {message.features}, here they have version "
            f"{FEATURES_VERSION}: build its firmware anew, or install the CortexCore that its firmware came with"
        )
    if len(message.scores) != len(classes):
        raise StreamError(
            f"the device tells {len(message.scores)} classes apart, the model here has {len(classes)} "
            f"({', '.join(classes) or 'none'}): give the bundle that the device's firmware was made of"
        )
    window, rhythm = np.zeros((0, 0), dtype=np.int8), np.zeros(0, dtype=np.int8)
    beat = Beat(heard.sample, heard.sample + message.delay, window, rhythm, message.rr_ms)
    return Decision(beat, classes[message.label], message.scores)
