"""From a checkpoint to what is deployed: the float graph, and the integer network calibrated and judged on beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.train.beats import CALIBRATION_BEATS, JUDGED_BEATS, fitted_beats, has_recordings, held_out_beats, thin
from cortexcore.train.checkpoint import Checkpoint
from cortexcore.train.compress import Compressed, Compression, compress
from cortexcore.train.dataset import Beats

if TYPE_CHECKING:
    from cortexcore.train.fit import FitConfig

SYNTHETIC_SECONDS = 300.0
SYNTHETIC_SEED = 1
INPUT_RANGE = [-127, 127]
"""What the front end sends, see :class:`cortexcore.runtime.frontend.Beat`."""


@dataclass(frozen=True, eq=False)
class Deployed:
    """The two forms of a deployed network, and in words what calibrated and judged it."""

    graph: Graph
    network: IntegerNetwork
    beats: str


def deploy(
    checkpoint: Checkpoint,
    data: Path | None = None,
    how: Compression | None = None,
    progress: Callable[[str], None] = lambda line: None,
    max_bytes: int | None = None,
) -> Deployed:
    """Import, prune, calibrate, quantize, fine-tune, and report.

    Args:
        checkpoint: the trained network; its provenance names the records it was fitted on and those held out.
        data: folder of the recordings; where none are found, made-up ECG calibrates, and the report has no accuracy.
        how: bits, pruning, fine-tuning; 8 bits and nothing else if not given.
        progress: called with a line per step.
        max_bytes: the most that the packed weights may take; bits are then chosen per layer, at most ``how``'s.

    Raises:
        GraphError, QuantizationError: the network cannot be kept, or the integer grids cannot hold it.
        DataError: fine-tuning without the recordings of the fitted records.
    """
    how = how or Compression()
    graph = graph_of(checkpoint)
    progress(f"graph: {len(graph.nodes)} nodes")
    if how.epochs and not has_recordings(checkpoint.provenance, data):
        raise DataError(
            "fine-tuning needs the recordings that the model was fitted on, and they were not found: get them with "
            "'cortexcore data fetch mitdb', name their folder with --data, or leave --qat out"
        )
    calibration, judged, words = _beats(checkpoint, data, progress)
    learned = None
    if how.epochs:
        detectors = tuple(checkpoint.provenance.get("detectors", ("reference",)))
        learned = fitted_beats(checkpoint.provenance, checkpoint.front_end, data, progress, detectors)
    made = compress(graph, how, calibration, learned, checkpoint.steps, progress, _fit_config(checkpoint), max_bytes)
    return Deployed(made.graph, _judged(checkpoint, made, judged, words), words)


def graph_of(checkpoint: Checkpoint) -> Graph:
    """The checkpoint's network as a float graph, with classes, steps, front end and training in its metadata.

    Raises:
        GraphError: the network cannot be kept.
    """
    from cortexcore.export.from_torch import from_torch

    config = checkpoint.model.config
    sample = {
        "window": np.zeros((1, config.channels, config.length)),
        "rhythm": np.zeros((1, config.features)),
    }
    return from_torch(checkpoint.model, sample, dt_s=checkpoint.dt_s, metadata=_metadata(checkpoint))


def synthetic_beats(front_end: FrontEndConfig) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Windows and rhythms of made-up ECG, for calibration where no recording is at hand."""
    ecg = synthetic_ecg(SYNTHETIC_SECONDS, seed=SYNTHETIC_SEED)
    engine = FrontEnd(front_end, ecg.gain_per_mv, ecg.rate_hz)
    beats = [*engine.push(ecg.counts), *engine.flush()]
    return np.stack([beat.window for beat in beats]), np.stack([beat.rhythm for beat in beats])


def _metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "name": checkpoint.provenance.get("preset"),
        "classes": list(checkpoint.classes),
        "steps": checkpoint.steps,
        "front_end": checkpoint.front_end.to_json(),
        "training": dict(checkpoint.provenance),
        "input_ranges": {"window": INPUT_RANGE, "rhythm": INPUT_RANGE},
    }


def _fit_config(checkpoint: Checkpoint) -> FitConfig:
    """How the checkpoint's beats were sampled and augmented; the defaults where it does not say."""
    from cortexcore.train.augment import Augmentation
    from cortexcore.train.fit import FitConfig

    said = dict(checkpoint.provenance.get("fit", {}))
    if isinstance(said.get("augmentation"), Mapping):
        said["augmentation"] = Augmentation(**said["augmentation"])
    if "rate_targets" in said:
        said["rate_targets"] = tuple(said["rate_targets"])
    try:
        return FitConfig(**said)
    except TypeError as error:
        raise DataError(f"the checkpoint says of its training what this CortexCore does not know: {error}") from error


def _judged(checkpoint: Checkpoint, made: Compressed, judged: Beats | None, words: str) -> IntegerNetwork:
    """The network with a report on the beats to judge on where there are any, and the figures of the network trained.

    Where the weights were changed, the report's float side is the float graph that the integers stand for.
    """
    from cortexcore.export.report import evaluate_report
    from cortexcore.export.report.accuracy import accuracy
    from cortexcore.train.predict import predict

    said = {**made.network.metadata["quantization"], "beats": words}
    network, done = replace(made.network, metadata={**made.network.metadata, "quantization": said}), made.done
    if judged is None:
        report = network.report
        return network if report is None else replace(network, report=replace(report, warnings=report.warnings + done))
    inputs, labels = encode(judged.windows, judged.rhythms, checkpoint.steps), judged.labels.astype(np.int64)
    if done:
        decided = predict(checkpoint.model, judged.windows, judged.rhythms, checkpoint.steps)
        before = accuracy(labels, decided, decided, checkpoint.classes)
        said = {**said, "trained_float": {"accuracy": before.accuracy_float, "macro_f1": before.macro_f1_float}}
        network = replace(network, metadata={**network.metadata, "quantization": said})
        done += (
            f"the float network as it was trained has an accuracy of {100 * before.accuracy_float:.1f} % and a "
            f"macro-F1 of {100 * before.macro_f1_float:.1f} % on the judged beats; 'float' in this report is the "
            "changed network",
        )
    return replace(network, report=evaluate_report(made.graph, network, inputs, labels, data=words, warnings=done))


def _beats(
    checkpoint: Checkpoint, data: Path | None, progress: Callable[[str], None]
) -> tuple[Mapping[str, NDArray[np.int8]], Beats | None, str]:
    """Calibration input, beats to judge on, and what they are."""
    if not has_recordings(checkpoint.provenance, data):
        windows, rhythms = synthetic_beats(checkpoint.front_end)
        words = f"calibrated on {len(windows)} beats of synthetic ECG (no recordings found); no accuracy"
        progress(words)
        return encode(windows, rhythms, checkpoint.steps), None, words
    provenance, front_end = checkpoint.provenance, checkpoint.front_end
    calibration = thin(fitted_beats(provenance, front_end, data, progress), CALIBRATION_BEATS)
    judged = thin(held_out_beats(provenance, front_end, data, progress), JUDGED_BEATS)
    words = (
        f"calibrated on {len(calibration)} beats of the {len(provenance['fitted_records'])} fitted records, "
        f"judged on {len(judged)} beats of the held-out records {', '.join(provenance['held_out_records'])}"
    )
    progress(words)
    return encode(calibration.windows, calibration.rhythms, checkpoint.steps), judged, words
