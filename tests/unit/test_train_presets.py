"""A preset from recordings to a checkpoint on disk, in small."""

from dataclasses import replace

import pytest

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.train import crossval, dataset
from cortexcore.train.checkpoint import load_checkpoint
from cortexcore.train.presets import PRESETS, get_preset, train_preset
from cortexcore.train.recordings import DS1

SMALL = replace(get_preset("beat"), fit={"epochs": 1, "beats_per_epoch": 256, "batch": 64}, detectors=("reference",))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cortexcore-cache"
    monkeypatch.setattr(dataset, "user_cache", lambda: folder)


def test_train_and_save(data_dir, tmp_path):
    lines = []
    out = tmp_path / "model.pt"
    made = train_preset(SMALL, data_dir, seed=3, out=out, progress=lines.append, records=("118", "119"))
    read = load_checkpoint(out)
    assert read.provenance == made.provenance
    assert read.provenance["fitted_records"] == ["118", "119"] and read.provenance["seed"] == 3
    assert sorted(read.provenance["fitted_records"] + read.provenance["held_out_records"]) == sorted(DS1)
    assert read.provenance["examples"] == {"N": 2166 + 1543, "S": 96, "V": 16 + 444, "F": 0}
    assert read.provenance["fit"]["epochs"] == 1 and read.provenance["versions"]["torch"]
    assert any("epoch 1/1" in line for line in lines) and any("record 118" in line for line in lines)
    assert (read.steps, read.classes) == (SMALL.steps, ("N", "S", "V", "F"))


def test_cross_validation_judges_each_record_by_a_model_without_it(data_dir, monkeypatch):
    fitted = []

    def spy(preset, beats, config, seed, say):
        fitted.append((beats.names, seed))
        return fit_preset(preset, beats, config, seed, say)

    fit_preset = crossval.fit_preset
    monkeypatch.setattr(crossval, "fit_preset", spy)
    lines = []
    result = crossval.cross_validate(SMALL, data_dir, seed=5, progress=lines.append, folds=(("118",), ("119",)))
    assert fitted == [(("119",), 5), (("118",), 6)]
    assert result.records["118"].counts.sum() == 2166 + 96 + 16 and set(result.records) == {"118", "119"}
    assert result.total.counts.sum() == result.fold(0).counts.sum() + result.fold(1).counts.sum()
    assert result.to_json()["total"]["beats"] == int(result.total.counts.sum())


def test_presets_are_consistent():
    for name, preset in PRESETS.items():
        assert preset.name == name and preset.summary and preset.records


def test_bad_requests(tmp_path):
    with pytest.raises(CortexCoreError, match="'heart' is unknown, use one of beat"):
        train_preset("heart")
    with pytest.raises(DataError, match=r"\.safetensors or \.pt"):
        train_preset(SMALL, data=tmp_path, out=tmp_path / "model.onnx")
    with pytest.raises(CortexCoreError, match="epochs"):
        train_preset(SMALL, data=tmp_path, epochs=0)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--qat", "2"], 2, "give --bits as well"),
        (["--prune", "0.5"], 2, "give --bits as well"),
        (["--prune-channels", "nan"], 2, "give --bits as well"),
        (["--bits", "4", "--prune", "nan"], 1, "must be above 0 and below 1"),
        (["--bits", "4", "--prune-channels", "1"], 1, "must be above 0 and below 1"),
        (["--bits", "9"], 1, "bits is 9"),
        (["--models", __file__], 2, "which is not a folder"),
        (["--json", "no/such/folder.json"], 1, "its folder must exist"),
    ],
)
def test_wrong_options_of_the_cross_validation_are_told_before_the_work(options, code, words, capsys, monkeypatch):
    def work(*_, **__):
        raise AssertionError("work was begun")

    monkeypatch.setattr(crossval, "load_dataset", work)
    try:
        ended = crossval.main(["beat", *options])
    except SystemExit as stopped:  # argparse
        ended = stopped.code
    assert ended == code and words in capsys.readouterr().err
