"""Fine-tuning beat classifiers on real recordings: equal to the golden network, deployable, judged patient-wise."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from cortexcore.cli.models import export
from cortexcore.errors import CortexCoreError, DataError
from cortexcore.export import integer
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.train import dataset
from cortexcore.train.beats import fitted_beats, thin
from cortexcore.train.checkpoint import load_checkpoint, save_checkpoint
from cortexcore.train.compress import GRID, Compression, compress
from cortexcore.train.crossval import main
from cortexcore.train.crossval_integer import cross_validate_integer, decide
from cortexcore.train.dataset import load_dataset
from cortexcore.train.deploy import deploy, graph_of
from cortexcore.train.fit import FitConfig
from cortexcore.train.presets import get_preset, train_preset
from cortexcore.train.qat import FineTuning, QatNetwork
from cortexcore.train.qat.beats import beat_batches
from cortexcore.train.qat.fine_tuning import tune

MODEL = Path(str(resources.files("cortexcore"))) / "models" / "ecg_beat" / "model.safetensors"
SMALL = replace(get_preset("beat"), fit={"epochs": 1, "beats_per_epoch": 256, "batch": 64}, detectors=("reference",))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cortexcore-cache"
    monkeypatch.setattr(dataset, "user_cache", lambda: folder)


@pytest.fixture
def beats(data_dir):
    return load_dataset(["119"], FrontEndConfig(), data_dir)


@pytest.fixture
def small(data_dir, tmp_path):
    """A checkpoint fitted on one record, for commands."""
    path = tmp_path / "small.safetensors"
    checkpoint = train_preset(SMALL, data_dir, seed=3, records=("119",))
    provenance = {**checkpoint.provenance, "held_out_records": ["118"]}
    save_checkpoint(path, replace(checkpoint, provenance=provenance))
    return path


@pytest.mark.parametrize("bits", [8, 4])
def test_forward_equals_the_golden_network_on_a_thousand_real_beats(beats, bits):
    """The shipped network, fine-tuned for an epoch: spikes, u and v of all neurons and steps, as trained and saved."""
    graph = graph_of(load_checkpoint(MODEL))
    thousand = thin(beats, 1000)
    assert len(thousand) == 1000
    inputs = encode(thousand.windows, thousand.rhythms, 6)
    fit = FitConfig(beats_per_epoch=512, batch=128)
    draw = beat_batches(beats, 6, fit, 128, seed=2)
    how = FineTuning(epochs=1, learning_rate=5e-3)
    tuned = tune(graph, replace(GRID, bits=bits), draw, how, inputs)
    golden = integer.run(tuned.network, inputs)
    assert golden.spikes.keys() == {"lif1", "lif2", "lif3"}
    for network in (tuned.trained, QatNetwork(tuned.graph, tuned.network)):
        with torch.no_grad():
            trace = network({name: torch.from_numpy(np.array(x)) for name, x in inputs.items()}, record=True)
        for name, spikes in golden.spikes.items():
            assert spikes.any() and np.array_equal(trace.spikes[name].numpy(), spikes)
        for name in golden.u:
            assert np.array_equal(trace.u[name].numpy(), golden.u[name])
            assert np.array_equal(trace.v[name].numpy(), golden.v[name])


def test_augmented_beats_are_whole_numbers_in_range_and_repeat_with_the_seed(beats):
    fit = FitConfig(beats_per_epoch=256, batch=128)
    (first, labels), _ = list(beat_batches(beats, 6, fit, 128, seed=2)())
    (again, same), _ = list(beat_batches(beats, 6, fit, 128, seed=2)())
    assert first["window"].shape == (6, 128, 2, 96) and first["rhythm"].shape == (6, 128, 12)
    for name, values in first.items():
        assert torch.equal(values, values.round()) and values.abs().max() <= 127
        assert torch.equal(values, again[name]) and torch.equal(values[0], values[5])
    assert torch.equal(labels, same)


def test_compressed_in_every_way_at_once(beats):
    graph = graph_of(load_checkpoint(MODEL))
    calibration = encode(thin(beats, 64).windows, thin(beats, 64).rhythms, 6)
    how = Compression(replace(GRID, bits=6), 1, weights=0.5, channels=0.25)
    lines = []
    fit = FitConfig(beats_per_epoch=256, batch=128)
    made = compress(graph, how, calibration, beats, 6, lines.append, fit, max_bytes=4000)
    said = made.network.metadata["quantization"]
    assert [report["kind"] for report in said["pruning"]] == ["neurons", "weights"] and said["qat"]["epochs"] == 1
    assert made.network.population("lif3").shape == (48,) and made.network.population("li").shape == (4,)
    layers = [layer for p in said["populations"].values() for layer in p["layers"].values()]
    assert sum(layer["weights"] * layer["bits"] / 8 for layer in layers) <= 4000
    for p in made.network.populations:
        for s in p.synapses:
            assert np.count_nonzero(s.operation.weight) <= s.operation.weight.size - s.operation.weight.size // 2
    assert len(decide(made.network, thin(beats, 10), 6)) == 10
    assert any("pruned neurons: lif1 8 → 6" in line for line in lines)


def test_export_command_fine_tunes_and_its_bundle_says_so(small, data_dir, tmp_path, capsys):
    bundle = tmp_path / "bundle"
    export(small, bundle, None, bits=4, qat=1, prune=0.25, prune_channels=0.25, layer_bits=["readout=8"], data=data_dir)
    network = load_bundle(bundle).network
    said = network.metadata["quantization"]
    assert said["qat"]["epochs"] == 1 and [report["share"] for report in said["pruning"]] == [0.25, 0.25]
    assert {"accuracy", "macro_f1"} == said["trained_float"].keys()
    layers = {name: layer["bits"] for p in said["populations"].values() for name, layer in p["layers"].items()}
    assert layers.pop("readout") == 8 and set(layers.values()) == {4}
    printed = capsys.readouterr().out
    assert "pruned neurons: lif1 8 → 6" in printed and "fine-tuned for 1 epoch behind" in printed
    assert "the float network as it was trained has an accuracy of" in printed and "bundle:" in printed


def test_export_command_refuses_what_it_cannot_do(small, tmp_path, monkeypatch):
    out = tmp_path / "bundle"
    with pytest.raises(CortexCoreError, match="--layer-bits is 'readout', write it as LAYER=BITS"):
        export(small, out, None, layer_bits=["readout"])
    with pytest.raises(CortexCoreError, match="share to prune is 1"):
        export(small, out, None, prune=1.5)
    with pytest.raises(CortexCoreError, match="cannot be negative"):
        export(small, out, None, qat=-1)
    monkeypatch.delenv("CORTEXCORE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    with pytest.raises(DataError, match="fine-tuning needs the recordings"):
        export(small, out, None, qat=1)
    assert not out.exists()


def test_models_that_name_no_records_cannot_be_fine_tuned(small, data_dir):
    checkpoint = replace(load_checkpoint(small), provenance={})
    with pytest.raises(DataError, match="fine-tuning needs the recordings"):
        deploy(checkpoint, data_dir, Compression(epochs=1))
    with pytest.raises(DataError, match="does not say its fitted records"):
        fitted_beats({}, FrontEndConfig(), data_dir, print)
    graph = graph_of(checkpoint)
    calibration = {"window": np.zeros((2, 1, 2, 96), int), "rhythm": np.zeros((2, 1, 12), int)}
    with pytest.raises(DataError, match="none were given"):
        compress(graph, Compression(epochs=1), calibration, None, 6)


def test_cross_validation_judges_float_and_integer_networks_of_the_same_folds(data_dir, tmp_path):
    folds = (("118",), ("119",))
    variants = {"8": Compression(), "2": Compression(replace(GRID, bits=2))}
    found = cross_validate_integer(SMALL, variants, data_dir, tmp_path, seed=5, folds=folds)
    assert [m.counts.sum() for m in found.before] == [2166 + 96 + 16, 1543 + 444]
    for _, matrices in found.after.values():
        assert [m.counts.sum() for m in matrices] == [m.counts.sum() for m in found.before]
    assert found.equal["8"] > found.equal["2"], "fewer bits keep fewer decisions"
    said = json.loads(json.dumps(found.to_json()))
    lost = 100 * (said["float"]["accuracy"] - said["integer"]["2"]["accuracy"])
    assert said["integer"]["2"]["accuracy_lost_points"] == pytest.approx(lost, abs=1e-3)
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("fold*"))]
    again = cross_validate_integer(SMALL, {"8": Compression()}, data_dir, tmp_path, seed=5, folds=folds)
    assert times == [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("fold*"))], "models are used again"
    assert np.array_equal(again.after["8"][1][0].counts, found.after["8"][1][0].counts)
    with pytest.raises(DataError, match="fitted on other records, with another seed"):
        cross_validate_integer(SMALL, variants, data_dir, tmp_path, seed=6, folds=folds)


def test_the_module_refuses_in_one_sentence(tmp_path, capsys):
    assert main(["beat", "--bits", "9", "--data", str(tmp_path)]) == 1
    assert "bits is 9" in capsys.readouterr().err
