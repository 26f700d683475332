"""Evaluation from files on disk to figures, on a recording made by hand: every count is known."""

import numpy as np
import pytest
import wfdb

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train.evaluation.annotations import write_annotations
from cortexcore.train.evaluation.evaluate import evaluate, native_samples

RATE = 360
SECONDS = 330
PERIOD = 288
"""0.8 s"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Records 901 and 902: a beat each 0.8 s; of the beats after 5 minutes every fourth is V, the last one S."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "mitdb"
    folder.mkdir()
    peaks = np.arange(200, SECONDS * RATE - 400, PERIOD)
    time = np.arange(SECONDS * RATE)
    pulse = np.exp(-0.5 * (np.arange(-40, 41) / 6) ** 2)
    signal = np.zeros(len(time))
    for peak in peaks:
        signal[peak - 40 : peak + 41] += pulse
    labels = np.array(["N"] * len(peaks), dtype=object)
    late = np.flatnonzero(peaks >= 300 * RATE)
    labels[late[::4]] = "V"
    labels[late[-1]] = "A"
    for name in ("901", "902"):
        wfdb.wrsamp(
            name,
            fs=RATE,
            units=["mV"],
            sig_name=["MLII"],
            p_signal=signal[:, None],
            fmt=["212"],
            adc_gain=[200],
            baseline=[1024],
            write_dir=str(folder),
        )
        wfdb.wrann(name, "atr", peaks, symbol=list(labels), fs=RATE, write_dir=str(folder))
    return data, peaks, labels, late


def all_normal(beats):
    return ["N"] * len(beats)


@pytest.mark.parametrize("detector", ["own", "reference"])
def test_figures_by_hand(made, detector):
    data, _, labels, late = made
    lines = []
    result = evaluate(all_normal, FrontEndConfig(), ["901", "902"], data, detector, progress=lines.append)
    ventricular = int((labels[late] == "V").sum())
    gross = result.score.gross
    assert (gross.qrs.tp, gross.qrs.fn, gross.qrs.fp) == (2 * len(late), 0, 0)
    assert (gross.veb.tp, gross.veb.fn, gross.veb.fp) == (0, 2 * ventricular, 0)
    assert (gross.sveb.tp, gross.sveb.fn, gross.sveb.fp) == (0, 2, 0)
    assert gross.accuracy == pytest.approx(1 - (ventricular + 1) / len(late))
    assert [each.record for each in result.decided] == ["901", "902"]
    assert len(lines) == 2 and "902 (2/2)" in lines[1]


def test_a_classifier_that_knows_is_perfect(made):
    data, peaks, labels, late = made
    truth = {
        round(int(peak) * 250 / RATE): {"A": "S"}.get(label, label) for peak, label in zip(peaks, labels, strict=True)
    }

    def knows(beats):
        return [truth[min(truth, key=lambda sample: abs(sample - beat.sample))] for beat in beats]

    gross = evaluate(knows, FrontEndConfig(), ["901"], data).score.gross
    assert gross.accuracy == 1 and gross.veb.sensitivity == 1 and gross.sveb.positive_predictivity == 1
    assert gross.qrs.tp == len(late)


def test_the_two_detectors_are_told_apart(made):
    data = made[0]
    own, reference = (evaluate(all_normal, FrontEndConfig(), ["901"], data, who) for who in ("own", "reference"))
    assert "EC57, beats found by the own detector" in own.to_text().splitlines()[0]
    assert "not an EC57 result" in reference.to_text().splitlines()[0]
    assert own.to_json()["detector"] == "own" and "not an EC57 result" in reference.to_json()["title"]
    assert "901" in own.to_text() and "gross" in own.to_text() and "average" in own.to_text()


def test_annotations_are_what_was_decided(made, tmp_path):
    data, peaks, _, _ = made
    result = evaluate(all_normal, FrontEndConfig(), ["901"], data, "reference", annotations=tmp_path / "out")
    read = wfdb.rdann(str(tmp_path / "out" / "901"), "cc")
    assert np.array_equal(read.sample, result.decided[0].samples)
    assert read.symbol == list(result.decided[0].labels) and read.fs == RATE
    assert np.abs(read.sample - peaks).max() <= 1, "250 Hz and back may cost one sample"
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["901.cc"]


def test_annotations_of_every_class_and_of_none(tmp_path):
    path = write_annotations(tmp_path, "7", np.array([10, 400, 5000, 5300, 5700]), ["N", "S", "V", "F", "Q"], RATE)
    assert wfdb.rdann(str(path.with_suffix("")), "cc").symbol == ["N", "S", "V", "F", "Q"]
    assert write_annotations(tmp_path, "8", np.zeros(0, np.int64), [], RATE).read_bytes() == b"\x00\x00"


def test_native_samples_round_half_up_and_stay_inside():
    assert native_samples(np.array([0, 1, 25, 250]), 360, 10_000).tolist() == [0, 1, 36, 360]
    assert native_samples(np.array([99]), 360, 140).tolist() == [139]


def test_bad_requests(made, tmp_path):
    data = made[0]
    with pytest.raises(DataError, match="own, reference"):
        evaluate(all_normal, FrontEndConfig(), ["901"], data, "guess")
    with pytest.raises(DataError, match="999"):
        evaluate(all_normal, FrontEndConfig(), ["999"], data)
    with pytest.raises(DataError, match="no record"):
        evaluate(all_normal, FrontEndConfig(), [], data)
    with pytest.raises(DataError, match="labels for"):
        evaluate(lambda beats: ["N"], FrontEndConfig(), ["901"], data)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        evaluate(all_normal, FrontEndConfig(), ["901"], data, annotations=tmp_path / "file")
