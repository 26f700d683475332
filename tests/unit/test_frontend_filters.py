"""The fixed-point band-pass against its float design."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from cortexcore.runtime.frontend.config import RATE_HZ, FrontEndConfig
from cortexcore.runtime.frontend.filters import COEFFICIENT_BITS, INPUT_LIMIT, BiquadCascade, scale_counts
from cortexcore.runtime.frontend.fixed import gain_multiplier
from cortexcore.runtime.frontend.sharpness import Sharpness

ONE = 1 << COEFFICIENT_BITS


def as_sos(sections):
    return np.array([[b0 / ONE, b1 / ONE, b2 / ONE, 1.0, a1 / ONE, a2 / ONE] for b0, b1, b2, a1, a2 in sections])


def gain_at(frequency_hz, config):
    _, response = signal.sosfreqz(as_sos(config.sections), worN=[frequency_hz], fs=RATE_HZ)
    return abs(response[0])


def test_coefficients_are_the_butterworth_designs():
    config = FrontEndConfig()
    for sections, design in (
        (config.highpass, signal.butter(2, 0.5, "highpass", fs=RATE_HZ, output="sos")),
        (config.lowpass, signal.butter(4, 40, fs=RATE_HZ, output="sos")),
    ):
        assert np.abs(as_sos(sections) - design).max() <= 1.5 / ONE
    b0, b1, b2 = config.highpass[0][:3]
    assert b0 + b1 + b2 == 0


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_notch_takes_the_mains_and_leaves_the_qrs(mains_hz):
    assert gain_at(mains_hz, FrontEndConfig(notch_hz=mains_hz)) < 1e-6
    assert gain_at(15, FrontEndConfig(notch_hz=mains_hz)) == pytest.approx(1, abs=0.02)


def test_pass_band():
    config = FrontEndConfig()
    assert gain_at(0.5, config) == pytest.approx(0.5**0.5, rel=0.01)
    assert gain_at(40, config) == pytest.approx(0.5**0.5, rel=0.01)
    assert gain_at(10, config) == pytest.approx(1, abs=0.01)
    assert gain_at(100, config) < 0.002


@pytest.mark.parametrize("notch_hz", [0, 50, 60])
def test_integer_output_stays_next_to_the_float_filter(notch_hz):
    sections = FrontEndConfig(notch_hz=notch_hz).sections
    rng = np.random.default_rng(1)
    samples = np.cumsum(rng.integers(-400, 401, 20_000)) // 4
    samples -= samples[0]  # both start from rest
    exact = signal.sosfilt(as_sos(sections), samples)
    got = np.array(BiquadCascade(sections).push(samples.tolist()))
    error = got - exact
    assert np.abs(error).max() <= 41  # 10 µV at 4096 per mV, two counts of MIT-BIH's converter
    assert error.std() <= 10
    assert abs(error.mean()) <= 1  # no drift


def test_constant_offset_causes_no_step():
    assert set(BiquadCascade(FrontEndConfig().sections).push([123_456] * 2000)) <= {-1, 0}


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_blocks_do_not_matter(sizes, seed):
    samples = np.random.default_rng(seed).integers(-INPUT_LIMIT, INPUT_LIMIT + 1, sum(sizes)).tolist()
    sections = FrontEndConfig(notch_hz=50).sections
    whole, cascade, parts, start = BiquadCascade(sections).push(samples), BiquadCascade(sections), [], 0
    for size in sizes:
        parts += cascade.push(samples[start : start + size])
        start += size
    assert parts == whole


def worst_input(taps):
    """The full-scale input that drives a filter with these taps to its largest output at its last sample."""
    return INPUT_LIMIT * np.where(taps[::-1] >= 0, 1, -1)


@pytest.mark.parametrize("notch_hz", [0, 50, 60])
def test_widths_hold_for_the_worst_input(notch_hz):
    """What the docstrings promise a C twin: |filtered| < 2^24, |bend| < 2^27, power < 2^52, |acc| < 2^57."""
    config = FrontEndConfig(notch_hz=notch_hz)
    impulse = np.zeros(6000)
    impulse[0] = 1
    for upto in range(1, len(config.sections) + 1):
        taps = signal.sosfilt(as_sos(config.sections[:upto]), impulse)
        assert np.abs(taps).sum() * INPUT_LIMIT < 2**24
    samples = worst_input(taps)
    out = np.array(BiquadCascade(config.sections).push(samples.tolist()))
    assert 2**21 < np.abs(out).max() < 2**24
    largest = max(sum(abs(c) for c in section) for section in config.sections)
    assert largest * 2**24 + ONE < 2**57
    box = np.ones(config.qrs_smooth)
    edge = np.zeros(config.qrs_lag + 1)
    edge[0], edge[-1] = 1, -1
    bend_taps = np.convolve(np.convolve(box, box), np.convolve(edge, edge))
    wave = np.where(worst_input(bend_taps) > 0, 2**24, -(2**24))
    bend, power = Sharpness(config).push(np.tile(wave, 4))
    assert np.abs(bend).max() < 2**27
    assert power.max() < 2**52


def test_scaling_saturates_and_rounds():
    counts = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16)
    assert scale_counts(counts, *gain_multiplier(1.0)).tolist() == [-INPUT_LIMIT, -4096, 0, 4096, INPUT_LIMIT]
    assert scale_counts(counts, *gain_multiplier(200.0)).tolist() == [-671104, -20, 0, 20, 671084]


def test_bend_keeps_a_symmetric_peak_in_place():
    config = FrontEndConfig()
    peak = np.round(4096 * np.exp(-0.5 * ((np.arange(400) - 200) / 4) ** 2)).astype(np.int64)
    bend, _ = Sharpness(config).push(peak)
    assert int(np.argmax(np.abs(bend))) - config.bend_delay == 200
