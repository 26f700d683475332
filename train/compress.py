"""From a float graph to its integer network: pruned, quantized and fine-tuned as wanted, in this order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.prune import PruneReport, prune_neurons, prune_weights
from cortexcore.export.prune.report import check_share
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.export.quantize.config import usual
from cortexcore.train.dataset import Beats

if TYPE_CHECKING:
    from cortexcore.train.fit import FitConfig


GRID = usual(calibrated=True)
"""How beat classifiers are put on the grids: what kept most float decisions in the cross-validation over DS1."""


@dataclass(frozen=True)
class Compression:
    """How a float network becomes an integer one.

    Attributes:
        config: bits and scales.
        epochs: of fine-tuning; 0 is post-training quantization alone.
        tuning: fields of :class:`cortexcore.train.qat.FineTuning` that differ from its defaults.
        weights: share of the weights to prune, the smallest of each layer.
        channels: share of the hidden neurons or channels to remove.
        seed: of the fine-tuning.

    Raises:
        CortexCoreError: a value is out of its range.
    """

    config: QuantizationConfig = GRID
    epochs: int = 0
    tuning: Mapping[str, Any] = field(default_factory=dict)
    weights: float = 0.0
    channels: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise CortexCoreError(f"the epochs of fine-tuning are {self.epochs}, they cannot be negative")
        for share in (self.weights, self.channels):
            if share != 0:
                check_share(share)

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps({**asdict(self), "config": self.config.to_json()}))
        return found


@dataclass(frozen=True, eq=False)
class Compressed:
    """The float graph that the integers stand for, the integer network, and in sentences what was done beside."""

    graph: Graph
    network: IntegerNetwork
    done: tuple[str, ...] = ()


def compress(
    graph: Graph,
    how: Compression,
    calibration: Mapping[str, Any],
    learned: Beats | None,
    steps: int,
    progress: Callable[[str], None] = lambda line: None,
    fit: FitConfig | None = None,
    max_bytes: int | None = None,
) -> Compressed:
    """Prune, quantize, fine-tune.

    Args:
        graph: the float graph of a beat classifier.
        calibration: input name → integers [T, B, *shape].
        learned: beats to fine-tune on; only needed where ``how`` has epochs.
        steps: time steps per inference.
        progress: called with a line per step.
        fit: how beats are sampled and augmented; the defaults of training where None.
        max_bytes: the most that the packed weights may take; bits are then chosen per layer, at most ``how``'s.

    Returns:
        both networks; what was done stands in the integer one's ``metadata["quantization"]``.

    Raises:
        GraphError, QuantizationError: the graph cannot be pruned so or quantized.
        DataError: fine-tuning without beats.
    """
    pruned, reports = _pruned(graph, how, progress)
    if max_bytes is not None:
        from cortexcore.export.quantize.mixed import choose_bits

        how = replace(
            how, config=choose_bits(pruned, calibration, max_bytes, config=how.config, progress=progress).config
        )
    if how.epochs:
        if learned is None:
            raise DataError("fine-tuning needs the recordings that the model was fitted on, and none were given")
        from cortexcore.train.fit import FitConfig
        from cortexcore.train.qat import FineTuning
        from cortexcore.train.qat.beats import beat_batches
        from cortexcore.train.qat.fine_tuning import tune

        tuning = FineTuning(epochs=how.epochs, **how.tuning)
        draw = beat_batches(learned, steps, fit or FitConfig(), tuning.batch, how.seed)
        tuned = tune(pruned, how.config, draw, tuning, calibration, teacher=graph, progress=progress)
        made = Compressed(tuned.graph, tuned.network, (_tuning(tuned.losses),))
    else:
        made = Compressed(pruned, quantize(pruned, how.config, calibration))
    if not reports:
        return made
    quantization = {**made.network.metadata["quantization"], "pruning": [report.to_json() for report in reports]}
    network = replace(made.network, metadata={**made.network.metadata, "quantization": quantization})
    return Compressed(made.graph, network, (*(report.to_text() for report in reports), *made.done))


def _tuning(losses: Sequence[float]) -> str:
    epochs = "1 epoch" if len(losses) == 1 else f"{len(losses)} epochs"
    shown = " → ".join(f"{loss:.3f}" for loss in losses)
    return f"fine-tuned for {epochs} behind the integer arithmetic, mean loss {shown}"


def _pruned(graph: Graph, how: Compression, progress: Callable[[str], None]) -> tuple[Graph, list[PruneReport]]:
    reports = []
    for share, prune in ((how.channels, prune_neurons), (how.weights, prune_weights)):
        if share:
            found = prune(graph, share)
            graph = found.graph
            reports.append(found.report)
            progress(found.report.to_text())
    return graph, reports
