"""The zoo on ``reference``: no spike differs from PyTorch's in float64, and how many do in float32.

What ran: the graph that from_torch made of the very model that is stepped here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")

from zoo_run import STEPS, recorded  # noqa: E402

from cortexcore.export import reference  # noqa: E402


def test_no_spike_differs_in_float64(case: Any) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        graph, inputs, spikes, outputs = recorded(case, torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
    trace = reference.run(graph, inputs)
    assert trace.spikes.keys() == spikes.keys() and trace.spikes
    for name, expected in spikes.items():
        assert 0.01 <= expected.mean() <= 0.9, f"'{name}' fires in {expected.mean():.1%} of all steps"
        np.testing.assert_array_equal(trace.spikes[name], expected)
    for name, values in outputs.items():
        np.testing.assert_allclose(trace.outputs[name][-len(values) :], values, rtol=1e-9, atol=1e-9)


def test_float32_is_counted(case: Any, record_property: Any) -> None:
    """PyTorch rounds to float32 at each step: a spike can flip where the membrane is that close to its threshold."""
    graph, inputs, spikes, _ = recorded(case, torch.float32)
    trace = reference.run(graph, inputs)
    differing = sum(int((trace.spikes[name] != expected).sum()) for name, expected in spikes.items())
    total = sum(expected.size for expected in spikes.values())
    record_property("differing spikes", differing)
    print(f"{case.name:50s} {differing:6d} of {total} spikes differ in float32")
    first = min(
        [t for name, expected in spikes.items() for t in np.nonzero(trace.spikes[name] != expected)[0]], default=STEPS
    )
    assert first > 0, "the first step has no rounding to accumulate"
