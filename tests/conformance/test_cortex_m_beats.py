"""The shipped beat model on the emulated core and in native C, on real beats: every neuron, every step."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.sources import beat_inputs, recording_source
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target


@pytest.mark.parametrize(("target", "record"), [("cortex-m", "208"), ("native", "208"), ("native", "119")])
def test_no_spike_differs_on_200_beats(target, record, data_dir):
    reason = get_target(target).unavailable()
    if reason is not None:
        pytest.skip(reason)
    bundle = load_bundle(SHIPPED / "bundle")
    inputs = beat_inputs(recording_source(record, data_dir, 300.0, 240.0), bundle.front_end, bundle.steps)
    beats = next(iter(inputs.values())).shape[1]
    assert beats >= 200
    golden, result = integer.run(bundle.network, inputs), compile(bundle.network, target).run(inputs, trace=True)
    for kind in ("spikes", "u", "v", "outputs"):
        for name, expected in getattr(golden, kind).items():
            assert np.array_equal(getattr(result, kind)[name], expected), (kind, name)
    print(
        f"{target}, record {record}: {beats} beats, {sum(int(s.sum()) for s in golden.spikes.values())} spikes, equal"
    )
