"""The made-up electrocardiogram: reproducible, of realistic size, and its truth is where its waves are."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.errors import DataError
from cortexcore.firmware_sim.wearable import SyntheticEcg, synthetic_ecg
from cortexcore.firmware_sim.wearable.synthetic import RATE_HZ


def windows(ecg: SyntheticEcg, label: str, before: int = 75, after: int = 125) -> np.ndarray:
    """[beats of the class, before + after] in millivolts, around the true peaks."""
    peaks = [p for p, got in zip(ecg.beats, ecg.labels, strict=True) if got == label]
    inside = [p for p in peaks if p >= before and p + after <= ecg.counts.size]
    return np.stack([ecg.counts[p - before : p + after] for p in inside]) / ecg.gain_per_mv


def test_same_seed_same_counts() -> None:
    first, again, other = synthetic_ecg(20, seed=3), synthetic_ecg(20, seed=3), synthetic_ecg(20, seed=4)
    assert np.array_equal(first.counts, again.counts) and np.array_equal(first.beats, again.beats)
    assert first.labels == again.labels
    assert not np.array_equal(first.counts, other.counts)


def test_declares_what_it_holds() -> None:
    ecg = synthetic_ecg(30.5, seed=2)
    assert ecg.counts.dtype == np.int16 and ecg.counts.size == 30.5 * RATE_HZ
    assert (ecg.rate_hz, ecg.gain_per_mv, ecg.name) == (250, 200.0, "synthetic-2")
    assert len(ecg.labels) == ecg.beats.size and set(ecg.labels) <= set("NVS")
    assert np.all(np.diff(ecg.beats) > 0) and ecg.beats[0] >= 0 and ecg.beats[-1] < ecg.counts.size


def test_the_true_peak_is_the_highest_sample_of_its_beat_without_noise() -> None:
    ecg = synthetic_ecg(300, seed=5, noise=0)
    for peak in ecg.beats[1:-1]:
        around = ecg.counts[peak - 20 : peak + 21]
        assert abs(int(np.argmax(around)) - 20) <= 1


def test_heart_rate_and_shares_are_as_asked() -> None:
    ecg = synthetic_ecg(1800, seed=7, heart_rate_bpm=60, ventricular=0.1, atrial=0.1)
    assert np.median(np.diff(ecg.beats)) == pytest.approx(RATE_HZ, rel=0.02)
    eligible = 1 + sum(label == "N" for label in ecg.labels[:-1])
    for label in "VS":
        # A premature beat is drawn after sinus beats that do not themselves follow one: fewer than all N.
        share = ecg.labels.count(label) / eligible
        assert 0.07 < share < 0.12
    quiet = synthetic_ecg(60, seed=7, ventricular=0, atrial=0)
    assert set(quiet.labels) == {"N"}


def test_premature_beats_have_their_features() -> None:
    ecg = synthetic_ecg(900, seed=1, noise=0)
    normal, ventricular, atrial = (np.median(windows(ecg, label), axis=0) for label in "NVS")
    assert 1.0 < normal[75] < 1.4 and 1.5 < ventricular[75] < 2.0
    width = {name: int((w[55:95] > w[75] / 2).sum()) for name, w in (("N", normal), ("V", ventricular), ("S", atrial))}
    assert width["V"] > 2 * width["N"] and abs(width["S"] - width["N"]) <= 1
    # Where a P wave would rise, a premature beat still sees the T wave before it fall.
    rise = {name: np.diff(w[75 - 50 : 75 - 35]).sum() for name, w in (("N", normal), ("V", ventricular), ("S", atrial))}
    assert rise["N"] > 0.1 and rise["V"] < 0 and rise["S"] < 0
    t_wave = slice(75 + 50, 75 + 90)
    assert normal[t_wave].max() > 0.2 and ventricular[t_wave].min() < -0.3
    before, after = np.diff(ecg.beats)[:-1], np.diff(ecg.beats)[1:]
    inner = np.array(ecg.labels[1:-1])
    sinus = np.median(before[inner == "N"])
    assert before[inner == "V"].max() < 0.75 * sinus and before[inner == "S"].max() < 0.85 * sinus
    # Compensatory: the intervals around a V sum to two sinus intervals; those around an S to less.
    assert np.allclose((before + after)[inner == "V"], 2 * RATE_HZ * 60 / 72, atol=1)
    assert (before + after)[inner == "S"].max() < 1.95 * sinus


def test_noise_is_there_and_of_stated_size() -> None:
    clean, noisy = synthetic_ecg(120, seed=9, noise=0), synthetic_ecg(120, seed=9)
    assert np.array_equal(clean.beats, noisy.beats)
    noise_mv = (noisy.counts.astype(float) - clean.counts) / noisy.gain_per_mv
    spectrum = np.abs(np.fft.rfft(noise_mv)) / noise_mv.size * 2
    frequency = np.fft.rfftfreq(noise_mv.size, 1 / RATE_HZ)
    assert spectrum[np.argmin(abs(frequency - 50))] == pytest.approx(0.015, rel=0.1)
    assert 0.05 < np.std(noise_mv) < 0.2
    assert spectrum[frequency < 0.3].max() > 0.08


@pytest.mark.parametrize(
    "arguments",
    [
        {"duration_s": 1},
        {"duration_s": float("inf")},
        {"seed": -1},
        {"heart_rate_bpm": 300},
        {"ventricular": 0.7, "atrial": 0.7},
        {"atrial": -0.1},
        {"noise": -1},
    ],
)
def test_refuses_what_no_heart_does(arguments: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(arguments))):
        synthetic_ecg(**arguments)  # type: ignore[arg-type]
