"""Recordings through the front end to arrays of labelled beats, cached between runs.

Classes are AAMI's with F and Q together as the fourth, "F(+Q)": DS1 has eight Q beats outside the paced records, too
few to learn and too few to matter, and nothing is dropped.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.runtime import frontend
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.train import recordings
from cortexcore.train.evaluation import ec57
from cortexcore.train.evaluation.ec57 import MATCH_WINDOW_S, match_beats
from cortexcore.train.recordings import (
    WEARABLE_RATE_HZ,
    find_data,
    load_beats,
    load_recording,
    to_wearable_rate,
    user_cache,
)

Detector = Literal["own", "reference"]
CLASSES: tuple[str, ...] = ("N", "S", "V", "F")
"""The classifier's classes, in the order of its outputs."""
CLASS_OF_AAMI: dict[str, int] = {"N": 0, "S": 1, "V": 2, "F": 3, "Q": 3}


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats with their classes, one entry each.

    Attributes:
        windows: int8 [n, channels, length].
        rhythms: int8 [n, features].
        labels: int8 [n], index into :data:`CLASSES`.
        records: int16 [n], index into ``names``.
        samples: int64 [n], R peak at 250 Hz.
        names: records, in the order of their index.
    """

    windows: NDArray[np.int8]
    rhythms: NDArray[np.int8]
    labels: NDArray[np.int8]
    records: NDArray[np.int16]
    samples: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def concatenate(parts: Sequence[Beats]) -> Beats:
    """Several sets as one; a record that occurs in several keeps one index."""
    if not parts:
        raise DataError("there are no beats to put together: name at least one record")
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    renumbered = [np.array([names.index(n) for n in part.names], np.int16)[part.records] for part in parts]
    return Beats(
        windows=np.concatenate([part.windows for part in parts]),
        rhythms=np.concatenate([part.rhythms for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        records=np.concatenate(renumbered),
        samples=np.concatenate([part.samples for part in parts]),
        names=names,
    )


def load_dataset(
    records: Sequence[str],
    front_end: FrontEndConfig,
    data: Path | None,
    detectors: Sequence[Detector] = ("reference",),
    progress: Callable[[str], None] | None = None,
) -> Beats:
    """Labelled beats of several records.

    Args:
        records: record names, e.g. ``("106", "119")``.
        front_end: what makes the arrays.
        data: folder of the recordings, see :func:`cortexcore.train.recordings.find_data`.
        detectors: ``"reference"`` cuts windows at the annotated R peaks, ``"own"`` at the front end's own; with both,
            a beat occurs twice, differently cut.
        progress: called with each record's name before it is read.

    Raises:
        DataError: a record is missing or damaged.
    """
    parts = []
    for name in records:
        if progress:
            progress(name)
        parts += [_load_cached(name, front_end, data, detector) for detector in detectors]
    return concatenate(parts)


def read_record(name: str, front_end: FrontEndConfig, data: Path | None, detector: Detector) -> Beats:
    """Labelled beats of one record, computed anew; beats found that match no annotated one are left out."""
    recording = to_wearable_rate(load_recording(name, data))
    annotated = load_beats(name, data).at_rate(WEARABLE_RATE_HZ)
    peaks = annotated.sample if detector == "reference" else None
    engine = FrontEnd(front_end, recording.gain_per_mv, recording.rate_hz, peaks=peaks)
    beats = [*engine.push(recording.counts), *engine.flush()]
    samples = np.array([beat.sample for beat in beats], np.int64)
    pairs = match_beats(annotated.sample, samples, int(MATCH_WINDOW_S * WEARABLE_RATE_HZ))
    partner, kept = pairs[:, 0], pairs[:, 1]
    if not len(kept):
        raise DataError(f"record {name} gives no beat that can be learned from: none lies near an annotation")
    return Beats(
        windows=np.stack([beats[i].window for i in kept]),
        rhythms=np.stack([beats[i].rhythm for i in kept]),
        labels=np.array([CLASS_OF_AAMI[label] for label in annotated.aami[partner]], np.int8),
        records=np.zeros(len(kept), np.int16),
        samples=samples[kept],
        names=(name,),
    )


def _load_cached(name: str, front_end: FrontEndConfig, data: Path | None, detector: Detector) -> Beats:
    """The record's beats from the user's cache, or computed and put there; an unreadable cache file is made anew."""
    path = user_cache() / "beats" / f"{name}-{detector}-{_cache_key(name, front_end, data)}.npz"
    array_names = [field.name for field in fields(Beats) if field.name != "names"]
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Beats(**{key: arrays[key] for key in array_names}, names=(name,))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)
    beats = read_record(name, front_end, data, detector)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            np.savez_compressed(part, **{key: getattr(beats, key) for key in array_names})
            part.replace(path)
    except OSError as error:
        raise DataError(
            f"the cache {path.parent} cannot be written ({error.strerror or error}): name another with XDG_CACHE_HOME"
        ) from error
    return beats


def _cache_key(name: str, front_end: FrontEndConfig, data: Path | None) -> str:
    """Changes with the front end's configuration and code, with the code that reads and labels, and the record."""
    digest = hashlib.sha256(json.dumps(front_end.to_json(), sort_keys=True).encode())
    sources = [Path(__file__), Path(ec57.__file__)]
    for package in (frontend, recordings):
        sources += sorted(Path(folder) for folder in package.__path__)
    for source in sources:
        for path in sorted(source.glob("*.py")) if source.is_dir() else [source]:
            digest.update(path.read_bytes())
    for suffix in ("hea", "dat", "atr"):
        path = find_data(data) / "mitdb" / f"{name}.{suffix}"
        if not path.is_file():
            raise DataError(f"record {name} is incomplete: {path} is missing; cortexcore data fetch mitdb brings it")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]
