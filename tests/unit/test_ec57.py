"""EC57 matching and figures against values worked out by hand."""

import json

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.train.evaluation.ec57 import LABELS, compare_beats, match_beats
from cortexcore.train.evaluation.ec57_figures import figures_of, score

RATE = 1000  # one sample is one millisecond: the window is 150 samples


def at(*samples):
    return np.array(samples, dtype=np.int64)


def compare(reference, detected, *, reference_class=None, detected_class=None, learning_s=0.0, **stretches):
    return compare_beats(
        "x",
        at(*reference),
        reference_class or ["N"] * len(reference),
        at(*detected),
        detected_class or ["N"] * len(detected),
        RATE,
        learning_s=learning_s,
        **{name: np.array(value, dtype=np.int64) for name, value in stretches.items()},
    )


def cells(comparison):
    return {
        LABELS[row] + LABELS[column]: int(comparison.matrix[row, column])
        for row, column in zip(*np.nonzero(comparison.matrix), strict=True)
    }


@pytest.mark.parametrize(
    ("reference", "detected", "pairs"),
    [
        ([1000], [1150], [(0, 0)]),  # the window includes its end
        ([1000], [1151], []),
        ([1000], [850], [(0, 0)]),
        ([1000], [849], []),
        ([1000, 1200], [1120], [(1, 0)]),  # within reach of both: the nearer beat
        ([1000, 1200], [1100], [(0, 0)]),  # equally near: the earlier beat
        ([1100], [1000, 1180], [(0, 1)]),  # two detections of one beat: the nearer
        ([1100], [1000, 1200], [(0, 0)]),  # equally near: the earlier detection
        ([1000, 2000], [1010, 1990], [(0, 0), (1, 1)]),
        ([1000, 2000], [1010, 1500, 1990], [(0, 0), (1, 2)]),
        ([1000, 1500, 2000], [1010, 1990], [(0, 0), (2, 1)]),
        ([], [1000], []),
        ([1000], [], []),
    ],
)
def test_pairs(reference, detected, pairs):
    assert match_beats(reference, detected, 150).tolist() == [list(pair) for pair in pairs]


def test_each_beat_is_used_once_and_within_the_window():
    rng = np.random.default_rng(3)
    for _ in range(50):
        reference = np.unique(rng.integers(0, 20_000, 60))
        detected = np.unique(rng.integers(0, 20_000, 60))
        pairs = match_beats(reference, detected, 150)
        assert len(set(pairs[:, 0].tolist())) == len(set(pairs[:, 1].tolist())) == len(pairs)
        assert np.all(np.abs(reference[pairs[:, 0]] - detected[pairs[:, 1]]) <= 150)
        assert np.all(np.diff(pairs, axis=0) > 0)


def test_missed_and_added_beats():
    assert cells(compare([1000, 2000, 3000], [1010, 2500, 3010])) == {"NN": 2, "NO": 1, "ON": 1}


def test_learning_period_is_not_scored():
    result = compare([290_000, 300_000, 310_000, 320_000], [280_000, 290_000, 300_010, 320_000], learning_s=300)
    assert cells(result) == {"NN": 2, "NO": 1}
    assert result.pairs.tolist() == [[0, 1], [1, 2], [3, 3]]


def test_pair_across_the_end_of_the_learning_period_counts_by_its_reference_beat():
    assert cells(compare([300_000], [299_950], learning_s=300)) == {"NN": 1}
    assert cells(compare([299_950], [300_000], learning_s=300)) == {}


def test_flutter_is_not_scored():
    result = compare([1000, 9000], [1000, 3000, 4000, 7000, 9000], flutter=[[2900, 6000]])
    assert cells(result) == {"NN": 2, "ON": 1}
    assert result.in_flutter == 2


def test_detection_in_flutter_still_matches_a_beat_outside():
    assert cells(compare([2900], [3000], flutter=[[2950, 6000]])) == {"NN": 1}


