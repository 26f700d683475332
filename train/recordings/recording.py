"""One lead of one recording, as the ADC counts a wearable would send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, missing_package
from cortexcore.train.recordings.locate import find_data

if TYPE_CHECKING:
    from types import ModuleType

MITDB_RATE_HZ = 360
"""Every MIT-BIH record's rate."""

_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, eq=False)
class Recording:
    """One lead.

    Attributes:
        name: the record's name, e.g. ``"208"``.
        counts: int16 [N], ADC counts with 0 mV at 0.
        rate_hz: samples per second.
        gain_per_mv: counts per millivolt.
        lead: the lead's name, e.g. ``"MLII"``.
        clipped: samples that resampling had to clip to 16 bit.
    """

    name: str
    counts: NDArray[np.int16]
    rate_hz: int
    gain_per_mv: float
    lead: str
    clipped: int = 0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.counts) / self.rate_hz


def import_wfdb() -> ModuleType:
    """wfdb, or the sentence that says how to install it."""
    try:
        import wfdb
    except ImportError:
        raise missing_package("wfdb", "train", "reading recordings") from None
    module: ModuleType = wfdb
    return module


def record_path(name: str, data: Path | None) -> Path:
    """Path of a record without its suffix, checked to have a header.

    Raises:
        DataError: when the name is no file name, or the data folder or the record's header is missing.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise DataError(f"{name!r} cannot be a record's name: give letters and digits alone, e.g. 208")
    folder = find_data(data) / "mitdb"
    if not (folder / f"{name}.hea").is_file():
        raise DataError(
            f"record {name} is not in {folder}: 'cortexcore data fetch mitdb' brings every record of the database"
        )
    return folder / name


def load_recording(name: str, data: Path | None = None, lead: str = "MLII") -> Recording:
    """Read one lead of an MIT-BIH record at its native rate, 360 Hz.

    Args:
        name: record, e.g. ``"208"``.
        data: see :func:`~cortexcore.train.recordings.locate.find_data`.
        lead: chosen by name, never by position: record 114 has its two channels swapped.

    Returns:
        counts less the header's baseline, so that 0 mV is 0 counts.

    Raises:
        DataError: missing, truncated or damaged record, no such lead, another rate than 360 Hz.
    """
    path = record_path(name, data)
    header = _read_header(path)
    leads = list(header.sig_name or [])
    if lead not in leads:
        raise DataError(f"record {name} has no lead {lead!r}: choose one of {', '.join(leads) or 'none'}")
    channel = leads.index(lead)
    samples = _read_channel(path, channel, int(header.sig_len))
    if int(samples.sum()) % 65536 != int(header.checksum[channel]) % 65536:
        raise DataError(
            f"record {name}: the checksum of lead {lead} in {path}.hea does not match its samples; fetch it again"
        )
    counts = samples - int(header.baseline[channel])
    if counts.size and (counts.min() < _INT16.min or counts.max() > _INT16.max):
        raise DataError(f"record {name}: lead {lead} less its baseline {header.baseline[channel]} leaves 16 bit")
    return Recording(name, counts.astype(np.int16), MITDB_RATE_HZ, float(header.adc_gain[channel]), lead)


def lead_names(name: str, data: Path | None = None) -> tuple[str, ...]:
    """The names of a record's leads.

    Raises:
        DataError: missing or damaged header, another rate than 360 Hz.
    """
    return tuple(_read_header(record_path(name, data)).sig_name or ())


def _read_header(path: Path) -> Any:
    wfdb = import_wfdb()
    try:
        header = wfdb.rdheader(str(path))
    except (ValueError, OSError, IndexError, TypeError) as error:
        raise DataError(f"record {path.name}: its header {path}.hea is damaged ({error}); fetch it again") from error
    if header.fs != MITDB_RATE_HZ:
        raise DataError(
            f"record {path.name} is sampled at {header.fs} Hz, MIT-BIH records at {MITDB_RATE_HZ} Hz: fetch it again"
        )
    fields = {name: getattr(header, name, None) for name in ("sig_len", "sig_name", "baseline", "checksum", "adc_gain")}
    lacking = [name for name, value in fields.items() if value is None or (isinstance(value, list) and None in value)]
    if lacking:  # wfdb leaves out what it cannot read, without a word
        raise DataError(
            f"record {path.name}: its header {path}.hea is damaged (no {', '.join(lacking)}); fetch it again"
        )
    return header


def _read_channel(path: Path, channel: int, expected: int) -> NDArray[np.int64]:
    wfdb = import_wfdb()
    try:
        record = wfdb.rdrecord(str(path), physical=False, channels=[channel])
        samples = np.asarray(record.d_signal[:, 0], dtype=np.int64)
    except FileNotFoundError as error:
        raise DataError(f"record {path.name}: {error.filename} is missing; fetch it again") from error
    except (ValueError, OSError, LookupError, TypeError, MemoryError) as error:
        raise DataError(
            f"record {path.name}: its samples are shorter than the {expected} its header promises, or damaged; "
            "fetch it again"
        ) from error
    if len(samples) != expected:
        raise DataError(
            f"record {path.name} holds {len(samples)} samples, its header promises {expected}; fetch it again"
        )
    return samples
