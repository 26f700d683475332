"""The network without spikes: it learns as the spiking one does, and its int8 form decides as it does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.firmware_sim.codegen.ann import run
from cortexcore.firmware_sim.codegen.ann_file import load_ann
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train import crossval_ann, dataset, quantize_ann
from cortexcore.train.augment import Augmentation
from cortexcore.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cortexcore.train.dataset import Beats
from cortexcore.train.fit import FitConfig, fit
from cortexcore.train.models.registry import build_model
from cortexcore.train.predict import predict
from cortexcore.train.presets import get_preset

SIZES = {"channels": 2, "length": 40, "features": 3, "classes": 4, "filters": (5, 6), "hidden": 16}
CLASSES = ("N", "S", "V", "F")
GENTLE = Augmentation(scale=0.05, shift=1, noise=1, drift=1, rhythm_noise=1, drop_signal=0)


@pytest.fixture(scope="module")
def made_up():
    """Four kinds of beat: normal; the same, but early (known by rhythm alone); wide; and in between wide and normal."""
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 80)
    time = np.arange(40) - 16
    width = np.array([2.0, 2.0, 8.0, 4.5])[labels] * rng.normal(1, 0.05, 320)
    pulse = 90 * np.exp(-0.5 * (time / width[:, None]) ** 2)
    windows = np.stack([pulse, pulse - 90 * np.exp(-0.5 * (time / 2.0) ** 2)], 1) + rng.normal(0, 2, (320, 2, 40))
    rhythms = np.where(labels == 1, -50, 0)[:, None] + rng.normal(0, 4, (320, 3))
    return Beats(
        windows=np.clip(windows.round(), -127, 127).astype(np.int8),
        rhythms=np.clip(rhythms.round(), -127, 127).astype(np.int8),
        labels=labels.astype(np.int8),
        records=(np.arange(320) % 2).astype(np.int16),
        samples=np.arange(320, dtype=np.int64),
        names=("one", "two"),
    )


def trained(beats, seed=1):
    config = FitConfig(epochs=8, beats_per_epoch=1280, batch=64, rate_penalty=0.0, augmentation=GENTLE)
    return fit("conv_ann", {**SIZES, "dropout": 0.0}, beats, 1, config, seed)


@pytest.fixture(scope="module")
def model(made_up):
    return trained(made_up)


def test_it_learns_and_the_same_seed_gives_the_same_network(made_up, model):
    decided = predict(model, made_up.windows, made_up.rhythms, 1)
    assert (decided == made_up.labels).mean() > 0.95
    again = trained(made_up).state_dict()
    assert all(torch.equal(values, again[name]) for name, values in model.state_dict().items())


def test_it_has_the_spiking_networks_weights():
    """As many, in layers of the same names and shapes: neurons have none."""
    ann, snn = (build_model(name, SIZES).state_dict() for name in ("conv_ann", "conv_snn"))
    shapes = {name: values.shape for name, values in snn.items() if not name.startswith(("lif", "li."))}
    assert {name: values.shape for name, values in ann.items()} == shapes


def test_run_gives_scores_and_what_share_is_sent(model, made_up):
    window, rhythm = (torch.from_numpy(x[:9].astype(np.float32)) for x in (made_up.windows, made_up.rhythms))
    with torch.inference_mode():
        scores, rates = model.run(window, rhythm, 1)
        assert torch.equal(scores, model(window, rhythm))
        hidden = model.activations(window, rhythm)[:3]
    np.testing.assert_allclose(rates, [np.count_nonzero(a) / a.numel() for a in hidden], rtol=1e-6)  # float32 means
    with pytest.raises(CortexCoreError, match="one pass, not 6 steps"):
        model.run(window, rhythm, 6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 10}, "too short"),
        ({"hidden": 0}, "positive"),
        ({"filters": (4,)}, "two each"),
        ({"dropout": 1.0}, "dropout"),
        ({"input_scale": 0.0}, "input_scale"),
        ({"beta": 0.9}, "beta"),
    ],
)
def test_impossible_configurations_are_named(change, words):
    with pytest.raises(CortexCoreError, match=words):
        build_model("conv_ann", {**SIZES, **change})


def test_a_checkpoint_keeps_it(model, made_up, tmp_path):
    path = tmp_path / "ann.safetensors"
    save_checkpoint(path, Checkpoint(model, FrontEndConfig(), CLASSES, 1, 1e-3, {"seed": 1}))
    read = load_checkpoint(path)
    some = made_up.windows[:50], made_up.rhythms[:50]
    np.testing.assert_array_equal(predict(read.model, *some, 1), predict(model, *some, 1))


def test_the_int8_form_sends_what_the_float_network_sends(model, made_up):
    ann = quantize_ann.quantize_ann(model, made_up, CLASSES)
    sent = run(ann, {"window": made_up.windows, "rhythm": made_up.rhythms})
    with torch.inference_mode():
        inputs = (torch.from_numpy(x.astype(np.float32)) for x in (made_up.windows, made_up.rhythms))
        wanted = [a.numpy() for a in model.activations(*inputs)]
    for layer, values in zip(ann.layers, wanted, strict=True):
        found = (sent[layer.name].astype(float) - layer.zero) * layer.scale
        error = found - values
        # rounding of 8 bits in, weights and out: 1/255 of the range each is half a percent; layers add up
        assert np.sqrt(np.mean(error**2)) < 0.02 * np.abs(values).max(), layer.name
    decided = quantize_ann.decide(ann, made_up)
    assert (decided == predict(model, made_up.windows, made_up.rhythms, 1)).mean() > 0.98


def test_the_int8_form_has_the_networks_shape(model, made_up):
    ann = quantize_ann.quantize_ann(model, made_up, CLASSES)
    assert [(x.name, x.shape, x.weight.shape) for x in ann.layers] == [
        ("conv1", (5, 11), (5, 18)),
        ("conv2", (6, 4), (6, 25)),
        ("dense", (16,), (16, 27)),
        ("readout", (4,), (4, 16)),
    ]
    assert all(np.abs(x.weight.astype(int)).max() == 127 for x in ann.layers)
    assert ann.macs == 5 * 11 * 18 + 6 * 4 * 25 + 16 * 27 + 4 * 16


def test_what_has_no_int8_form(model, made_up):
    with pytest.raises(CortexCoreError, match="ConvSNN has no int8 ANN"):
        quantize_ann.require_ann(build_model("conv_snn", SIZES))
    none = replace(
        made_up, **{name: getattr(made_up, name)[:0] for name in ("windows", "rhythms", "labels", "records", "samples")}
    )
    with pytest.raises(DataError, match="needs beats"):
        quantize_ann.quantize_ann(model, none, CLASSES)
    assert len(quantize_ann.decide(quantize_ann.quantize_ann(model, made_up, CLASSES), none)) == 0


def test_commands_tell_mistakes_in_a_sentence(tmp_path, capsys):
    assert quantize_ann.main([str(tmp_path / "no.safetensors"), "-o", str(tmp_path / "ann.npz")]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        crossval_ann.main(["--models", __file__])
    assert "not a folder" in capsys.readouterr().err
    assert crossval_ann.main(["--json", str(tmp_path / "no" / "cv.json")]) == 1
    assert "its folder must exist" in capsys.readouterr().err


def test_float_and_int8_are_judged_on_the_patients_held_out(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "user_cache", lambda: tmp_path / "cache")
    fit_small = {**get_preset("beat_ann").fit, "epochs": 1, "beats_per_epoch": 256, "batch": 64}
    preset = replace(get_preset("beat_ann"), fit=fit_small, detectors=("reference",))
    lines: list[str] = []
    folds = (("118",), ("119",))
    result = crossval_ann.cross_validate_ann(preset, data_dir, tmp_path, 5, lines.append, folds)
    assert [load_checkpoint(tmp_path / f"fold{k}.safetensors").provenance["seed"] for k in (0, 1)] == [5, 6]
    assert load_checkpoint(tmp_path / "fold0.safetensors").provenance["fitted_records"] == ["119"]
    told = result.to_json()
    assert told["int8"]["beats"] == told["float"]["beats"] == 2166 + 96 + 16 + 1543 + 444
    assert 0.9 < told["decisions_equal"] <= 1
    out = tmp_path / "ann.npz"
    assert quantize_ann.main([str(tmp_path / "fold0.safetensors"), "-o", str(out), "--data", str(data_dir)]) == 0
    read, provenance = load_ann(out)
    assert read.classes == CLASSES and provenance["calibrated"] == "512 beats of the fitted records"
