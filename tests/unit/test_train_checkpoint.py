"""A checkpoint comes back as it was written; anything else is refused in one sentence, and nothing is unpickled."""

import json
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train.checkpoint import HEADER, Checkpoint, load_checkpoint, save_checkpoint
from cortexcore.train.models.conv_snn import ConvSNN, ConvSNNConfig
from cortexcore.train.predict import predict_scores

CLASSES = ("N", "S", "V", "F")
SUFFIXES = (".safetensors", ".pt")


@pytest.fixture
def checkpoint():
    torch.manual_seed(2)
    model = ConvSNN(ConvSNNConfig(2, 40, 5, 4, filters=(4, 6), hidden=8)).eval()
    return Checkpoint(model, FrontEndConfig(notch_hz=50), CLASSES, 7, 2e-3, {"seed": 2, "fitted_records": ["101"]})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, checkpoint, suffix):
    path = tmp_path / "new" / f"model{suffix}"
    save_checkpoint(path, checkpoint)
    again = load_checkpoint(path)
    assert again.front_end == checkpoint.front_end
    assert (again.classes, again.steps, again.dt_s) == (CLASSES, 7, 2e-3)
    assert again.provenance == checkpoint.provenance
    assert again.model.config == checkpoint.model.config and not again.model.training
    rng = np.random.default_rng(0)
    beats = rng.integers(-127, 128, (9, 2, 40)), rng.integers(-127, 128, (9, 5))
    assert np.array_equal(predict_scores(again.model, *beats, 7), predict_scores(checkpoint.model, *beats, 7))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "temporary files stayed behind"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"\x00" * 4096, json.dumps({}).encode()])
def test_foreign_bytes(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or no CortexCore checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated(tmp_path, checkpoint, suffix):
    path = tmp_path / f"model{suffix}"
    save_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(path)


def test_foreign_tensors(tmp_path):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"w": torch.zeros(2)}, path)
    with pytest.raises(DataError, match="no CortexCore checkpoint"):
        load_checkpoint(path)
    torch.save({"w": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match="no CortexCore checkpoint"):
        load_checkpoint(tmp_path / "other.pt")


class Harm:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_not_executed(tmp_path):
    mark = tmp_path / "executed"
    torch.save({HEADER: "{}", "weights": Harm(mark)}, tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harm(mark)))
    for name in ("evil.pt", "plain.pt"):
        with pytest.raises(DataError):
            load_checkpoint(tmp_path / name)
    assert not mark.exists()


def changed(tmp_path, checkpoint, **changes):
    path = tmp_path / "model.pt"
    save_checkpoint(path, checkpoint)
    content = torch.load(path, weights_only=True)
    torch.save({**content, HEADER: json.dumps({**json.loads(content[HEADER]), **changes})}, path)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 99}, "version 99"),
        ({"format": "other"}, "'other'"),
        ({"architecture": "lstm"}, "'lstm' is unknown"),
        ({"classes": ["N"]}, "1 classes"),
        ({"steps": 0}, "0 steps"),
        ({"front_end": {"speed": 3}}, "front end"),
    ],
)
def test_headers_that_do_not_fit(tmp_path, checkpoint, changes, words):
    with pytest.raises(CortexCoreError, match=words):
        load_checkpoint(changed(tmp_path, checkpoint, **changes))


def test_weights_of_another_size(tmp_path, checkpoint):
    config = {**json.loads(json.dumps(checkpoint.model.config.__dict__)), "hidden": 9}
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(changed(tmp_path, checkpoint, config=config))


def test_names(tmp_path, checkpoint):
    with pytest.raises(DataError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(DataError, match=r"\.safetensors or \.pt"):
        load_checkpoint(tmp_path / "model.onnx")
    with pytest.raises(DataError, match=r"\.safetensors or \.pt"):
        save_checkpoint(tmp_path / "model.ckpt", checkpoint)


def test_a_failed_write_leaves_the_old_file(tmp_path, checkpoint, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cortexcore.train.checkpoint._write", full)
    with pytest.raises(DataError, match="No space left"):
        save_checkpoint(path, checkpoint)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
