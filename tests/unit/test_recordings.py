"""Recordings and annotations: a tiny database in MIT-BIH's format, whole and damaged."""

import shutil

import numpy as np
import pytest
import wfdb

from cortexcore.errors import DataError
from cortexcore.train.recordings import (
    AAMI_CLASSES,
    AAMI_OF_SYMBOL,
    DS1,
    DS2,
    PACED,
    Recording,
    find_data,
    lead_names,
    list_datasets,
    load_beats,
    load_recording,
    split_records,
    to_wearable_rate,
    user_cache,
    verify_dataset,
)

BASELINE = 1024


def write_record(folder, name, samples, leads, rate_hz=360, fmt="212"):
    """Samples are ADC values, baseline included."""
    wfdb.wrsamp(
        name,
        fs=rate_hz,
        units=["mV"] * len(leads),
        sig_name=leads,
        d_signal=samples,
        fmt=[fmt] * len(leads),
        adc_gain=[200.0] * len(leads),
        baseline=[BASELINE] * len(leads),
        write_dir=str(folder),
    )


@pytest.fixture
def database(tmp_path):
    """A data folder whose record 900 has its leads the other way round, as MIT-BIH 114 has."""
    folder = tmp_path / "data" / "mitdb"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = rng.integers(-900, 900, (3600, 2)) + BASELINE
    samples[100] = [BASELINE, BASELINE + 200]
    write_record(folder, "900", samples, ["V5", "MLII"])
    symbols = ["+", "N", "V", "[", "!", "]", "A", "F", "Q", "~", "L"]
    wfdb.wrann("900", "atr", np.arange(11) * 300 + 100, symbol=symbols, write_dir=str(folder))
    return folder.parent


def test_lead_is_chosen_by_name_and_zero_millivolt_is_zero(database):
    record = load_recording("900", database)
    assert (record.lead, record.rate_hz, record.gain_per_mv) == ("MLII", 360, 200.0)
    assert record.counts.dtype == np.int16
    assert record.counts.shape == (3600,)
    assert record.counts[100] == 200
    assert load_recording("900", database, lead="V5").counts[100] == 0
    assert lead_names("900", database) == ("V5", "MLII")
    assert record.duration_s == 10


def test_no_such_lead(database):
    with pytest.raises(DataError, match="no lead 'V1': choose one of V5, MLII"):
        load_recording("900", database, lead="V1")


def test_missing_record(database):
    with pytest.raises(DataError, match=r"record 901 is not in .*data fetch mitdb"):
        load_recording("901", database)


@pytest.mark.parametrize("name", ["../mitdb/900", "900.hea", "", " 900", "/etc/passwd"])
def test_a_path_is_no_record(database, name):
    for load in (load_recording, load_beats):
        with pytest.raises(DataError, match="cannot be a record's name"):
            load(name, database)


def test_missing_signal_and_annotations(database):
    (database / "mitdb" / "900.dat").unlink()
    (database / "mitdb" / "900.atr").unlink()
    with pytest.raises(DataError, match=r"900\.dat is missing"):
        load_recording("900", database)
    with pytest.raises(DataError, match=r"no annotations 900\.atr"):
        load_beats("900", database)


def test_truncated_signal(database):
    path = database / "mitdb" / "900.dat"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"record 900.*3600.*header promises"):
        load_recording("900", database)


def test_changed_sample(database):
    path = database / "mitdb" / "900.dat"
    content = bytearray(path.read_bytes())
    content[2] ^= 1  # low byte of the second lead's first sample
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum of lead MLII"):
        load_recording("900", database)


def test_damaged_header(database):
    (database / "mitdb" / "900.hea").write_text("not a header\n")
    with pytest.raises(DataError, match=r"header .*900\.hea is damaged"):
        load_recording("900", database)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (" 3600\n", "\n", "is damaged .no sig_len"),
        (" MLII\n", "\n", "is damaged .no sig_name"),
        (" 3600\n", " 36000000000000\n", "or damaged"),
        (" 212 ", " 999 ", "or damaged"),
    ],
)
def test_header_that_lacks_a_field_or_promises_too_much(database, old, new, words):
    header = database / "mitdb" / "900.hea"
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=rf"record 900.*{words}"):
        load_recording("900", database)


def test_wrong_rate(database):
    write_record(database / "mitdb", "902", np.full((100, 1), BASELINE), ["MLII"], rate_hz=128)
    with pytest.raises(DataError, match="sampled at 128 Hz, MIT-BIH records at 360 Hz"):
        load_recording("902", database)


def test_beats_are_the_annotations_that_name_one(database):
    beats = load_beats("900", database)
    assert beats.symbol.tolist() == ["N", "V", "A", "F", "Q", "L"]
    assert beats.aami.tolist() == ["N", "V", "S", "F", "Q", "N"]
    assert beats.sample.tolist() == [400, 700, 1900, 2200, 2500, 3100]
    assert beats.flutter.tolist() == [[1000, 1600]]
    assert beats.rate_hz == 360


