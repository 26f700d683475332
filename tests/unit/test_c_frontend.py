"""The front end in C against the one in Python: whole streams, bit for bit, in plain and in checked code."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortexcore.errors import DataError
from cortexcore.firmware_sim.c_frontend import CFrontEnd, FrontEndLibrary
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.frontend import RATE_HZ, FrontEnd, FrontEndConfig

pytest.importorskip("ziglang", reason="compiling C needs the extra 'firmware'")

CONFIG = FrontEndConfig()
ECG = synthetic_ecg(60, seed=3, ventricular=0.2, atrial=0.1)
LEAST = FrontEndConfig(
    notch_hz=50,
    filter_delay=0,
    qrs_smooth=1,
    qrs_lag=1,
    qrs_integrate=1,
    refractory=1,
    peak_memory=1,
    threshold_percent=0,
    least_strength=0,
    search_percent=0,
    t_wave_within=0,
    t_wave_percent=0,
    slope_reach=0,
    learn=0,
    drought=0,
    align_reach=0,
    decimation=1,
    window_before=1,
    window_after=0,
    qrs_reach=0,
    memory=1,
    short_memory=1,
    long_memory=1,
    spread_floor=1,
    templates=1,
    match_percent=0,
    template_shift=0,
    shape_reach=0,
    p_start=1,
    p_stop=0,
    count_limit=1,
    hold_limit=0,
)
"""Every constant at its least: arrays of one element, loops of no step."""


@pytest.fixture(scope="module", params=["plain", "checked"])
def library(request, tmp_path_factory):
    return FrontEndLibrary(CONFIG, tmp_path_factory.mktemp("c"), sanitize=request.param == "checked")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Configurations that are not the shipped one, in checked code: each brings other sizes and shifts."""
    configs = [
        LEAST,
        FrontEndConfig(notch_hz=60, refractory=30, drought=300, learn=100, long_memory=5, memory=40, templates=2),
        FrontEndConfig(window_before=100, window_after=20, decimation=3, qrs_smooth=3, qrs_lag=4, align_reach=60),
        FrontEndConfig(align_reach=120, refractory=5, search_rr_percent=20, search_percent=10, threshold_percent=150),
        FrontEndConfig(drought=0, learn=3, count_limit=3, match_percent=99, template_shift=20, hold_limit=2),
    ]
    return [FrontEndLibrary(config, tmp_path_factory.mktemp("c"), sanitize=True) for config in configs]


def content(beats):
    return [(b.sample, b.ready, b.rr_ms, b.window.tobytes(), b.rhythm.tobytes()) for b in beats]


def play(front_end, stream):
    """Beats and filtered signal of a stream: arrays are samples, numbers are gaps."""
    beats, taps = [], []
    for part in stream:
        if isinstance(part, int):
            beats += front_end.gap(part)
        else:
            got, tap = front_end.push_and_tap(part)
            beats += got
            taps.append(tap)
    return content(beats + front_end.flush()), np.concatenate([np.zeros(0, np.int32), *taps])


def assert_same(library, stream, gain=200.0, at_least=0):
    beats, filtered = play(FrontEnd(library.config, gain, RATE_HZ), stream)
    c_beats, c_filtered = play(CFrontEnd(library, gain, RATE_HZ), stream)
    assert np.array_equal(c_filtered, filtered)
    assert c_beats == beats
    assert len(beats) >= at_least


def counts(values):
    return np.clip(np.round(values), -32768, 32767).astype(np.int16)


def noise(size, amplitude, seed=0):
    return counts(amplitude * np.random.default_rng(seed).standard_normal(size))


def test_the_state_is_small(library):
    assert library.state_bytes < 10_000


def test_a_synthetic_ecg(library):
    assert_same(library, [ECG.counts], ECG.gain_per_mv, at_least=60)


@pytest.mark.parametrize("gain", [1.0, 1.001, 7.3, 20.0, 199.999, 200.5, 1000.0, 5000.0, 10000.0, 2.0**20])
def test_any_gain(library, gain):
    scaled = counts(ECG.counts[:5000] * (min(gain, 10000.0) / ECG.gain_per_mv))
    assert_same(library, [scaled], gain, at_least=1 if 7 < gain <= 10000 else 0)


@pytest.mark.parametrize("amplitude", [1, 30, 1000, 40000])
def test_noise_up_to_saturation(library, amplitude):
    assert_same(library, [noise(20_000, amplitude)], gain=20.0, at_least=5)


