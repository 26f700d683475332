"""One harness: every target runs every network, and must equal the golden arithmetic at every neuron and step."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from cortexcore.export import integer
from cortexcore.targets.compiled import compile
from cortexcore.targets.registry import get_target
from cortexcore.targets.saved import network_sha256

CANNOT = {
    ("loihi", "wraps_often"): "exceed 24 bits",
    ("cortex-m", "deep_snn"): "more than the board's 262144",
}
"""What a target must refuse, and words of its reason; all else it must run."""


def require(target: str) -> None:
    reason = get_target(target).unavailable()
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("target", ["integer", "onnx", "tflite", "loihi", "native", "cortex-m"])
def test_equals_the_golden_arithmetic(target, animal):
    require(target)
    name, network, inputs = animal
    if (target, name) in CANNOT:
        report = get_target(target).check(network)
        assert not report.ok and re.search(CANNOT[target, name], str(report.problems))
        return
    golden = integer.run(network, inputs)
    compiled = compile(network, target)
    assert compiled.artifact.network is network
    result = compiled.run(inputs, trace=True)
    artifact = f"{target} artifact {compiled.artifact.sha256[:12]} of network {network_sha256(network)[:12]}"
    for kind in ("spikes", "u", "v", "outputs"):
        expected, got = getattr(golden, kind), getattr(result, kind)
        assert set(got) == set(expected), artifact
        for signal in expected:
            assert got[signal].dtype == expected[signal].dtype, f"{artifact}: {kind} {signal}"
            assert np.array_equal(got[signal], expected[signal]), f"{artifact}: {kind} {signal}"
    untraced = compiled.run(inputs)
    assert not untraced.spikes and set(untraced.outputs) == set(golden.outputs)
    for signal, expected_output in golden.outputs.items():
        assert np.array_equal(untraced.outputs[signal], expected_output), f"{artifact}, untraced: {signal}"


def test_the_networks_do_what_they_are_for(animal):
    """Neurons fire without all firing, and the extreme networks wrap and clip: else the harness proves nothing."""
    name, network, inputs = animal
    golden = integer.run(network, inputs)
    for population, spikes in golden.spikes.items():
        assert 0 < spikes.mean() < 1, (population, spikes.mean())
    if name.startswith("wraps"):
        assert sum(golden.current_wraps.values()) > 0 and sum(golden.voltage_clips.values()) > 0
    if name == "wraps_once":
        assert max(golden.current_wraps.values()) < golden.u["a"].size


@pytest.mark.parametrize("target", ["integer", "onnx", "tflite", "native", "cortex-m"])
def test_step_by_step_equals_the_sequence(target, animal):
    name, network, inputs = animal
    if (target, name) in CANNOT:
        assert not get_target(target).check(network).ok
        return
    golden = integer.run(network, inputs)
    stepper = compile(network, target).stepper()
    steps, batch = next(iter(inputs.values())).shape[:2]
    for _ in range(2):
        stepper.start(batch)
        for t in range(steps):
            outputs = stepper.step({port: values[t] for port, values in inputs.items()})
            for port, expected in golden.outputs.items():
                assert outputs[port].dtype == expected.dtype
                assert np.array_equal(outputs[port], expected[t]), (port, t)


@pytest.mark.parametrize("target", ["integer", "onnx", "tflite", "loihi", "native", "cortex-m"])
def test_inferences_do_not_leak_into_each_other(target, build):
    """Each inference alone gives what it gives amid others, in another order, and a second time."""
    require(target)
    zoo, network = build("recurrent")
    inputs = zoo.inputs(network, steps=4, batch=5)
    compiled = compile(network, target)
    together = compiled.run(inputs).outputs["y"]
    backwards = compiled.run({"x": inputs["x"][:, ::-1]}).outputs["y"]
    alone = compiled.run({"x": inputs["x"][:, 3:4]}).outputs["y"]
    assert np.array_equal(together, backwards[:, ::-1]) and np.array_equal(together[:, 3:4], alone)
    assert not np.array_equal(together[:, 2], together[:, 3])