def test_beats_at_another_rate(database):
    beats = load_beats("900", database).at_rate(250)
    assert beats.sample.tolist() == [278, 486, 1319, 1528, 1736, 2153]
    assert beats.flutter.tolist() == [[694, 1111]]
    assert beats.rate_hz == 250


@pytest.mark.parametrize("length", [0, 1, 10])
def test_truncated_annotations(database, length):
    path = database / "mitdb" / "900.atr"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"annotations .*900\.atr are damaged \(no end mark\)"):
        load_beats("900", database)


def test_aami_table():
    """de Chazal 2004, Table I."""
    symbols = {name: {s for s, group in AAMI_OF_SYMBOL.items() if group == name} for name in AAMI_CLASSES}
    assert symbols["N"] >= set("NLRej")
    assert symbols["S"] == set("AaJS")
    assert symbols["V"] >= set("VE")
    assert symbols["F"] == {"F"}
    assert symbols["Q"] >= set("/fQ")
    assert not set(AAMI_OF_SYMBOL) & set('+~|![]x"')


def test_splits_are_de_chazals():
    assert len(DS1) == len(DS2) == 22
    assert len({*DS1, *DS2, *PACED}) == 48
    assert split_records("ds1") == DS1
    with pytest.raises(DataError, match="'ds3': choose one of ds1, ds2, paced"):
        split_records("ds3")


def test_wearable_rate_keeps_the_signal():
    time = np.arange(3600) / 360
    wave = np.round(800 * np.sin(2 * np.pi * 7 * time)).astype(np.int16)
    record = to_wearable_rate(Recording("x", wave, 360, 200.0, "MLII"))
    assert record.rate_hz == 250
    assert len(record.counts) == 2500
    assert record.clipped == 0
    exact = 800 * np.sin(2 * np.pi * 7 * np.arange(2500) / 250)
    assert np.abs(record.counts - exact)[50:-50].max() < 4
    assert to_wearable_rate(record) is record


def test_wearable_rate_keeps_an_offset_to_the_ends():
    record = to_wearable_rate(Recording("x", np.full(720, 20_000, dtype=np.int16), 360, 200.0, "MLII"))
    assert np.abs(record.counts - 20_000).max() <= 4  # the polyphase branches' gains differ by 0.02 %


def test_wearable_rate_clips_and_counts():
    square = np.where(np.arange(3600) // 20 % 2, 32767, -32768).astype(np.int16)  # rings beyond 16 bit
    record = to_wearable_rate(Recording("x", square, 360, 200.0, "MLII"))
    assert record.clipped > 50
    assert np.all(np.abs(np.diff(np.sign(record.counts[5:-5]))).nonzero()[0].size == 179)


def test_data_folder_named(database):
    assert find_data(database) == database
    assert find_data(database / "mitdb") == database


def test_data_folder_from_the_environment(database, monkeypatch):
    monkeypatch.setenv("CORTEXCORE_DATA", str(database))
    assert find_data() == database
    assert load_recording("900").name == "900"
    monkeypatch.setenv("CORTEXCORE_DATA", str(database / "nowhere"))
    with pytest.raises(DataError, match=r"CORTEXCORE_DATA names .*nowhere, which is not a folder"):
        find_data()


def test_data_folder_in_the_cache(database, monkeypatch, tmp_path):
    monkeypatch.delenv("CORTEXCORE_DATA", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert user_cache() == tmp_path / "cache" / "cortexcore"
    with pytest.raises(DataError, match=r"no recordings found: run 'cortexcore data fetch mitdb'"):
        find_data()
    shutil.copytree(database, user_cache())
    assert find_data() == user_cache()


def test_cache_on_windows(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert user_cache() == tmp_path / "cortexcore"


def test_folder_without_recordings(tmp_path):
    with pytest.raises(DataError, match=r"which has no folder mitdb/ in it"):
        find_data(tmp_path)


def test_list_tells_what_is_here(database):
    (status,) = list_datasets(database)
    assert status.folder == database / "mitdb"
    assert status.present == ()  # record 900 is none of MIT-BIH's
    for suffix in (".hea", ".dat", ".atr"):
        (database / "mitdb" / f"208{suffix}").touch()
    (status,) = list_datasets(database)
    assert status.present == ("208",)
    assert len(status.missing) == 47


def test_list_without_any_data(tmp_path):
    (status,) = list_datasets(tmp_path)
    assert status.folder is None
    assert len(status.missing) == 48


def test_verify(database):
    steps = []
    report = verify_dataset("mitdb", database, lambda *step: steps.append(step))
    assert report.ok
    assert report.records == ("900",)
    assert steps == [("900", 1, 1)]
    assert len(report.missing) == 48
    path = database / "mitdb" / "900.dat"
    path.write_bytes(path.read_bytes()[:-3])
    report = verify_dataset("mitdb", database)
    assert not report.ok
    assert report.records == ()
    assert len(report.problems) == 1