def test_unreadable_stretches_make_x():
    result = compare([1000, 3000], [2000], unreadable=[[1500, 2500]], shutdown=[[2900, 3100]])
    assert cells(result) == {"NO": 1, "NX": 1, "XN": 1}


def test_classes_go_to_row_and_column():
    result = compare([1000, 2000, 3000], [1000, 2000, 3000], reference_class="NSV", detected_class="NNF")
    assert cells(result) == {"NN": 1, "SN": 1, "VF": 1}


def test_figures_by_hand():
    matrix = np.array(
        [
            # N   S   V  F  Q  O  X
            [100, 4, 3, 2, 1, 5, 1],  # N
            [6, 20, 2, 0, 0, 1, 0],  # S
            [7, 3, 50, 4, 1, 2, 1],  # V
            [2, 1, 9, 8, 0, 0, 0],  # F
            [1, 11, 13, 0, 3, 0, 0],  # Q
            [4, 2, 1, 0, 0, 0, 0],  # O
            [1, 0, 1, 0, 0, 0, 0],  # X
        ]
    )
    figures = figures_of("x", matrix)
    assert (figures.qrs.tp, figures.qrs.fn, figures.qrs.fp) == (251, 10, 9)
    # V said of N, S, O, X counts against VEB; of F (9) and Q (13) it does not.
    assert (figures.veb.tp, figures.veb.fn, figures.veb.fp) == (50, 18, 3 + 2 + 1 + 1)
    # S said of N, V, F, O, X counts against SVEB; of Q (11) it does not.
    assert (figures.sveb.tp, figures.sveb.fn, figures.sveb.fp) == (20, 9, 4 + 3 + 1 + 2 + 0)
    assert figures.accuracy == (100 + 20 + 50 + 8 + 3) / 251
    assert figures.qrs.sensitivity == 251 / 261
    assert figures.qrs.positive_predictivity == 251 / 260


def test_gross_weighs_beats_and_average_weighs_records():
    good = compare([1000, 2000, 3000], [1000, 2000, 3000], reference_class="NNV", detected_class="NNV")
    bad = compare([1000], [5000])
    result = score([good, bad])
    assert result.gross.qrs.sensitivity == 3 / 4
    assert result.average["qrs_sensitivity"] == (1 + 0) / 2
    assert result.average["veb_sensitivity"] == 1.0  # only one record has a V
    assert result.average["sveb_sensitivity"] is None
    assert result.average["sveb_positive_predictivity"] is None


def test_json_holds_everything():
    plain = json.loads(json.dumps(score([compare([1000], [1000])]).to_json()))
    assert plain["gross"]["qrs"] == {"tp": 1, "fn": 0, "fp": 0, "sensitivity": 1.0, "positive_predictivity": 1.0}
    assert plain["records"][0]["matrix"][0][0] == 1
    assert plain["gross"]["labels"] == list("NSVFQOX")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([2000, 1000], [1000]), "out of order"),
        (([1000], [1000], ["N", "N"]), "1 reference beats but 2 classes"),
        (([1000], [1000], ["L"]), "L are none of N S V F Q"),
    ],
)
def test_wrong_input_is_told(arguments, message):
    reference, detected, *classes = arguments
    with pytest.raises(DataError, match=message):
        compare(reference, detected, reference_class=classes[0] if classes else None)


def test_no_record_to_score():
    with pytest.raises(DataError, match="no record to score"):
        score([])


def test_the_first_five_minutes_and_episodes_of_flutter_to_their_last_sample_are_not_scored():
    rate = 360
    beats = np.array([299 * rate, 300 * rate - 1, 300 * rate, 400 * rate, 401 * rate, 402 * rate])
    flutter = np.array([[400 * rate, 401 * rate]])
    compared = compare_beats("x", beats, ["N"] * 6, beats, ["N"] * 6, rate, flutter=flutter)
    assert int(compared.matrix.sum()) == 2
    missed = compare_beats("x", beats, ["N"] * 6, beats[:0], [], rate, flutter=flutter)
    assert int(missed.matrix.sum()) == 2
