"""The parts of the C front end against those of the Python one, each at the edges of its range."""

from __future__ import annotations

import ctypes
from math import isqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexcore.errors import DataError
from cortexcore.firmware_sim.c_frontend import FrontEndLibrary
from cortexcore.runtime.frontend import FEATURES, FrontEndConfig
from cortexcore.runtime.frontend.config import MAX_INTERVAL
from cortexcore.runtime.frontend.detector import QrsDetector
from cortexcore.runtime.frontend.filters import BiquadCascade, scale_counts
from cortexcore.runtime.frontend.fixed import correlation, gain_multiplier, log2_ratio, lower_median
from cortexcore.runtime.frontend.history import History
from cortexcore.runtime.frontend.rhythm import RR_FEATURES, RhythmTracker
from cortexcore.runtime.frontend.shapes import ShapeBook
from cortexcore.runtime.frontend.sharpness import Sharpness

pytest.importorskip("ziglang", reason="compiling C needs the extra 'firmware'")

CONFIG = FrontEndConfig()
INT8 = st.integers(-127, 127)
ANY_FIXTURE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Likeness(ctypes.Structure):
    _fields_ = (("qrs_match", ctypes.c_int8), ("p_match", ctypes.c_int8), ("share", ctypes.c_int8))


class Gain(ctypes.Structure):
    _fields_ = (("multiplier", ctypes.c_int32), ("shift", ctypes.c_int32))


class Detection(ctypes.Structure):
    _fields_ = (("middle", ctypes.c_int64), ("known", ctypes.c_int64))


@pytest.fixture(scope="module")
def c(tmp_path_factory):
    """The library's functions, in checked code."""
    functions = FrontEndLibrary(CONFIG, tmp_path_factory.mktemp("c"), sanitize=True).functions
    functions.ccx_floor_div.argtypes = [ctypes.c_int64, ctypes.c_int64]
    functions.ccx_floor_div.restype = ctypes.c_int64
    functions.ccx_isqrt.argtypes = [ctypes.c_uint64]
    functions.ccx_isqrt.restype = ctypes.c_uint32
    functions.ccx_lower_median.restype = ctypes.c_uint32
    functions.ccx_sharpness_push.restype = ctypes.c_int64
    functions.ccx_shapes_compare.restype = Likeness
    functions.ccx_rhythm_features.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    functions.ccx_history_start.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    functions.ccx_history_at.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    functions.ccx_detector_start.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    functions.ccx_detector_push.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    for name in ("ccx_gain_init", "ccx_detector_next"):
        getattr(functions, name).restype = ctypes.c_bool
    for name in ("ccx_log2_ratio", "ccx_correlation"):
        getattr(functions, name).restype = ctypes.c_int8
    return functions


def state():
    """Room for any part's state, all zeros."""
    return ctypes.create_string_buffer(16_384)


def signed(values):
    return (ctypes.c_int8 * len(values))(*values)


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**62))
@ANY_FIXTURE
def test_division_rounds_down(c, a, b):
    assert c.ccx_floor_div(a, b) == a // b


@pytest.mark.parametrize("a", [-(2**31) - 1, -(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1, 2**31])
@pytest.mark.parametrize("b", [1, 2, 3, 2**31 - 1, 2**31])
def test_division_where_32_bits_end(c, a, b):
    assert c.ccx_floor_div(a, b) == a // b


@given(st.integers(0, 2**64 - 1))
@ANY_FIXTURE
def test_square_root(c, value):
    assert c.ccx_isqrt(value) == isqrt(value)
    root = isqrt(value)
    assert c.ccx_isqrt(root * root) == root
    if root:
        assert c.ccx_isqrt(root * root - 1) == root - 1


def test_logarithm_of_every_ratio_that_is_not_saturated(c):
    for value in (*range(-1, 300), 2**24 - 1, 2**24, 2**30, 2**31 - 1):
        for reference in (-1, 0, 1, 2, 3, 117, 255, 256, 257, 511, 2**24 - 1, 2**31 - 1):
            assert c.ccx_log2_ratio(value, reference) == log2_ratio(value, reference), (value, reference)


@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 9), max_size=300))
@ANY_FIXTURE
def test_median(c, values):
    assert c.ccx_lower_median((ctypes.c_uint32 * len(values))(*values), len(values)) == lower_median(values)


