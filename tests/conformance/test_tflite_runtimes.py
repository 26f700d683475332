"""Both packages that run TFLite, with and without XNNPACK, in several blocks: the golden arithmetic, every value."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from cortexcore.errors import TargetUnavailable
from cortexcore.export import integer
from cortexcore.targets.compiled import compile
from cortexcore.targets.tflite.config import TfliteConfig
from cortexcore.targets.tflite.runtime import MODULES, find_runtime

RUNTIMES = sorted(MODULES)


def require(runtime: str) -> None:
    """Skip where the runtime is missing; in CI fail, but where it has no wheel: tflite-runtime ends at Python 3.11."""
    try:
        found = find_runtime(runtime)
    except TargetUnavailable as error:
        if os.environ.get("CI") and not (runtime == "tflite-runtime" and sys.version_info >= (3, 12)):
            pytest.fail(str(error))
        pytest.skip(str(error))
    assert found.name == runtime


@pytest.mark.parametrize("xnnpack", [False, True])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_equals_the_golden_arithmetic(runtime, xnnpack, animal):
    """Blocks of 3 steps, so that a run of 5 crosses a border between blocks and ends amid one."""
    require(runtime)
    _, network, inputs = animal
    golden = integer.run(network, inputs)
    compiled = compile(network, "tflite", TfliteConfig(runtime=runtime, steps=3, xnnpack=xnnpack))
    assert compiled.artifact.opened_sequence.runtime.name == runtime
    result = compiled.run(inputs, trace=True)
    for kind in ("spikes", "u", "v", "outputs"):
        expected, got = getattr(golden, kind), getattr(result, kind)
        assert set(got) == set(expected)
        for signal in expected:
            assert got[signal].dtype == expected[signal].dtype, (kind, signal)
            assert np.array_equal(got[signal], expected[signal]), (kind, signal)
    untraced = compiled.run(inputs)
    assert not untraced.spikes
    stepper = compiled.stepper()
    steps, batch = next(iter(inputs.values())).shape[:2]
    for _ in range(2):
        stepper.start(batch)
        for t in range(steps):
            outputs = stepper.step({port: values[t] for port, values in inputs.items()})
            for port, expected_output in golden.outputs.items():
                assert outputs[port].dtype == expected_output.dtype
                assert np.array_equal(outputs[port], expected_output[t]), (port, t)
    for port, expected_output in golden.outputs.items():
        assert np.array_equal(untraced.outputs[port], expected_output), port
