"""Longer runs through the front door: many networks, every integer target, a million neuron-steps alike."""

from __future__ import annotations

import os

import numpy as np
import pytest

from cortexcore.api import compare
from cortexcore.export.network import IntegerNetwork
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.targets.registry import get_target

TARGETS = ["integer", "onnx", "tflite", "loihi"]
NETWORKS = [
    "dense",
    "spikes_in",
    "conv",
    "conv2d",
    "pooled",
    "cuba",
    "recurrent",
    "recurrent_pair",
    "recurrent_cuba_bias",
    "biases",
    "readout",
    "four_bits",
    "subtract",
    "branches",
    "deep_snn",
]
STEPS, BATCH = 50, 6
BEATS = 40


def shipped(rng: np.random.Generator) -> tuple[IntegerNetwork, dict[str, np.ndarray]]:
    """The shipped beat model, and random inputs that are held for all steps, as its front end's are."""
    bundle = load_bundle(SHIPPED / "bundle")
    once = {p.name: rng.integers(p.low, p.high + 1, (1, BEATS, *p.shape)) for p in bundle.network.inputs}
    return bundle.network, {name: np.repeat(values, bundle.steps, axis=0) for name, values in once.items()}


def test_no_spike_differs_in_a_million_neuron_steps(build, capsys):
    for target in TARGETS:
        reason = get_target(target).unavailable()
        if reason is not None:
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
    cases = {"shipped": shipped(np.random.default_rng(0))}
    for name in NETWORKS:
        zoo, network = build(name)
        cases[name] = network, zoo.inputs(network, STEPS, BATCH)
    totals = dict.fromkeys(TARGETS[1:], 0)
    for name, (network, inputs) in cases.items():
        comparison = compare(network, TARGETS, inputs)
        assert comparison.equal and comparison.differing_spikes == 0, f"{name}\n{comparison.to_text()}"
        for row in comparison.rows:
            if row.kind == "spikes":
                totals[row.target] += row.compared
        if "recurrent" in name:
            assert any(s.recurrent for p in network.populations for s in p.synapses)
    with capsys.disabled():
        print(f"\n{len(cases)} networks, neuron-steps without a difference: {totals}")
    assert set(totals.values()) == {totals["onnx"]} and totals["onnx"] >= 500_000
    assert sum(totals.values()) >= 1_000_000
