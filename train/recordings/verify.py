"""Are the recordings on disk what their publisher says they are?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cortexcore.errors import DataError
from cortexcore.train.recordings.annotations import load_beats
from cortexcore.train.recordings.checksums import SUMS_FILE, parse_sums, sha256_of
from cortexcore.train.recordings.datasets import get_dataset
from cortexcore.train.recordings.locate import find_data
from cortexcore.train.recordings.recording import lead_names, load_recording


@dataclass(frozen=True)
class VerifyReport:
    """Outcome of a check.

    Attributes:
        folder: what was checked.
        records: records whose every lead matches the checksum in its header and whose annotations can be read.
        files: files whose SHA-256 equals the published one; empty where ``SHA256SUMS.txt`` is not here.
        missing: records of the database that are not here (not a fault).
        problems: one sentence per damaged record or file.
    """

    folder: Path
    records: tuple[str, ...]
    files: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing damaged."""
        return not self.problems


def verify_dataset(
    name: str, data: Path | None = None, progress: Callable[[str, int, int], None] | None = None
) -> VerifyReport:
    """Check every record that is here; works offline.

    Args:
        name: database, e.g. ``"mitdb"``.
        data: see :func:`~cortexcore.train.recordings.locate.find_data`.
        progress: called with (record, done, total) after each record.

    Raises:
        DataError: unknown database, or no data folder.
    """
    dataset = get_dataset(name)
    root = find_data(data)
    folder = root / name
    here = sorted({path.stem for path in folder.iterdir() if path.suffix in dataset.suffixes})
    good, problems = [], []
    for done, record in enumerate(here, start=1):
        try:
            for lead in lead_names(record, root):
                load_recording(record, root, lead)
            load_beats(record, root)
        except DataError as error:
            problems.append(str(error))
        else:
            good.append(record)
        if progress is not None:
            progress(record, done, len(here))
    files, differing = _compare_sums(folder, dataset.suffixes)
    missing = tuple(record for record in dataset.records if record not in here)
    return VerifyReport(folder, tuple(good), files, missing, (*problems, *differing))


def _compare_sums(folder: Path, suffixes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    path = folder / SUMS_FILE
    if not path.is_file():
        return (), ()
    sums = parse_sums(path.read_text(encoding="utf-8", errors="replace"), str(path))
    present = sorted(file for file in sums if file.endswith(suffixes) and (folder / file).is_file())
    equal = {file: sha256_of(folder / file) == sums[file] for file in present}
    differing = tuple(
        f"{folder / file} does not match its published SHA-256: delete it and run 'cortexcore data fetch {folder.name}'"
        for file in present
        if not equal[file]
    )
    return tuple(file for file in present if equal[file]), differing
