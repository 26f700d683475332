"""The front end in C on whole MIT-BIH records: every filtered sample, beat, window and feature is Python's."""

import numpy as np
import pytest

from cortexcore.firmware_sim.c_frontend import CFrontEnd, FrontEndLibrary
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig
from cortexcore.train.recordings import load_recording, to_wearable_rate

pytest.importorskip("ziglang", reason="compiling C needs the extra 'firmware'")

GAP = 77_777


@pytest.fixture(scope="module", params=["plain", "checked"])
def library(request, tmp_path_factory):
    return FrontEndLibrary(FrontEndConfig(), tmp_path_factory.mktemp("c"), sanitize=request.param == "checked")


def content(beats):
    return [(b.sample, b.ready, b.rr_ms, b.window.tobytes(), b.rhythm.tobytes()) for b in beats]


@pytest.mark.parametrize("name", ["207", "208", "203"])
def test_a_whole_record(library, data_dir, name):
    """Flutter; PVCs, fusion beats and a loose electrode; noise. 208 is also cut in the middle by 5 minutes."""
    record = to_wearable_rate(load_recording(name, data_dir))
    ours = CFrontEnd(library, record.gain_per_mv, record.rate_hz)
    theirs = FrontEnd(library.config, record.gain_per_mv, record.rate_hz)
    parts = [record.counts] if name != "208" else [record.counts[:200_000], record.counts[200_000:]]
    beats, c_beats = [], []
    for number, part in enumerate(parts):
        if number:
            beats += theirs.gap(GAP)
            c_beats += ours.gap(GAP)
        got, filtered = theirs.push_and_tap(part)
        c_got, c_filtered = ours.push_and_tap(part)
        assert np.array_equal(c_filtered, filtered)
        beats += got
        c_beats += c_got
    beats += theirs.flush()
    c_beats += ours.flush()
    assert content(c_beats) == content(beats)
    assert len(beats) > 2000
