"""Beats that calibrate, tune and judge a deployed network: of the records its training names, thinned evenly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train.dataset import Beats, Detector, load_dataset
from cortexcore.train.recordings import find_data

CALIBRATION_BEATS = 512
"""Beats that calibrate the ranges, evenly spaced over the fitted records."""
JUDGED_BEATS = 2000
"""Beats, at most, on which float and integer network are compared, evenly spaced over the held-out records."""


def thin(beats: Beats, most: int) -> Beats:
    """At most ``most`` beats, evenly spaced."""
    kept = np.linspace(0, len(beats) - 1, min(most, len(beats))).round().astype(np.int64)
    arrays = {name: getattr(beats, name)[kept] for name in ("windows", "rhythms", "labels", "records", "samples")}
    return replace(beats, **arrays)


def fitted_beats(
    provenance: Mapping[str, Any],
    front_end: FrontEndConfig,
    data: Path | None,
    progress: Callable[[str], None],
    detectors: Sequence[Detector] = ("reference",),
) -> Beats:
    """All beats of the records that a model was fitted on.

    Args:
        provenance: of the checkpoint or bundle (its ``training``).
        front_end: of the model; data, detectors: as of :func:`load_dataset`.
        progress: called with a line per record.

    Raises:
        DataError: the model does not name them, or recordings are missing or damaged.
    """
    return _beats(provenance, "fitted_records", front_end, data, progress, detectors)


def held_out_beats(
    provenance: Mapping[str, Any], front_end: FrontEndConfig, data: Path | None, progress: Callable[[str], None]
) -> Beats:
    """All beats, at the annotated peaks, of the records a model was not fitted on; else as :func:`fitted_beats`."""
    return _beats(provenance, "held_out_records", front_end, data, progress, ("reference",))


def has_recordings(provenance: Mapping[str, Any], data: Path | None) -> bool:
    """Whether the model names fitted and held-out records, and a folder of recordings is found.

    Raises:
        DataError: ``data`` was given and is none.
    """
    if not (provenance.get("fitted_records") and provenance.get("held_out_records")):
        return False
    try:
        find_data(data)
    except DataError:
        if data is not None:
            raise
        return False
    return True


def _beats(
    provenance: Mapping[str, Any],
    key: str,
    front_end: FrontEndConfig,
    data: Path | None,
    progress: Callable[[str], None],
    detectors: Sequence[Detector],
) -> Beats:
    names = tuple(provenance.get(key, ()))
    if not names:
        raise DataError(f"the model does not say its {key.replace('_', ' ')}, which this needs: train it with a preset")
    find_data(data)
    return load_dataset(names, front_end, data, detectors, lambda name: progress(f"reading record {name}"))