@given(st.lists(st.tuples(INT8, INT8), min_size=1, max_size=364))
@ANY_FIXTURE
def test_correlation(c, pairs):
    a, b = zip(*pairs, strict=True)
    assert c.ccx_correlation(signed(a), signed(b), len(a)) == correlation(a, b)


@pytest.mark.parametrize("sign", [1, -1])
def test_correlation_of_the_widest_sums(c, sign):
    a = [127, -127] * 182
    b = [sign * value for value in a]
    assert c.ccx_correlation(signed(a), signed(b), len(a)) == 127 * sign
    assert c.ccx_correlation(signed([127] * 364), signed(a), 364) == 0


def test_every_gain_becomes_the_same_multiplier(c):
    gain = Gain()
    random = np.random.default_rng(0)
    spread = np.exp(random.uniform(np.log(1000), np.log(1_048_576_000), 20_000)).astype(int).tolist()
    near_powers = [4_096_000 * 2**k // 2**12 + away for k in range(21) for away in (-2, -1, 0, 1, 2)]
    steps = [
        round(4_096_000 * 2.0**k / (m + half)) for k in range(-6, 9) for m in (16384, 32767) for half in (-0.5, 0.5)
    ]
    for thousandths in {*spread, *near_powers, *steps, 1000, 1_048_576_000, *range(1000, 3000)}:
        if not 1000 <= thousandths <= 1_048_576_000:
            assert not c.ccx_gain_init(ctypes.byref(gain), thousandths)
            with pytest.raises(DataError):
                gain_multiplier(thousandths / 1000)
            continue
        assert c.ccx_gain_init(ctypes.byref(gain), thousandths)
        assert (gain.multiplier, gain.shift) == gain_multiplier(thousandths / 1000), thousandths


@pytest.mark.parametrize("gain_per_mv", [1.0, 1.5, 200.0, 2000.0, 2.0**20])
def test_scaling_of_counts_saturates_alike(c, gain_per_mv):
    gain = Gain(*gain_multiplier(gain_per_mv))
    counts = np.concatenate([np.arange(-32768, 32768, 97), [-32768, 32767]]).astype(np.int16)
    scaled = [c.ccx_gain_scale(ctypes.byref(gain), int(count)) for count in counts]
    assert np.array_equal(scaled, scale_counts(counts, gain.multiplier, gain.shift))


@pytest.mark.parametrize("level", [0, 1, -1, 2**21 - 1, -(2**21) + 1])
def test_filter_from_any_level(c, level):
    samples = [level, *np.random.default_rng(1).integers(-(2**21) + 1, 2**21, 3000).tolist(), *[level] * 50]
    cascade = state()
    assert [c.ccx_cascade_push(cascade, each) for each in samples] == BiquadCascade(CONFIG.sections).push(samples)


def widest():
    """The signal below 2^24 whose bend is widest, then noise of the same height."""
    top = 2**24 - 1
    box = np.ones(CONFIG.qrs_smooth, dtype=int)
    lag = np.array([1, *[0] * (CONFIG.qrs_lag - 1), -1])
    taps = np.convolve(np.convolve(box, box), np.convolve(lag, lag))
    return np.concatenate(
        [np.sign(taps) * top, -np.sign(taps) * top, np.random.default_rng(2).integers(-top, top, 2000)]
    )


def test_bend_and_power_of_the_widest_signal(c):
    signal = widest()
    bend, power = Sharpness(CONFIG).push(signal.astype(np.int64))
    one, both = state(), state()
    assert [c.ccx_bend_push(one, int(each)) for each in signal] == bend.tolist()
    assert [c.ccx_sharpness_push(both, int(each)) for each in signal] == power.tolist()
    assert int(np.abs(bend).max()) > 2**26


@pytest.mark.parametrize("start", [0, 5, 2**31 - 700, 2**32 - 700, 2**40])
def test_history(c, start):
    ours, theirs = state(), History(4096, start)
    c.ccx_history_start(ours, start)
    assert c.ccx_history_at(ours, start - 3) == 0
    for number in range(3000):
        value = (number * 7919) % 65_537 - 30_000
        c.ccx_history_push(ours, value)
        theirs.append([value])
        if number % 211 == 0 or number < 3:
            newest = start + number
            for index in (
                *range(newest - CONFIG.look_back, newest + 3, 59),
                newest - CONFIG.look_back,
                newest,
                newest + 9,
            ):
                assert c.ccx_history_at(ours, index) == int(theirs.part(index, index + 1)[0]), (number, index)


def detections(c, power, filtered, start):
    """What both detectors find in a power and a filtered signal; the C one sample by sample."""
    detector, past = state(), state()
    c.ccx_history_start(past, start)
    c.ccx_detector_start(detector, start)
    found, each = [], Detection()
    for number, value in enumerate(power.tolist()):
        c.ccx_history_push(past, int(filtered[number]))
        c.ccx_detector_push(detector, past, value)
        while c.ccx_detector_next(detector, ctypes.byref(each)):
            found.append((each.middle, each.known))
    signal, powers = History(len(power), start), History(len(power), start)
    reference = QrsDetector(CONFIG, signal, powers)
    signal.append(filtered)
    powers.append(power)
    return found, [(each.middle, each.known) for each in reference.poll()]


@pytest.mark.parametrize("start", [0, 2**31 - 3000, 2**40])
@pytest.mark.parametrize("rate", [0.004, 0.02, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_detector_on_power_that_no_ecg_has(c, start, rate, seed):
    """Peaks of all sizes, ties, droughts, and levels that fall: search-backs one after the other."""
    random = np.random.default_rng(seed)
    size = 12_000
    power = random.integers(0, 3, size) * (random.random(size) < 0.9)
    heights = np.exp(random.uniform(0, 34, size)).astype(np.int64)
    power = np.where(random.random(size) < rate, heights, power)
    power[4000:7000] //= 2**20
    power[7000:9000] = 77
    filtered = random.integers(-(2**23), 2**23, size) >> random.integers(0, 20, size)
    found, expected = detections(c, power, filtered, start)
    assert found == expected
    assert len(expected) > 10


def test_intervals_saturate(c):
    """Two beats with 20 hours between them, then a usual rhythm."""
    ours, theirs = state(), RhythmTracker(CONFIG)
    fiducials = np.cumsum([100, 200, 210, MAX_INTERVAL - 1, 200, MAX_INTERVAL + 1, 2 * MAX_INTERVAL, 180, 190]).tolist()
    for fiducial in fiducials:
        features = (ctypes.c_int8 * len(RR_FEATURES))()
        interval = c.ccx_rhythm_features(ours, fiducial, features)
        assert (interval, list(features)) == theirs.features(fiducial)
        assert interval <= MAX_INTERVAL


@given(st.lists(st.integers(-3, 60) | st.integers(100, 400) | st.integers(0, 70_000) | st.none(), max_size=400))
@ANY_FIXTURE
def test_rhythm(c, steps):
    """Intervals of all lengths, among them none and negative ones (two QRS at one bend), and breaks."""
    ours, theirs = state(), RhythmTracker(CONFIG)
    fiducial = 1000
    for step in [*steps, *steps]:
        if step is None:
            c.ccx_rhythm_restart(ours)
            theirs.restart()
            continue
        fiducial += step
        features = (ctypes.c_int8 * len(RR_FEATURES))()
        interval = c.ccx_rhythm_features(ours, fiducial, features)
        assert (interval, list(features)) == theirs.features(fiducial)


@pytest.mark.parametrize("kinds", [1, 3, 9])
@pytest.mark.parametrize("spread", [0, 10, 127])
def test_shapes(c, kinds, spread):
    random = np.random.default_rng(kinds)
    bases = random.integers(-127, 128, (kinds, CONFIG.window_length))
    ours, theirs = state(), ShapeBook(CONFIG)
    for _ in range(400):
        base = bases[min(int(random.exponential(1.5)), kinds - 1)]
        window = np.clip(base + random.integers(-spread, spread + 1, len(base)), -127, 127).tolist()
        difference = (ctypes.c_int8 * len(window))()
        like = c.ccx_shapes_compare(ours, signed(window), difference)
        assert (list(difference), like.qrs_match, like.p_match, like.share) == theirs.compare(window)


def test_features_are_in_the_order_that_c_writes_them():
    assert FEATURES[:7] == RR_FEATURES
    assert FEATURES[7:] == ("height_to_usual", "width_to_usual", "qrs_match", "p_match", "shape_share")
