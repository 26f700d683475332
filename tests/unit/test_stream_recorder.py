"""A recording is a WFDB record that wfdb reads back to what was sent, or it is not there at all."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import numpy as np
import pytest
import wfdb

from cortexcore.errors import DataError, TargetUnavailable
from cortexcore.runtime.classifier import Decision
from cortexcore.runtime.frontend import Beat
from cortexcore.runtime.protocol import Info, LinkCounts
from cortexcore.runtime.stream import BeatDecided, Closed, Gap, Recorder, Signal
from cortexcore.runtime.stream.recorder import LOST_SAMPLE
from cortexcore.runtime.stream.summary import Tally

INFO = Info(250, 204.8, "MLII", "patient 7/a", adc_bits=12)
COUNTS = np.random.default_rng(3).integers(-2048, 2048, 700).astype(np.int16)


def signal(first: int, counts: np.ndarray) -> Signal:
    return Signal(first, counts, counts.astype(np.int32), LinkCounts())


def beat(sample: int, label: str) -> BeatDecided:
    found = Beat(sample, sample + 100, np.zeros((1, 8), np.int8), np.zeros(2, np.int8), rr_ms=0)
    return BeatDecided(Decision(found, label, (1.0,)), sample / 250, 0.4, None)


def closed() -> Closed:
    return Closed(Tally(250).summary(INFO.name, "complete", None, LinkCounts()))


def test_reads_back_what_was_sent(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder", INFO)
    for first in range(0, 700, 70):
        recorder.handle(signal(first, COUNTS[first : first + 70]))
    for sample, label in ((40, "N"), (240, "S"), (440, "V"), (640, "F"), (690, "Q")):
        recorder.handle(beat(sample, label))
    recorder.handle(closed())
    recorder.close()

    assert recorder.name == "patient_7_a"
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == [f"patient_7_a.{x}" for x in ("cortex", "dat", "hea")]
    record = wfdb.rdrecord(str(folder / recorder.name), physical=False)
    assert np.array_equal(record.d_signal[:, 0], COUNTS)
    assert (record.fs, record.adc_gain, record.adc_res, record.sig_name) == (250, [204.8], [12], ["MLII"])
    assert record.checksum == record.calc_checksum() and record.init_value == [int(COUNTS[0])]
    found = wfdb.rdann(str(folder / recorder.name), "cortex")
    assert found.sample.tolist() == [40, 240, 440, 640, 690]
    assert found.symbol == ["N", "S", "V", "F", "Q"]
    assert found.fs == 250


@pytest.mark.parametrize(
    ("lead", "written"), [("", "ECG"), ("  ", "ECG"), ("V1 vorn", "V1 vorn"), ("Brustwand ü", "Brustwand ?")]
)
@pytest.mark.parametrize("gain", [0.001, 1234567.125])
def test_any_device_that_the_protocol_allows_can_be_recorded(
    tmp_path: Path, lead: str, written: str, gain: float
) -> None:
    recorder = Recorder(tmp_path, Info(65535, gain, lead, "ÄÖ"))
    recorder.handle(signal(0, COUNTS))
    part = wfdb.rdrecord(str(tmp_path / "_.part" / "_"), physical=False)
    recorder.handle(closed())
    recorder.close()
    record = wfdb.rdrecord(str(tmp_path / "_"), physical=False)
    assert record.sig_name == [written]
    assert record.adc_gain == part.adc_gain == [gain] and record.fs == part.fs == 65535
    assert np.array_equal(record.d_signal, part.d_signal)


def test_lost_samples_keep_their_place(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, INFO)
    recorder.handle(signal(0, COUNTS[:100]))
    recorder.handle(Gap(100, 50))
    recorder.handle(signal(150, COUNTS[150:]))
    # The front end needs signal after a peak, so beats are decided later than gaps that follow them.
    recorder.handle(beat(80, "N"))
    recorder.handle(closed())
    recorder.close()
    record = wfdb.rdrecord(str(tmp_path / recorder.name), physical=False)
    expected = COUNTS.copy()
    expected[100:150] = LOST_SAMPLE
    assert np.array_equal(record.d_signal[:, 0], expected)
    assert record.checksum == record.calc_checksum()
    millivolts = wfdb.rdrecord(str(tmp_path / recorder.name)).p_signal[:, 0]
    assert np.array_equal(np.isnan(millivolts), expected == LOST_SAMPLE)
    found = wfdb.rdann(str(tmp_path / recorder.name), "cortex")
    assert list(zip(found.sample.tolist(), found.symbol, found.aux_note, strict=True)) == [
        (80, "N", ""),
        (100, "~", "lost 50 samples"),
    ]


def test_a_recording_without_beats_reads_back_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, INFO)
    recorder.handle(signal(0, COUNTS))
    recorder.handle(closed())
    recorder.close()
    assert wfdb.rdann(str(tmp_path / recorder.name), "cortex").sample.size == 0


def test_a_crash_keeps_what_was_written_and_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, INFO)
    recorder.handle(signal(0, COUNTS[:300]))
    # No close, no flush: what a killed process leaves.
    assert [path.name for path in tmp_path.iterdir()] == ["patient_7_a.part"]
    record = wfdb.rdrecord(str(tmp_path / "patient_7_a.part" / "patient_7_a"), physical=False)
    assert np.array_equal(record.d_signal[:, 0], COUNTS[:300])
    assert (record.adc_gain, record.fs) == ([204.8], 250)
    recorder.close()
    assert [path.name for path in tmp_path.iterdir()] == ["patient_7_a.part"]


def test_nothing_is_left_of_a_recording_that_got_no_signal(tmp_path: Path) -> None:
    Recorder(tmp_path, INFO).close()
    assert not [*tmp_path.iterdir()]


def test_nothing_is_left_where_the_disk_is_full_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match="No space left"):
        Recorder(tmp_path, INFO)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["patient_7_a.dat", "patient_7_a.hea", "patient_7_a.cortex", "patient_7_a.part"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(DataError, match=f"{name}' exists and is not overwritten"):
        Recorder(tmp_path, INFO)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"precious")]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        Recorder(tmp_path / "file" / "folder", INFO)


def test_a_class_without_a_symbol(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, INFO)
    with pytest.raises(DataError, match="class 'arrhythmia' has no WFDB symbol; allowed: N, S, V, F, Q"):
        recorder.handle(beat(10, "arrhythmia"))
    recorder.close()


def test_without_wfdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(TargetUnavailable, match=r"recording a stream needs the package 'wfdb'.*cortexcore\[record\]"):
        Recorder(tmp_path, INFO)
    assert not list(tmp_path.iterdir())
