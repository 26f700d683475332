"""Window, shapes and rhythm features on beats one can work out by hand."""

import numpy as np
import pytest

from cortexcore.runtime.frontend import CHANNELS, FEATURES, FrontEndConfig
from cortexcore.runtime.frontend.builder import BeatBuilder
from cortexcore.runtime.frontend.history import History
from cortexcore.runtime.frontend.rhythm import RR_FEATURES, RhythmTracker
from cortexcore.runtime.frontend.shapes import ShapeBook

CONFIG = FrontEndConfig()


def bump(width, height, at=CONFIG.window_before):
    place = np.arange(CONFIG.window_length)
    return np.round(height * np.exp(-0.5 * ((place - at) / width) ** 2)).astype(int).tolist()


def rhythm_of(fiducials):
    tracker = RhythmTracker(CONFIG)
    return [dict(zip(RR_FEATURES, tracker.features(at)[1], strict=True)) for at in fiducials]


def test_first_beats_know_nothing_of_the_past():
    first, second, third = rhythm_of([100, 300, 500])
    assert set(first.values()) == {0}
    assert second["rr_to_usual"] == second["rr_to_previous"] == 0
    assert third["rr_to_usual"] == third["rr_to_local"] == third["rr_to_previous"] == 0


def test_an_early_beat_and_its_pause():
    steady = [200 * k for k in range(40)]
    *_, early, pause = rhythm_of([*steady, steady[-1] + 100, steady[-1] + 400])
    assert early["rr_to_usual"] == early["rr_to_local"] == early["rr_to_previous"] == -64
    assert early["irregularity"] == 0
    assert early["rr_surprise"] == -127
    assert pause["rr_to_usual"] == 37  # 64·log2(1.5)
    assert pause["previous_rr_to_usual"] == -64
    assert pause["rr_to_previous"] == 101  # 64·log2(3)
    assert pause["irregularity"] == 256 * 100 // (200 * 31 + 100)


def test_features_do_not_depend_on_the_heart_rate():
    slow = rhythm_of([400 * k for k in range(20)] + [7600 + 200])[-1]
    fast = rhythm_of([200 * k for k in range(20)] + [3800 + 100])[-1]
    for name in ("rr_to_usual", "rr_to_local", "rr_to_previous", "local_to_usual"):
        assert slow[name] == fast[name]


def test_a_break_in_the_stream_makes_one_interval_unknown():
    tracker = RhythmTracker(CONFIG)
    for at in range(0, 2000, 200):
        tracker.features(at)
    tracker.restart()
    interval, features = tracker.features(9000)
    assert interval == 0
    assert features[RR_FEATURES.index("rr_to_usual")] == 0
    assert tracker.features(9200)[0] == 200


def test_commonest_shape_is_what_beats_are_compared_with():
    book = ShapeBook(CONFIG)
    normal, ectopic = bump(3, 80), bump(8, -90, at=CONFIG.window_before + 6)
    assert book.compare(normal) == ([0] * CONFIG.window_length, 127, 127, 127)
    for _ in range(20):
        difference, qrs, _, share = book.compare(normal)
    assert difference == [0] * CONFIG.window_length
    assert (qrs, share) == (127, 127)
    difference, qrs, _, share = book.compare(ectopic)
    assert difference == np.clip(np.array(ectopic) - normal, -127, 127).tolist()
    assert qrs < 0
    assert share == 127 // 22
    assert book.compare(normal)[1] == 127  # the ectopic beat did not spoil the shape


def test_a_first_ectopic_beat_is_outvoted():
    book = ShapeBook(CONFIG)
    book.compare(bump(8, -90))
    for _ in range(3):
        book.compare(bump(3, 80))
    assert book.compare(bump(3, 80))[1] == 127


def test_a_new_rhythm_takes_over():
    book = ShapeBook(CONFIG)
    for _ in range(500):
        book.compare(bump(3, 80))
    matches = [book.compare(bump(8, -90))[1] == 127 for _ in range(200)]
    assert 30 < matches.index(True) < 130


def test_more_shapes_than_places_drop_the_rarest_never_the_commonest():
    book = ShapeBook(CONFIG)
    for _ in range(10):
        book.compare(bump(3, 80))
    for at in (-12, -9, -6, -3, 3, 6, 9, 12):
        assert book.compare(bump(2, 80, at=CONFIG.window_before + at))[3] < 15  # each starts a shape
    assert book.compare(bump(3, 80))[1] == 127


def beat_from(signal, fiducial, builder):
    history = History(4096)
    history.append(signal)
    return builder.build(history, fiducial, fiducial, fiducial)


def test_window_is_scaled_by_what_is_usual_not_by_the_beat_itself():
    builder = BeatBuilder(CONFIG)
    place = np.arange(600)
    usual = np.round(4096 * np.exp(-0.5 * ((place - 300) / 5) ** 2)).astype(np.int64)
    for _ in range(5):
        beat = beat_from(usual, 300, builder)
    assert beat.window.shape == (len(CHANNELS), CONFIG.window_length)
    assert beat.window.dtype == beat.rhythm.dtype == np.int8
    assert beat.rhythm.shape == (len(FEATURES),)
    assert beat.window[0, CONFIG.window_before] == pytest.approx(CONFIG.window_scale, abs=1)
    large = beat_from(usual * 5 // 4, 300, builder)
    assert large.window[0, CONFIG.window_before] == pytest.approx(1.25 * CONFIG.window_scale, abs=1)
    assert large.rhythm[FEATURES.index("height_to_usual")] == pytest.approx(64 * np.log2(1.25), abs=1)
    huge = beat_from(usual * 8, 300, builder)
    assert huge.window[0, CONFIG.window_before] == 127  # saturates, never wraps


def test_window_is_decimated_around_the_fiducial():
    builder = BeatBuilder(CONFIG)
    ramp = np.zeros(600, dtype=np.int64)
    ramp[300] = 960
    beat = beat_from(ramp, 300, builder)
    assert beat.window[0].tolist() == [0] * CONFIG.window_before + [96] + [0] * CONFIG.window_after
    ramp[301] = 500  # between two kept samples
    assert beat_from(ramp, 300, builder).window[0, CONFIG.window_before + 1] == 0


def test_wide_beat_is_told():
    builder = BeatBuilder(CONFIG)
    waves = {width: np.exp(-0.5 * ((np.arange(600) - 300) / width) ** 2) for width in (4, 8)}
    for width in (4, 4, 4, 8):
        beat = beat_from(np.round(4096 * waves[width]).astype(np.int64), 300, builder)
    narrow, wide = (np.sum(wave[280:321] - wave[280]) / (1 - wave[280]) for wave in waves.values())
    assert beat.rhythm[FEATURES.index("width_to_usual")] == pytest.approx(64 * np.log2(wide / narrow), abs=2)
