"""The shipped beat model on real beats: every integer target, every neuron, every step."""

from __future__ import annotations

from pathlib import Path

from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.sources import beat_inputs, recording_source
from cortexcore.targets.compare import compare
from cortexcore.targets.saved import network_sha256
from cortexcore.train.checkpoint import load_checkpoint
from cortexcore.train.deploy import deploy


def test_no_spike_differs_on_real_beats(data_dir: Path) -> None:
    bundle = load_bundle(SHIPPED / "bundle")
    inputs = beat_inputs(recording_source("208", data_dir, 300.0, 20.0), bundle.front_end, bundle.steps)
    comparison = compare(bundle.network, ["integer", "onnx", "tflite", "loihi"], inputs)
    spikes = {(row.target, row.name): row for row in comparison.rows if row.kind == "spikes"}
    spiking = [p.name for p in bundle.network.populations if p.vth is not None]
    assert comparison.batch >= 20
    assert spikes.keys() == {(target, name) for target in ("onnx", "tflite", "loihi") for name in spiking}
    assert comparison.differing_spikes == 0
    assert comparison.equal, comparison.to_text()


def test_the_bundle_is_the_checkpoint_deployed(data_dir: Path) -> None:
    checkpoint = load_checkpoint(SHIPPED / "model.safetensors")
    bundle = load_bundle(SHIPPED / "bundle")
    assert network_sha256(deploy(checkpoint, data_dir).network) == network_sha256(bundle.network)
    assert bundle.front_end == checkpoint.front_end
    assert (bundle.classes, bundle.steps) == (checkpoint.classes, checkpoint.steps)
