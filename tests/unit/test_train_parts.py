"""The small parts of training, against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from cortexcore.train.augment import Augmentation, augment
from cortexcore.train.folds import DS1_FOLDS
from cortexcore.train.metrics import confusion
from cortexcore.train.recordings import DS1
from cortexcore.train.sampling import draw_beats

NOTHING = Augmentation(scale=0, shift=0, noise=0, drift=0, rhythm_noise=0, drop_signal=0)


def test_metrics_by_hand():
    true = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
    decided = np.array([0, 0, 0, 1, 1, 0, 2, 2, 0])
    matrix = confusion(("N", "S", "V", "F"), true, decided)
    assert matrix.counts.tolist() == [[3, 1, 0, 0], [1, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert matrix.accuracy == pytest.approx(6 / 9)
    assert matrix.sensitivity("V") == pytest.approx(2 / 3)
    assert matrix.predictivity("N") == pytest.approx(3 / 5)
    assert matrix.f1("S") == pytest.approx(0.5)
    assert math.isnan(matrix.sensitivity("F")) and math.isnan(matrix.predictivity("F"))
    assert matrix.macro_f1 == pytest.approx((6 / 9 + 0.5 + 4 / 5) / 3), "a class that never occurs has no part"
    assert matrix.to_json()["classes"]["F"] == {"sensitivity": None, "predictivity": None}
    assert (matrix + matrix).counts.sum() == 18


def test_folds_part_ds1_by_record():
    assert sorted(name for fold in DS1_FOLDS for name in fold) == sorted(DS1)


def test_sampling_balances_classes_and_records():
    labels = np.repeat([0, 0, 1, 1], [8100, 900, 100, 25])
    records = np.repeat([0, 1, 0, 1], [8100, 900, 100, 25])
    rng = np.random.default_rng(0)

    def shares(balance):
        drawn = draw_beats(labels, records, 40000, balance, rng)
        return np.bincount(labels[drawn] * 2 + records[drawn], minlength=4) / 40000

    np.testing.assert_allclose(shares(0.0), np.array([8100, 900, 100, 25]) / 9125, atol=0.01)
    np.testing.assert_allclose(shares(0.5), np.array([90, 30, 10, 5]) / 135, atol=0.01)
    np.testing.assert_allclose(shares(1.0), 0.25, atol=0.01)


def test_sampling_repeats_with_its_seed():
    labels, records = np.repeat([0, 1], 50), np.zeros(100, np.int16)
    draws = [draw_beats(labels, records, 30, 0.5, np.random.default_rng(seed)) for seed in (4, 4, 5)]
    assert np.array_equal(draws[0], draws[1]) and not np.array_equal(draws[0], draws[2])


def test_augmentation_by_nothing_changes_nothing():
    window = torch.randint(-127, 128, (5, 2, 30)).float()
    rhythm = torch.randint(-127, 128, (5, 4)).float()
    same = augment(window, rhythm, NOTHING, torch.Generator().manual_seed(0))
    assert torch.equal(same[0], window) and torch.equal(same[1], rhythm)


def test_augmentation_shifts_whole_windows_and_holds_the_edge():
    window = torch.arange(30).float().repeat(200, 2, 1)
    how = Augmentation(scale=0, shift=2, noise=0, drift=0, rhythm_noise=0, drop_signal=0)
    shifted, _ = augment(window, torch.zeros(200, 1), how, torch.Generator().manual_seed(0))
    offsets = shifted[:, 0, 15] - 15
    assert set(offsets.tolist()) == {-2, -1, 0, 1, 2}
    assert torch.equal(shifted[:, 0], shifted[:, 1]), "both channels must move together"
    assert torch.equal(shifted[:, 0], (torch.arange(30) + offsets[:, None]).clamp(0, 29))


def test_augmentation_blanks_the_signal_alone_and_stays_in_range():
    window = torch.full((400, 2, 30), 120.0)
    changed, rhythm = augment(
        window, torch.full((400, 3), 126.0), Augmentation(drop_signal=0.5, noise=20), torch.Generator().manual_seed(0)
    )
    blank = (changed[:, 0] == 0).all(1)
    assert float(blank.float().mean()) == pytest.approx(0.5, abs=0.1)
    assert not (changed[:, 1] == 0).all(1).any()
    assert changed.abs().max() <= 127 and rhythm.abs().max() <= 127
