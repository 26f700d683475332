"""From a beat to a decision: a bundle's network on one target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cortexcore.errors import BundleError
from cortexcore.runtime.bundle import Bundle
from cortexcore.runtime.frontend.beat import Beat
from cortexcore.runtime.frontend.encoder import encode_beats

BATCH = 256
"""Beats run together when many are classified: enough to fill a GEMM, small in memory."""


@dataclass(frozen=True)
class Decision:
    """What the network says of one beat.

    Attributes:
        beat: the beat it is about.
        label: the class whose readout membrane is highest at the last step; the first of equals.
        scores: that membrane of every class, in class order; integers on integer targets.
    """

    beat: Beat
    label: str
    scores: tuple[float, ...]


class Classifier:
    """A bundle's beat classifier on one target, lowered once and reused for every beat."""

    def __init__(self, bundle: Bundle, target: str = "onnx") -> None:
        """
        Raises:
            BundleError: the bundle is no classifier, or lacks the float graph that the target runs.
            TargetUnavailable: the target cannot run on this machine.
        """
        if not bundle.classes:
            raise BundleError(f"the bundle '{bundle.name}' names no classes, so it cannot classify beats")
        self.bundle = bundle
        self.target = target
        self._compiled = bundle.compiled(target)

    def decide(self, beat: Beat) -> Decision:
        """Classify one beat."""
        scores = self._scores(encode_beats([beat], self.bundle.steps))[0]
        return Decision(beat, self.bundle.classes[int(scores.argmax())], tuple(scores.tolist()))

    def classify(self, beats: Sequence[Beat]) -> list[str]:
        """Labels of many beats, as :meth:`decide` gives them one by one."""
        labels: list[str] = []
        for start in range(0, len(beats), BATCH):
            scores = self._scores(encode_beats(beats[start : start + BATCH], self.bundle.steps))
            labels += [self.bundle.classes[i] for i in scores.argmax(axis=1)]
        return labels

    def _scores(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """Readout membranes at the last step, [B, classes]."""
        outputs = self._compiled.run(inputs).outputs
        scores: NDArray[Any] = outputs[self.bundle.network.outputs[0].name][-1]
        return scores
