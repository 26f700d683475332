"""Decisions as WFDB annotation files, for outside scorers and viewers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.train.recordings.recording import import_wfdb

EXTENSION = "cc"
END_OF_FILE = b"\x00\x00"
"""An MIT-format annotation file without annotations; wfdb refuses to write one."""


def write_annotations(
    folder: Path, record: str, samples: NDArray[np.int64], labels: Sequence[str], rate_hz: int
) -> Path:
    """Write ``RECORD.cc``; the file appears complete or not at all.

    Args:
        folder: made if need be.
        record: the record's name.
        samples: int64 [D] at ``rate_hz``, ascending.
        labels: one of N S V F Q each; in the database's alphabet these letters name the same classes.
        rate_hz: of the recording the samples count in.

    Returns:
        the file's path.

    Raises:
        DataError: the folder cannot be written.
    """
    path = folder / f"{record}.{EXTENSION}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as part:
            written = Path(part) / path.name
            if len(samples):
                import_wfdb().wrann(record, EXTENSION, samples, symbol=list(labels), fs=rate_hz, write_dir=part)
            else:
                written.write_bytes(END_OF_FILE)
            written.replace(path)
    except OSError as error:
        raise DataError(f"the annotations {path} cannot be written: {error.strerror or error}") from error
    return path
