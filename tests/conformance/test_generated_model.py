"""The whole model in C, from ADC counts to decisions, on this machine: equal to Python's front end and network."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.firmware_sim.codegen.generate import FRONT_END, KERNELS, generate
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.toolchain import build_shared, missing_compiler
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import Bundle, load_bundle
from cortexcore.runtime.frontend import FrontEnd
from cortexcore.runtime.frontend.encoder import encode_beats
from cortexcore.sources import Source, recording_source, synthetic_source

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))

SHIM = """
#include "ccx.h"
#define COPY(field) copy->field = event.field
typedef struct {
    int64_t sample, ready;
    int32_t rr_ms, label, scores[CCX_CLASSES], spikes[CCX_SPIKING];
} shim_event;
uint32_t shim_events(uint32_t gain, const int16_t *counts, size_t count, size_t block, int32_t *filtered,
                     shim_event *events, uint32_t most);
uint32_t shim_events(uint32_t gain, const int16_t *counts, size_t count, size_t block, int32_t *filtered,
                     shim_event *events, uint32_t most)
{
    static ccx_state state;
    ccx_event event;
    uint32_t found = 0;
    size_t at = 0;
    bool flushed = !ccx_init(&state, gain);
    while (found < most) {
        if (ccx_poll_event(&state, &event)) {
            shim_event *const copy = events + found++;
            COPY(sample), COPY(ready), COPY(rr_ms);
            copy->label = (int32_t)event.label;
            for (int i = 0; i < CCX_CLASSES; ++i) COPY(scores[i]);
            for (int i = 0; i < CCX_SPIKING; ++i) copy->spikes[i] = (int32_t)event.spikes[i];
        } else if (at < count) {
            at += ccx_push_samples(&state, counts + at, count - at < block ? count - at : block, filtered + at);
        } else if (!flushed) {
            flushed = ccx_flush(&state);
        } else {
            break;
        }
    }
    return found;
}
"""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(SHIPPED / "bundle")


@pytest.fixture(scope="module")
def library(bundle, tmp_path_factory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("model")
    for name, text in generate(bundle.network, bundle.front_end, CodegenOptions()).items():
        (folder / name).write_text(text)
    (folder / "shim.c").write_text(SHIM)
    sources = [folder / "model.c", folder / "shim.c", KERNELS / "ccx.c", *sorted(FRONT_END.glob("*.c"))]
    built = build_shared(sources, [KERNELS, FRONT_END, folder], folder / "model.so", sanitize=True)
    return ctypes.CDLL(str(built))


def events_in_c(library: ctypes.CDLL, bundle: Bundle, source: Source, block: int) -> tuple[np.ndarray, np.ndarray]:
    spiking = sum(p.vth is not None for p in bundle.network.populations)
    fields = [("sample", "i8"), ("ready", "i8"), ("rr_ms", "i4"), ("label", "i4")]
    fields += [("scores", "i4", (len(bundle.classes),)), ("spikes", "i4", (spiking,))]
    events = np.zeros(len(source.counts) // 25, np.dtype(fields, align=True))
    counts, filtered = np.ascontiguousarray(source.counts, np.int16), np.zeros(len(source.counts), np.int32)
    found = library.shim_events(
        ctypes.c_uint32(round(source.gain_per_mv * 1000)),
        ctypes.c_void_p(counts.ctypes.data),
        ctypes.c_size_t(len(counts)),
        ctypes.c_size_t(block),
        ctypes.c_void_p(filtered.ctypes.data),
        ctypes.c_void_p(events.ctypes.data),
        ctypes.c_uint32(len(events)),
    )
    return events[:found], filtered


def require_equal(library: ctypes.CDLL, bundle: Bundle, source: Source, block: int) -> int:
    """All filtered samples, and of each beat its times, scores, decision and spikes per population; how many beats."""
    events, filtered = events_in_c(library, bundle, source, block)
    front_end = FrontEnd(bundle.front_end, source.gain_per_mv, source.rate_hz)
    beats, tap = front_end.push_and_tap(source.counts)
    beats += front_end.flush()
    assert np.array_equal(filtered, tap)
    for name in ("sample", "ready", "rr_ms"):
        assert events[name].tolist() == [getattr(beat, name) for beat in beats], name
    golden = integer.run(bundle.network, encode_beats(beats, bundle.steps))
    scores = golden.outputs[bundle.network.outputs[0].name][-1]
    assert np.array_equal(events["scores"], scores)
    assert np.array_equal(events["label"], scores.argmax(axis=1))
    spikes = [golden.spikes[p.name] for p in bundle.network.populations if p.vth is not None]
    counted = np.stack([s.sum(axis=(0, *range(2, s.ndim)), dtype=np.int64) for s in spikes], axis=1)
    assert np.array_equal(events["spikes"], counted)
    return len(beats)


@pytest.mark.parametrize("block", [1, 64, 10_000])
def test_made_up_ecg(library, bundle, block):
    assert require_equal(library, bundle, synthetic_source(120.0, 3), block) > 100


@pytest.mark.parametrize("record", ["208", "119", "209"])
def test_whole_records(library, bundle, record, data_dir):
    beats = require_equal(library, bundle, recording_source(record, data_dir), 250)
    print(f"record {record}: {beats} beats, everything equal")
    assert beats > 1500
