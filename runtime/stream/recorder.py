"""Records a session as a WFDB record: signal, header, and the network's labels as annotations.

While the session runs, ``NAME.part/`` holds the signal as it comes in and a header that WFDB tools can read, so that a
crash keeps what had arrived. At the end header and annotations are completed and all files move to their final place,
the header last: a record that has its header is whole.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, missing_package
from cortexcore.runtime.protocol import Info
from cortexcore.runtime.stream.events import BeatDecided, Closed, Event, Gap, Signal

ANNOTATOR = "cortex"
"""Extension of the annotation file; ``atr`` is for reference annotations, which these are not."""

LOST_SAMPLE = -32768
"""What stands for a lost sample: format 16's value for "no valid sample", which WFDB tools read as NaN."""

_SYMBOLS = {"N": "N", "S": "S", "V": "V", "F": "F", "Q": "Q"}
_NOTE, _NOISE = '"', "~"
_PROVENANCE = "cortexcore stream: labels by a neural network, not by a physician"
_SUFFIXES = (".dat", f".{ANNOTATOR}", ".hea")


class Recorder:
    """A sink that writes ``folder/NAME.dat``, ``.hea`` and ``.cortex``; NAME is the recording's.

    Lost samples keep their place, as :data:`LOST_SAMPLE`, and a ``~`` annotation with the text ``lost N samples``.

    Args:
        folder: where to; made where it does not exist.
        info: what the device says of itself.

    Raises:
        DataError: the folder holds a record of this name, or cannot be written to.
        TargetUnavailable: wfdb is not installed.
    """

    def __init__(self, folder: Path, info: Info) -> None:
        try:
            import wfdb
        except ImportError:
            raise missing_package("wfdb", "record", "recording a stream") from None
        self._wfdb: Any = wfdb
        self._info = info
        self._folder = folder
        self.name = re.sub(r"[^A-Za-z0-9_-]+", "_", info.name) or "stream"
        self._part = folder / f"{self.name}.part"
        taken = [path for path in (*map(self._final, _SUFFIXES), self._part) if path.exists()]
        if taken:
            raise DataError(
                f"'{taken[0]}' exists and is not overwritten: record into another folder, or move it away first"
            )
        self._annotations: list[tuple[int, str, str]] = [(0, _NOTE, _PROVENANCE)]
        self._samples = 0
        self._lost = 0
        self._checksum = 0
        self._first = 0
        with self._said_in_one_sentence():
            self._part.mkdir(parents=True)
            try:
                self._write_open_header()
                self._signal = (self._part / f"{self.name}.dat").open("wb", buffering=0)
            except OSError:
                shutil.rmtree(self._part, ignore_errors=True)
                raise

    def handle(self, event: Event) -> None:
        """Write what ``event`` brings.

        Raises:
            DataError: the disk is full or gone, or a label is none of N, S, V, F, Q.
        """
        with self._said_in_one_sentence():
            if isinstance(event, Signal):
                self._append(event.counts)
            elif isinstance(event, Gap):
                self._append(np.full(event.lost, LOST_SAMPLE, dtype=np.int16))
                self._lost += event.lost
                self._annotations.append((event.first, _NOISE, f"lost {event.lost} samples"))
            elif isinstance(event, BeatDecided):
                label = event.decision.label
                if label not in _SYMBOLS:
                    raise DataError(f"a beat of class '{label}' has no WFDB symbol; allowed: {', '.join(_SYMBOLS)}")
                self._annotations.append((event.decision.beat.sample, _SYMBOLS[label], ""))
            elif isinstance(event, Closed):
                self._finish()

    def close(self) -> None:
        """Close the signal; without :class:`Closed` before, ``NAME.part/`` stays as it is if it holds any signal."""
        self._signal.close()
        if not self._samples:
            shutil.rmtree(self._part, ignore_errors=True)

    def _append(self, counts: NDArray[np.int16]) -> None:
        if not self._samples:
            self._first = int(counts[0])
        self._signal.write(counts.astype("<i2").tobytes())
        self._samples += counts.size
        self._checksum = (self._checksum + int(counts.sum(dtype=np.int64))) & 0xFFFF

    def _finish(self) -> None:
        self._signal.close()
        self._write_header()
        self._annotations.sort(key=lambda annotation: annotation[0])
        samples, symbols, texts = zip(*self._annotations, strict=True)
        self._wfdb.wrann(
            self.name,
            ANNOTATOR,
            sample=np.array(samples, dtype=np.int64),
            symbol=list(symbols),
            aux_note=list(texts),
            fs=self._info.rate_hz,
            write_dir=str(self._part),
        )
        for suffix in _SUFFIXES:
            (self._part / self._final(suffix).name).rename(self._final(suffix))
        self._part.rmdir()

    def _write_open_header(self) -> None:
        """A header without a length: WFDB readers then take it from the signal file. wfdb itself writes none such."""
        info, signal = self._info, f"{self.name}.dat 16 {self._info.gain_per_mv}/mV {self._info.adc_bits} 0"
        (self._part / f"{self.name}.hea").write_text(f"{self.name} 1 {info.rate_hz}\n{signal}\n", encoding="ascii")

    def _write_header(self) -> None:
        self._wfdb.Record(
            record_name=self.name,
            n_sig=1,
            fs=self._info.rate_hz,
            sig_len=self._samples,
            file_name=[f"{self.name}.dat"],
            fmt=["16"],
            adc_gain=[self._info.gain_per_mv],
            baseline=[0],
            units=["mV"],
            adc_res=[self._info.adc_bits],
            adc_zero=[0],
            init_value=[self._first],
            checksum=[self._checksum],
            block_size=[0],
            sig_name=[self._info.lead.encode("ascii", "replace").decode().strip() or "ECG"],
            comments=[_PROVENANCE, f"{self._lost} lost samples stand as {LOST_SAMPLE}"],
        ).wrheader(write_dir=str(self._part))

    def _final(self, suffix: str) -> Path:
        return self._folder / f"{self.name}{suffix}"

    @contextmanager
    def _said_in_one_sentence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"the recording in '{self._folder}' cannot be written ({error.strerror})") from error
