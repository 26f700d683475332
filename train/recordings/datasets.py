"""The databases CortexCore knows how to fetch, and how much of each is here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cortexcore.errors import DataError
from cortexcore.train.recordings.locate import find_data, user_cache
from cortexcore.train.recordings.records import DS1, DS2, PACED


@dataclass(frozen=True)
class Dataset:
    """A public database.

    Attributes:
        name: folder and word on the command line.
        title: full name and source.
        licence: SPDX-like name of its licence.
        url: folder on PhysioNet with the files and their ``SHA256SUMS.txt``.
        suffixes: endings of the files that are fetched.
        records: names of its records.
    """

    name: str
    title: str
    licence: str
    url: str
    suffixes: tuple[str, ...]
    records: tuple[str, ...]


DATASETS: dict[str, Dataset] = {
    "mitdb": Dataset(
        name="mitdb",
        title="MIT-BIH Arrhythmia Database 1.0.0 (Moody & Mark 2001, doi:10.13026/C2F305)",
        licence="ODC-By 1.0",
        url="https://physionet.org/files/mitdb/1.0.0/",
        suffixes=(".hea", ".dat", ".atr"),
        records=tuple(sorted(DS1 + DS2 + PACED)),
    )
}


@dataclass(frozen=True)
class DatasetStatus:
    """How much of a database is here. ``folder`` is None where no data folder is known."""

    dataset: Dataset
    folder: Path | None
    present: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Records that are not here."""
        return tuple(name for name in self.dataset.records if name not in self.present)


def get_dataset(name: str) -> Dataset:
    """A database by name.

    Raises:
        DataError: for a name that is not in ``DATASETS``.
    """
    if name not in DATASETS:
        raise DataError(f"no dataset is called {name!r}: choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def list_datasets(data: Path | None = None) -> tuple[DatasetStatus, ...]:
    """Every known database and the records of it that are here (all three files).

    Args:
        data: see :func:`~cortexcore.train.recordings.locate.find_data`; no recordings there is not an error here.
    """
    try:
        root: Path | None = find_data(data)
    except DataError:
        root = None
    return tuple(_status(dataset, root) for dataset in DATASETS.values())


def _status(dataset: Dataset, root: Path | None) -> DatasetStatus:
    folder = root / dataset.name if root is not None else None
    present = tuple(
        record
        for record in dataset.records
        if folder is not None and all((folder / f"{record}{suffix}").is_file() for suffix in dataset.suffixes)
    )
    return DatasetStatus(dataset, folder, present)


def fetch_root(data: Path | None = None) -> Path:
    """The folder to fetch into, the one looked in first: ``data``, else CORTEXCORE_DATA, else the user's cache."""
    if data is not None:
        return data.resolve().parent if data.name in DATASETS else data
    value = os.environ.get("CORTEXCORE_DATA")
    return Path(value) if value else user_cache()
