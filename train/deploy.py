"""From a checkpoint to what is deployed: the float graph, and the integer network calibrated and judged on beats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.train.checkpoint import Checkpoint
from cortexcore.train.dataset import Beats, load_dataset
from cortexcore.train.recordings import find_data

CALIBRATION_BEATS = 512
"""Beats that calibrate the ranges, evenly spaced over the fitted records."""
JUDGED_BEATS = 2000
"""Beats, at most, on which float and integer network are compared, evenly spaced over the held-out records."""
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
    checkpoint: Checkpoint, data: Path | None = None, bits: int = 8, progress: Callable[[str], None] = lambda line: None
) -> Deployed:
    """Import, calibrate, quantize, and report.

    Args:
        checkpoint: the trained network; its provenance names the records it was fitted on and those held out.
        data: folder of the recordings; where none are found, made-up ECG calibrates, and the report has no accuracy.
        bits: weight bits, 2 to 8.
        progress: called with a line per step.

    Raises:
        GraphError, QuantizationError: the network cannot be kept, or the integer grids cannot hold it.
    """
    graph = graph_of(checkpoint)
    progress(f"graph: {len(graph.nodes)} nodes")
    calibration, judged, words = _beats(checkpoint, data, progress)
    return Deployed(graph, _quantize(graph, checkpoint.steps, bits, calibration, judged, words), words)


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


def _quantize(
    graph: Graph, steps: int, bits: int, calibration: Mapping[str, NDArray[np.int8]], judged: Beats | None, words: str
) -> IntegerNetwork:
    """The integer network, its report made on the beats to judge on where there are any."""
    from cortexcore.export.quantize import QuantizationConfig, quantize
    from cortexcore.export.report import evaluate_report

    network = quantize(graph, QuantizationConfig(bits=bits), calibration)
    metadata = {**network.metadata, "quantization": {**network.metadata["quantization"], "beats": words}}
    network = replace(network, metadata=metadata)
    if judged is None:
        return network
    inputs = encode(judged.windows, judged.rhythms, steps)
    labels = judged.labels.astype(np.int64)
    return replace(network, report=evaluate_report(graph, network, inputs, labels, data=words))


def _beats(
    checkpoint: Checkpoint, data: Path | None, progress: Callable[[str], None]
) -> tuple[Mapping[str, NDArray[np.int8]], Beats | None, str]:
    """Calibration input, beats to judge on, and what they are."""
    fitted = tuple(checkpoint.provenance.get("fitted_records", ()))
    held_out = tuple(checkpoint.provenance.get("held_out_records", ()))
    try:
        find_data(data)
    except DataError:
        if data is not None:
            raise
        fitted = ()
    if not fitted or not held_out:
        windows, rhythms = synthetic_beats(checkpoint.front_end)
        words = f"calibrated on {len(windows)} beats of synthetic ECG (no recordings found); no accuracy"
        progress(words)
        return encode(windows, rhythms, checkpoint.steps), None, words
    read = lambda name: progress(f"reading record {name}")  # noqa: E731
    calibration = _thin(load_dataset(fitted, checkpoint.front_end, data, progress=read), CALIBRATION_BEATS)
    judged = _thin(load_dataset(held_out, checkpoint.front_end, data, progress=read), JUDGED_BEATS)
    words = (
        f"calibrated on {len(calibration)} beats of the {len(fitted)} fitted records, "
        f"judged on {len(judged)} beats of the held-out records {', '.join(held_out)}"
    )
    progress(words)
    return encode(calibration.windows, calibration.rhythms, checkpoint.steps), judged, words


def _thin(beats: Beats, most: int) -> Beats:
    """At most ``most`` beats, evenly spaced."""
    kept = np.linspace(0, len(beats) - 1, min(most, len(beats))).round().astype(np.int64)
    arrays = {name: getattr(beats, name)[kept] for name in ("windows", "rhythms", "labels", "records", "samples")}
    return replace(beats, **arrays)
