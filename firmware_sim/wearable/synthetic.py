"""An electrocardiogram without a patient: normal beats, premature beats and noise, with the truth beside it.

Waves are Gaussians placed around each R peak, as in ECGSYN (McSharry, Clifford, Tarassenko and Smith, IEEE Transactions
on Biomedical Engineering 50(3), 2003); P and T follow the square root of the interval, and the sinus rhythm
varies with breathing and the Mayer waves. A ventricular beat (V) has no P wave, is wide, has its T wave opposite, and
leaves the sinus node alone, so that a compensatory pause follows. An atrial one (S) comes early after a flat, early P
wave, and resets the sinus node.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError

RATE_HZ = 250
GAIN_PER_MV = 200.0
_FULL_SCALE = 2047
_LONGEST_S = 86_400


@dataclass(frozen=True, eq=False)
class SyntheticEcg:
    """A made-up recording and its truth.

    Attributes:
        counts: int16 [N] at 250 Hz, 200 counts per millivolt, 12 bits.
        beats: int64 [B], samples of the R peaks, ascending.
        labels: B classes: N (normal), V (premature ventricular), S (premature atrial).
        rate_hz: 250.
        gain_per_mv: 200.
        lead: ``"MLII"``, whose shape the waves have.
        name: ``"synthetic"`` and the seed.
    """

    counts: NDArray[np.int16]
    beats: NDArray[np.int64]
    labels: tuple[str, ...]
    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str


@dataclass(frozen=True)
class _Wave:
    """A Gaussian: height in mV, centre from the R peak and width in s; ``stretches`` with the root of the interval."""

    height_mv: float
    centre_s: float
    width_s: float
    stretches: bool = False


_WAVES: dict[str, tuple[_Wave, ...]] = {
    "N": (
        _Wave(0.15, -0.17, 0.022, stretches=True),
        _Wave(-0.12, -0.026, 0.009),
        _Wave(1.20, 0.0, 0.011),
        _Wave(-0.25, 0.028, 0.010),
        _Wave(0.30, 0.27, 0.050, stretches=True),
    ),
    "S": (
        _Wave(-0.06, -0.13, 0.018),
        _Wave(-0.10, -0.026, 0.009),
        _Wave(1.12, 0.0, 0.011),
        _Wave(-0.27, 0.028, 0.010),
        _Wave(0.24, 0.25, 0.048, stretches=True),
    ),
    "V": (
        _Wave(-0.20, -0.080, 0.022),
        _Wave(1.70, 0.0, 0.034),
        _Wave(-0.75, 0.095, 0.034),
        _Wave(-0.42, 0.30, 0.065, stretches=True),
    ),
}


def synthetic_ecg(
    duration_s: float = 60.0,
    *,
    seed: int = 0,
    heart_rate_bpm: float = 72.0,
    ventricular: float = 0.08,
    atrial: float = 0.05,
    noise: float = 1.0,
) -> SyntheticEcg:
    """A recording; the same arguments give the same counts.

    Args:
        duration_s: length in seconds, 2 to 86400: it is made in memory, all at once.
        seed: of all randomness, 0 or more.
        heart_rate_bpm: mean of the sinus rhythm, 30 … 180.
        ventricular: probability that a beat after a sinus beat is a premature ventricular one.
        atrial: the same for premature atrial ones; both together at most 1.
        noise: factor on baseline drift (0.15 mV), mains hum (0.015 mV at 50 Hz) and muscle noise (0.012 mV rms); 0
            for none.

    Raises:
        DataError: an argument is out of range.
    """
    _check(duration_s, seed, heart_rate_bpm, ventricular, atrial, noise)
    random = np.random.default_rng(seed)
    samples = round(duration_s * RATE_HZ)
    millivolts = np.zeros(samples)
    beats, labels = [], []
    for time_s, interval_s, label in _rhythm(random, duration_s, heart_rate_bpm, ventricular, atrial):
        _add_beat(millivolts, time_s, interval_s, label, 1 + 0.04 * random.standard_normal())
        peak = round(time_s * RATE_HZ)
        if peak < samples:
            beats.append(peak)
            labels.append(label)
    millivolts += noise * _noise(random, samples)
    counts = np.clip(np.rint(millivolts * GAIN_PER_MV), -_FULL_SCALE - 1, _FULL_SCALE).astype(np.int16)
    peaks = np.array(beats, dtype=np.int64)
    return SyntheticEcg(counts, peaks, tuple(labels), RATE_HZ, GAIN_PER_MV, "MLII", f"synthetic-{seed}")


def _rhythm(
    random: np.random.Generator, duration_s: float, heart_rate_bpm: float, ventricular: float, atrial: float
) -> Iterator[tuple[float, float, str]]:
    """Time of each R peak in s, the interval before it in s, and its class; a premature beat follows a sinus beat."""
    mean_s = 60.0 / heart_rate_bpm
    breathing, mayer = random.uniform(0, 2 * math.pi, 2)
    time_s, interval_s, label = 0.5, mean_s, "N"
    while time_s < duration_s + 0.3:
        yield time_s, interval_s, label
        variation = 0.03 * math.sin(2 * math.pi * 0.25 * time_s + breathing)
        variation += 0.02 * math.sin(2 * math.pi * 0.1 * time_s + mayer) + 0.008 * random.standard_normal()
        sinus_s = mean_s * (1 + variation)
        draw = random.random()
        if label == "V":
            interval_s, label = 2 * mean_s - interval_s, "N"
        elif label == "S":
            interval_s, label = 1.04 * sinus_s, "N"
        elif draw < ventricular:
            interval_s, label = sinus_s * random.uniform(0.55, 0.68), "V"
        elif draw < ventricular + atrial:
            interval_s, label = sinus_s * random.uniform(0.62, 0.76), "S"
        else:
            interval_s = sinus_s
        time_s += interval_s


def _add_beat(millivolts: NDArray[np.float64], time_s: float, interval_s: float, label: str, size: float) -> None:
    stretch = math.sqrt(interval_s)
    for wave in _WAVES[label]:
        factor = stretch if wave.stretches else 1.0
        centre_s, width_s = time_s + wave.centre_s * factor, wave.width_s * factor
        first = max(0, math.floor((centre_s - 5 * width_s) * RATE_HZ))
        last = min(millivolts.size, math.ceil((centre_s + 5 * width_s) * RATE_HZ))
        offset = (np.arange(first, last) / RATE_HZ - centre_s) / width_s
        millivolts[first:last] += size * wave.height_mv * np.exp(-0.5 * offset**2)


def _noise(random: np.random.Generator, samples: int) -> NDArray[np.float64]:
    """Drift with breathing and posture, mains hum, and muscle noise that swells and fades; in mV."""
    time_s = np.arange(samples) / RATE_HZ
    phases = random.uniform(0, 2 * math.pi, 5)
    drift = 0.10 * np.sin(2 * math.pi * 0.25 * time_s + phases[0])
    drift += 0.07 * np.sin(2 * math.pi * 0.07 * time_s + phases[1]) + 0.05 * np.sin(
        2 * math.pi * 0.03 * time_s + phases[2]
    )
    hum = 0.015 * np.sin(2 * math.pi * 50.0 * time_s + phases[3])
    swell = 1 + 0.6 * np.sin(2 * math.pi * 0.05 * time_s + phases[4])
    muscle = np.diff(random.standard_normal(samples + 1)) / math.sqrt(2)
    noise: NDArray[np.float64] = drift + hum + 0.012 * swell * muscle
    return noise


def _check(
    duration_s: float, seed: int, heart_rate_bpm: float, ventricular: float, atrial: float, noise: float
) -> None:
    rules = (
        (2 <= duration_s <= _LONGEST_S, f"duration_s={duration_s:g}", f"2 to {_LONGEST_S} seconds"),
        (seed >= 0, f"seed={seed}", "0 or more"),
        (30 <= heart_rate_bpm <= 180, f"heart_rate_bpm={heart_rate_bpm}", "30 to 180"),
        (
            min(ventricular, atrial) >= 0 and ventricular + atrial <= 1,
            f"ventricular={ventricular}, atrial={atrial}",
            "probabilities that add up to at most 1",
        ),
        (0 <= noise < math.inf, f"noise={noise}", "0 or more"),
    )
    for holds, got, allowed in rules:
        if not holds:
            raise DataError(f"no synthetic recording with {got}; allowed: {allowed}")