@pytest.mark.parametrize("gain", [1.0, 50.0, 200.0])
def test_the_worst_the_filter_can_meet(library, gain):
    """Full scale against the sign of the impulse response, and square waves of every pace: the widest sums."""
    cascade_response = FrontEnd(CONFIG, 4096.0, RATE_HZ)
    impulse = np.zeros(2000, dtype=np.int16)
    impulse[100] = 32767
    response = cascade_response.push_and_tap(impulse)[1][100:]
    against = np.where(response[::-1] > 0, 32767, -32768).astype(np.int16)
    squares = [np.where(np.arange(1500) // half % 2, 32767, -32768).astype(np.int16) for half in (1, 5, 9, 12, 25, 125)]
    assert_same(library, [np.full(600, -32768, np.int16), against, -1 - against, *squares], gain, at_least=20)


def test_steps_and_impulses(library):
    signal = np.zeros(30_000, dtype=np.int16)
    for place, height in ((1000, 32767), (4000, -32768), (9000, 5), (15000, 30000)):
        signal[place:] = height
    signal[20_000::731] = -20_000
    assert_same(library, [signal], at_least=10)


def test_a_lead_that_comes_off_and_back(library):
    off = np.full(30 * RATE_HZ, 32767, dtype=np.int16)
    faint = noise(15 * RATE_HZ, 0.7)
    assert_same(library, [ECG.counts, off, ECG.counts, np.zeros(5000, np.int16), faint, ECG.counts], at_least=180)


def test_flat_lines_have_no_beats(library):
    for level in (0, 3000, -32768, 32767):
        assert play(CFrontEnd(library, 200.0, RATE_HZ), [np.full(10_000, level, np.int16)])[0] == []


@pytest.mark.parametrize("length", [0, 1, 2, 60, 300, 551, 1181, 1500])
def test_short_streams(library, length):
    assert_same(library, [ECG.counts[:length]])


@pytest.mark.parametrize("cut", range(1800, 2100, 25))
def test_an_end_or_a_break_anywhere_in_a_beat(library, cut):
    assert_same(library, [ECG.counts[:cut]], at_least=1)
    assert_same(library, [ECG.counts[:cut], 5000, ECG.counts], at_least=60)
    assert_same(library, [ECG.counts[:cut], 50, ECG.counts[cut + 50 :]], at_least=50)


def test_gaps_of_every_kind(library):
    streams = [
        [0, 30, 0, ECG.counts, 0, 51, ECG.counts],
        [ECG.counts[:4000], 51, 51, 20, ECG.counts[4000:], 2**32 - 1, ECG.counts],
        [ECG.counts[:7000], 50, 50, 50, ECG.counts[7000:], 1],
        [ECG.counts[:30], 60, ECG.counts[:300], 60, ECG.counts[:2], 60],
        [2**32 - 1, ECG.counts],
    ]
    for stream in streams:
        assert_same(library, stream)


PARTS = st.tuples(st.integers(0, 2500), st.sampled_from([0, 0, 0, 7, 50, 51, 3000]))


@given(st.lists(PARTS, max_size=12), st.integers(0, 1000), st.sampled_from([0, 5, 100, 20_000]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stream_of_blocks_and_gaps(library, parts, seed, amplitude):
    signal = ECG.counts + noise(len(ECG.counts), amplitude, seed).astype(np.int64)
    stream, at = [], 0
    for size, lost in parts:
        stream += [counts(signal[at : at + size]), lost]
        at += size
    assert_same(library, stream)


def test_many_beats_forget_old_rhythms_and_shapes(library):
    """More beats than every memory holds, of shapes and paces that change."""
    ecgs = [synthetic_ecg(120, seed=s, ventricular=v, atrial=0.1).counts for s, v in ((1, 0.0), (2, 0.5), (3, 0.05))]
    assert_same(library, [*ecgs, counts(-2 * ecgs[0].astype(np.int64))], at_least=400)


def test_other_configurations(libraries):
    for library in libraries:
        assert_same(library, [ECG.counts, 300, noise(8000, 3000), 1, 2, ECG.counts[:1234]], at_least=20)
        assert_same(library, [noise(6000, 30)])


def test_a_beat_is_polled_before_anything_else_is_taken(tmp_path):
    functions = FrontEndLibrary(CONFIG, tmp_path).functions
    state, beat = ctypes.create_string_buffer(20_000), ctypes.create_string_buffer(1000)
    assert functions.ccx_frontend_init(state, 200_000)
    assert not functions.ccx_frontend_poll(state, beat)
    taken = functions.ccx_frontend_push(state, ECG.counts.ctypes.data, len(ECG.counts), None)
    assert 500 < taken < 2000
    for refused in (
        lambda: functions.ccx_frontend_push(state, ECG.counts.ctypes.data, 1, None),
        lambda: functions.ccx_frontend_gap(state, 1),
        lambda: functions.ccx_frontend_flush(state),
    ):
        assert not refused()
    assert functions.ccx_frontend_poll(state, beat)
    while functions.ccx_frontend_poll(state, beat):
        pass
    assert functions.ccx_frontend_push(state, ECG.counts.ctypes.data, 1, None) == 1
    assert functions.ccx_frontend_gap(state, 5)
    assert not functions.ccx_frontend_push(state, ECG.counts.ctypes.data, 1, None)
    while functions.ccx_frontend_poll(state, beat):
        pass
    assert functions.ccx_frontend_flush(state)
    while functions.ccx_frontend_poll(state, beat):
        pass
    for _ in range(2):
        assert not functions.ccx_frontend_push(state, ECG.counts.ctypes.data, 1, None)
        assert not functions.ccx_frontend_flush(state)
    assert functions.ccx_frontend_init(state, 200_000)
    assert functions.ccx_frontend_push(state, ECG.counts.ctypes.data, 1, None) == 1


def test_nothing_is_written_beside_the_state(library):
    guard = 256
    front_end = CFrontEnd(library, 200.0, RATE_HZ)
    size = library.state_bytes
    whole = ctypes.create_string_buffer(b"\xa5" * (size + 2 * guard), size + 2 * guard)
    front_end._state = (ctypes.c_char * size).from_buffer(whole, guard)
    assert library.functions.ccx_frontend_init(front_end._state, 200_000)
    play(front_end, [ECG.counts, 20, noise(20_000, 20_000), 100, ECG.counts])
    assert whole.raw[:guard] == whole.raw[-guard:] == b"\xa5" * guard
    assert whole.raw[guard:-guard] != b"\xa5" * size


def test_what_python_refuses_is_refused(library):
    for gain in (0.0, 0.999, 2.0**20 + 1, -5.0, float("nan"), float("inf")):
        with pytest.raises(DataError, match="makes no sense"):
            CFrontEnd(library, gain, RATE_HZ)
    with pytest.raises(DataError, match="takes 250 Hz"):
        CFrontEnd(library, 200.0, 360)
    front_end = CFrontEnd(library, 200.0, RATE_HZ)
    with pytest.raises(DataError, match="int16"):
        front_end.push(np.zeros(3))
    with pytest.raises(DataError, match="gap of -1"):
        front_end.gap(-1)
    front_end.flush()
    assert front_end.flush() == []
    with pytest.raises(DataError, match="was flushed"):
        front_end.push(ECG.counts)


def test_the_header_is_the_configuration(tmp_path):
    text = frontend_header(CONFIG)
    assert text == frontend_header(FrontEndConfig.from_json(CONFIG.to_json()))
    assert "#define CCX_FE_DROUGHT 1000\n" in text
    assert "#define CCX_FE_LOOK_BACK 1180\n" in text
    for section in CONFIG.sections:
        assert ", ".join(map(str, section)) in text
    defined = [line.split()[1] for line in text.splitlines() if line.startswith("#define CCX_FE_")]
    assert len(defined) == len(set(defined))
    own = {field.name for field in dataclasses.fields(CONFIG)} - {"highpass", "lowpass"}
    assert {f"CCX_FE_{name.upper()}" for name in own} <= set(defined)


def test_a_configuration_that_does_not_fit_is_refused_with_every_reason():
    loud = tuple(tuple(2 * value if index < 3 else value for index, value in enumerate(s)) for s in CONFIG.lowpass)
    loud = tuple(tuple(min(value, 2**31 - 1) for value in section) for section in loud)
    wide = {"window_before": 400, "window_after": 200, "shape_reach": 200}
    with pytest.raises(DataError) as refused:
        frontend_header(FrontEndConfig(qrs_smooth=6, lowpass=loud, least_strength=40_000, **wide))
    for reason in ("least_strength is 40000", "shape_reach correlates 401", "full input", "qrs_smooth of 6"):
        assert reason in str(refused.value)


@pytest.mark.parametrize("pole", [-(2**30), -(2**31) + 1])
def test_a_filter_that_does_not_settle_is_refused(pole):
    never = ((2**29, 0, 0, pole, 2**29),)
    with pytest.raises(DataError, match="stable"):
        frontend_header(FrontEndConfig(highpass=never))


def test_a_front_end_without_a_filter_is_refused():
    with pytest.raises(DataError, match="no filter section"):
        frontend_header(FrontEndConfig(highpass=(), lowpass=()))
