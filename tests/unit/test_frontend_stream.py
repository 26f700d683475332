"""The whole front end as a stream: blocks, edges, gaps, wrong input, on a synthetic ECG with known beats."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import FEATURES, RATE_HZ, UNIT_PER_MV, FrontEnd, FrontEndConfig

GAIN = 200.0
CONFIG = FrontEndConfig()


def ecg(peaks, length, gain=GAIN, height_mv=1.0, noise_mv=0.0, seed=0):
    """P, QRS and T as Gaussians at exact sample positions, drift and noise on top: int16 counts."""
    time = np.arange(length)
    signal = 0.2 * np.sin(2 * np.pi * 0.2 * time / RATE_HZ)
    for peak in peaks:
        for offset, width, height in ((-40, 6, 0.12), (-6, 2, -0.1), (0, 2.5, 1.0), (7, 2.5, -0.2), (65, 12, 0.25)):
            signal += height_mv * height * np.exp(-0.5 * ((time - peak - offset) / width) ** 2)
    signal += noise_mv * np.random.default_rng(seed).standard_normal(length)
    return np.clip(np.round(signal * gain), -32768, 32767).astype(np.int16)


def steps(count, start=120, seed=5):
    """R peaks with a varying RR interval of 0.6 to 1 s."""
    return start + np.cumsum(np.random.default_rng(seed).integers(150, 250, count))


PEAKS = steps(25)
LENGTH = int(PEAKS[-1]) + 200
COUNTS = ecg(PEAKS, LENGTH, noise_mv=0.02)


def run(counts, sizes=None, **keywords):
    front_end = FrontEnd(CONFIG, keywords.pop("gain", GAIN), RATE_HZ, **keywords)
    beats, taps, start = [], [], 0
    for size in sizes if sizes is not None else [len(counts)]:
        got, tap = front_end.push_and_tap(counts[start : start + size])
        beats += got
        taps.append(tap)
        start += size
    assert start >= len(counts)
    return beats + front_end.flush(), np.concatenate(taps)


def assert_equal(first, second):
    assert [(b.sample, b.ready, b.rr_ms) for b in first] == [(b.sample, b.ready, b.rr_ms) for b in second]
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.window, other.window)
        assert np.array_equal(one.rhythm, other.rhythm)


def samples(beats):
    return [beat.sample for beat in beats]


@pytest.mark.parametrize("height_mv", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("noise_mv", [0.0, 0.02])
def test_finds_every_beat_of_a_clean_ecg_where_it_is(height_mv, noise_mv):
    beats, _ = run(ecg(PEAKS, LENGTH, height_mv=height_mv, noise_mv=noise_mv))
    assert len(beats) == len(PEAKS)
    assert np.abs(np.array(samples(beats)) - PEAKS).max() <= 1


@pytest.mark.parametrize("gain", [20.0, 200.0, 5000.0])
def test_any_gain_gives_the_same_beats(gain):
    beats, _ = run(ecg(PEAKS, LENGTH, gain=gain), gain=gain)
    usual, _ = run(ecg(PEAKS, LENGTH))
    assert np.abs(np.array(samples(beats)) - samples(usual)).max() <= 1
    for one, other in zip(beats, usual, strict=True):
        assert np.abs(one.window.astype(int) - other.window).max() <= 8


def test_upside_down_is_the_same_to_the_detector():
    assert np.abs(np.array(samples(run(-ecg(PEAKS, LENGTH))[0])) - PEAKS).max() <= 1


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_blocks_do_not_matter(data):
    sizes = data.draw(st.lists(st.integers(0, 400), max_size=60))
    sizes.append(max(0, LENGTH - sum(sizes)))
    peaks = PEAKS if data.draw(st.booleans()) else None
    whole, whole_tap = run(COUNTS, peaks=peaks)
    parts, parts_tap = run(COUNTS, sizes, peaks=peaks)
    assert_equal(whole, parts)
    assert np.array_equal(whole_tap, parts_tap)


@pytest.mark.parametrize(
    "config",
    [
        FrontEndConfig(window_after=14, qrs_reach=33),
        FrontEndConfig(align_reach=62, window_after=14, search_rr_percent=53, learn=306, drought=289),
        FrontEndConfig(slope_reach=79, refractory=50),
    ],
)
def test_blocks_do_not_matter_to_other_configurations(config):
    noise = np.random.default_rng(3)
    counts = (noise.integers(-3000, 3000, 20_000) * np.repeat(np.exp(noise.normal(-3, 2, 20)), 1000)).astype(np.int16)
    whole, single = FrontEnd(config, GAIN, RATE_HZ), FrontEnd(config, GAIN, RATE_HZ)
    beats = whole.push(counts) + whole.flush()
    one_by_one = [beat for index in range(len(counts)) for beat in single.push(counts[index : index + 1])]
    assert len(beats) > 50
    assert_equal(beats, one_by_one + single.flush())


def test_sample_by_sample_and_ready_is_when_the_beat_came():
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ)
    beats = []
    for index in range(LENGTH):
        for beat in front_end.push(COUNTS[index : index + 1]):
            assert beat.ready == index
            beats.append(beat)
    last = front_end.flush()
    assert all(beat.ready == LENGTH - 1 for beat in last)
    assert_equal(beats + last, run(COUNTS)[0])
    usual = CONFIG.decimation * CONFIG.window_after + CONFIG.filter_delay
    after_learning = [beat for beat in beats if beat.sample > CONFIG.learn]
    assert {beat.ready - beat.sample for beat in after_learning} == {usual}


def test_filtered_signal_is_late_by_what_the_configuration_says():
    _, tap = run(ecg(PEAKS, LENGTH))
    assert tap.dtype == np.int32
    assert tap.shape == (LENGTH,)
    for peak in PEAKS:
        near = tap[peak - 20 : peak + 21]
        assert abs(int(np.argmax(near)) - 20 - CONFIG.filter_delay) <= 1
    assert tap.max() == pytest.approx(UNIT_PER_MV, rel=0.15)


def test_given_peaks_are_kept_and_the_rest_is_equal():
    found, _ = run(COUNTS)
    given_, _ = run(COUNTS, peaks=PEAKS + 3)
    assert samples(given_) == (PEAKS + 3).tolist()
    for one, other in zip(found, given_, strict=True):
        assert np.array_equal(one.window, other.window)
        assert np.array_equal(one.rhythm, other.rhythm)
        assert one.rr_ms == other.rr_ms


def test_rr_is_in_milliseconds():
    beats, _ = run(COUNTS, peaks=PEAKS)
    assert beats[0].rr_ms == 0
    assert np.abs(np.array([beat.rr_ms for beat in beats[1:]]) - 4 * np.diff(PEAKS)).max() <= 8


def test_beats_at_the_edges_are_kept():
    peaks = np.array([5, 200, 400, 600, 800, 990])
    counts = ecg(peaks, 1000)
    given_, tap = run(counts, peaks=peaks)
    assert samples(given_) == peaks.tolist()
    assert given_[0].window[0, :30].tolist() == [0] * 30  # before the stream
    after = (1000 - 1 - (990 + CONFIG.filter_delay)) // 2 + 1
    tail = given_[-1].window[0, CONFIG.window_before + after + 1 :]
    assert len(set(tail.tolist())) == 1  # held
    assert np.sign(tail[0]) == np.sign(tap[-1]) or tail[0] == 0
    assert samples(run(counts)[0])[1:-1] == pytest.approx(peaks[1:-1], abs=1)


@pytest.mark.parametrize("length", [0, 1, 2, 60, 300])
def test_short_streams(length):
    for peaks in (None, np.array([0, 40])):
        beats, tap = run(COUNTS[:length], peaks=peaks)
        assert len(tap) == length
        assert all(0 <= beat.sample <= beat.ready < length for beat in beats)


@pytest.mark.parametrize("offset", range(-12, 40, 4))
def test_a_stream_cut_in_a_qrs_makes_up_no_beat_beyond_its_end(offset):
    cut = int(PEAKS[8]) + offset
    found = samples(run(COUNTS[:cut])[0])
    assert np.abs(np.array(found[:8]) - PEAKS[:8]).max() <= 1
    assert len(found) <= 9
    assert max(found) < cut


def test_flat_line_and_faint_noise_are_no_beats():
    assert run(np.full(10_000, 3000, dtype=np.int16))[0] == []
    assert run(np.random.default_rng(0).integers(-1, 2, 10_000).astype(np.int16))[0] == []


def test_a_weak_beat_is_searched_back():
    counts = ecg(PEAKS, LENGTH)
    missing = int(PEAKS[12])
    counts[missing - 45 : missing + 100] = ecg([45], 145, height_mv=0.2)
    beats, _ = run(counts)
    assert np.abs(np.array(samples(beats)) - PEAKS).max() <= 1
    assert beats[12].ready - beats[12].sample > beats[11].ready - beats[11].sample


def test_a_starting_artefact_does_not_deafen_it():
    peaks = steps(60)
    counts = ecg(peaks, int(peaks[-1]) + 200)
    counts[100:110] = 32767
    beats, _ = run(counts)
    late = peaks[peaks > 15 * RATE_HZ]
    assert len(late) > 30
    assert np.abs(np.array(samples(beats))[-len(late) :] - late).max() <= 1


def test_a_short_gap_is_held_and_counts_go_on():
    cut = int(PEAKS[10]) + 60
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ)
    beats = front_end.push(COUNTS[:cut]) + front_end.gap(20)
    assert front_end.samples == cut + 20
    beats += front_end.push(COUNTS[cut + 20 :]) + front_end.flush()
    assert np.abs(np.array(samples(beats)) - PEAKS).max() <= 1
    assert all(beat.rr_ms > 0 for beat in beats[1:])


def test_a_long_gap_starts_anew_but_keeps_the_patient():
    lost = 5000
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ)
    before = front_end.push(COUNTS)
    before += front_end.gap(lost)
    assert_equal(before, run(COUNTS)[0])
    assert front_end.samples == LENGTH + lost
    after = front_end.push(COUNTS) + front_end.flush()
    assert np.abs(np.array(samples(after)) - PEAKS - LENGTH - lost).max() <= 1
    assert after[0].rr_ms == 0
    assert after[1].rr_ms > 0
    fresh = run(COUNTS)[0]
    assert after[0].rhythm[FEATURES.index("irregularity")] != 0
    assert fresh[0].rhythm[FEATURES.index("irregularity")] == 0


def test_gap_before_anything_came_only_counts():
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ, peaks=np.array([5, 200]))
    assert front_end.gap(30) == []
    beats = front_end.push(COUNTS) + front_end.flush()
    assert samples(beats) == [200]  # the peak at 5 was lost


def test_gap_refuses_nonsense():
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ)
    assert front_end.gap(0) == []
    with pytest.raises(DataError, match="gap of -1 samples"):
        front_end.gap(-1)


def test_ended_stream_takes_nothing_more():
    front_end = FrontEnd(CONFIG, GAIN, RATE_HZ)
    front_end.push(COUNTS[: PEAKS[-1] + 60])
    assert samples(front_end.flush()) == [PEAKS[-1]]
    assert front_end.flush() == []
    for again in (lambda: front_end.push(COUNTS), lambda: front_end.gap(1000)):
        with pytest.raises(DataError, match="was flushed"):
            again()


def test_wrong_rate():
    with pytest.raises(DataError, match=r"takes 250 Hz, this signal has 360 Hz: set the device to 250 Hz"):
        FrontEnd(CONFIG, GAIN, 360)


@pytest.mark.parametrize("counts", [np.zeros(3), np.zeros(3, dtype=np.int32), np.zeros((3, 1), dtype=np.int16), [1, 2]])
def test_wrong_counts(counts):
    with pytest.raises(DataError, match="takes int16 counts of shape"):
        FrontEnd(CONFIG, GAIN, RATE_HZ).push(counts)


@pytest.mark.parametrize("peaks", [[3, 2], [2, 2], [-1, 4]])
def test_wrong_peaks(peaks):
    with pytest.raises(DataError, match="ascending"):
        FrontEnd(CONFIG, GAIN, RATE_HZ, peaks=np.array(peaks))


def test_configuration_survives_json():
    config = FrontEndConfig(notch_hz=50, window_after=50)
    assert FrontEndConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notch_hz": 55}, "allowed are 0"),
        ({"window_before": 38.0}, "whole number"),
        ({"memory": -1}, "whole number"),
        ({"memory": 0}, "at least 1"),
        ({"p_start": 50}, "p_stop < p_start"),
        ({"window_after": 5}, "shape_reach"),
        ({"refractory": 0}, "refractory must be at least 1"),
        ({"slope_reach": 80}, "slope_reach must not exceed"),
        ({"search_rr_percent": 1}, "search_rr_percent of the shortest interval"),
        ({"drought": 4000}, "look_back comes to 4180 samples, at most 4096"),
        ({"learn": 4050, "window_before": 31}, "look_back"),
        ({"highpass": ((1, 2, 3),)}, "five whole numbers"),
        ({"highpass": ((1, 2, 3, 4, 2**31),)}, "five whole numbers"),
    ],
)
def test_configuration_is_checked(change, message):
    with pytest.raises(DataError, match=message):
        FrontEndConfig(**change)


def test_configuration_of_another_version_is_refused():
    plain = FrontEndConfig().to_json()
    with pytest.raises(DataError, match="unknown or missing: surprise"):
        FrontEndConfig.from_json({**plain, "surprise": 1})
    plain.pop("memory")
    with pytest.raises(DataError, match="unknown or missing: memory"):
        FrontEndConfig.from_json(plain)
