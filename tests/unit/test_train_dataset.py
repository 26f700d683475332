"""Recordings to labelled beats, and the cache between them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train import dataset
from cortexcore.train.dataset import Beats, concatenate, load_dataset, read_record
from cortexcore.train.recordings import load_beats


def beats(name, count, value=0):
    return Beats(
        windows=np.full((count, 2, 5), value, np.int8),
        rhythms=np.zeros((count, 3), np.int8),
        labels=np.zeros(count, np.int8),
        records=np.zeros(count, np.int16),
        samples=np.arange(count),
        names=(name,),
    )


def test_concatenation_renumbers_records():
    both = concatenate([beats("a", 2), beats("b", 3), beats("a", 1)])
    assert both.names == ("a", "b") and both.records.tolist() == [0, 0, 1, 1, 1, 0] and len(both) == 6
    with pytest.raises(DataError, match="at least one record"):
        concatenate([])


@pytest.fixture(scope="module")
def record_124(data_dir):
    return {who: read_record("124", FrontEndConfig(), data_dir, who) for who in ("reference", "own")}


def test_every_annotated_beat_becomes_a_labelled_one(data_dir, record_124):
    annotated = load_beats("124", data_dir).at_rate(250)
    read = record_124["reference"]
    assert np.array_equal(read.samples, annotated.sample)
    expected = ["NSVF".index({"Q": "F"}.get(label, label)) for label in annotated.aami]
    assert read.labels.tolist() == expected, "F and Q are the fourth class"
    assert np.bincount(read.labels).tolist() == [1536, 31, 47, 5]
    assert read.windows.dtype == np.int8 and read.rhythms.dtype == np.int8


def test_own_detections_carry_the_label_of_the_beat_they_match(record_124):
    own, reference = record_124["own"], record_124["reference"]
    assert len(own) > 0.99 * len(reference)
    nearest = np.abs(own.samples[:, None] - reference.samples).argmin(1)
    assert np.abs(own.samples - reference.samples[nearest]).max() <= 37
    assert np.array_equal(own.labels, reference.labels[nearest])


def test_cache(data_dir, record_124, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "user_cache", lambda: tmp_path)
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return record_124["reference"]

    monkeypatch.setattr(dataset, "read_record", counted)
    first = load_dataset(["124"], FrontEndConfig(), data_dir)
    again = load_dataset(["124"], FrontEndConfig(), data_dir)
    assert len(calls) == 1
    for field in fields(Beats):
        assert np.array_equal(getattr(first, field.name), getattr(again, field.name))
    load_dataset(["124"], replace(FrontEndConfig(), notch_hz=50), data_dir)
    assert len(calls) == 2, "another front end must not meet these beats"
    for file in (tmp_path / "beats").iterdir():
        file.write_bytes(b"PK\x03\x04 damaged")
    load_dataset(["124"], FrontEndConfig(), data_dir)
    assert len(calls) == 3, "a damaged cache is made anew"


def test_a_missing_record_is_named(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "user_cache", lambda: tmp_path)
    with pytest.raises(DataError, match="999"):
        load_dataset(["999"], FrontEndConfig(), data_dir)


def test_a_cache_that_cannot_be_written_is_named(data_dir, record_124, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(dataset, "user_cache", lambda: tmp_path / "file")
    monkeypatch.setattr(dataset, "read_record", lambda *_: record_124["reference"])
    with pytest.raises(DataError, match="cannot be written"):
        load_dataset(["124"], FrontEndConfig(), data_dir)
