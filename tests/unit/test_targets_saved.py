"""Artifacts on disk: what is written is what is read, and anything else is one clear error."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import BundleError, CortexCoreError
from cortexcore.export import integer
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.targets.loihi.artifact import SCRIPTS
from cortexcore.targets.registry import get_target
from cortexcore.targets.saved import network_sha256


def small(seed: int = 0) -> IntegerNetwork:
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (rng.integers(-128, 128, shape) * 2).astype(np.int32)

    zero = np.zeros((), np.int32)
    bias = rng.integers(-9, 9, (3, 4)).astype(np.int32)
    populations = (
        Population(
            "c", (3, 4), (Synapses("w0", "x", Conv1d(weights(3, 2, 3), -2, stride=2, padding=1)),), 4095, 500, 200, bias
        ),
        Population("d", (2,), (Synapses("w1", "c", Dense(weights(2, 12))),), 4095, 500, None, zero),
    )
    return IntegerNetwork((InputPort("x", (2, 8), -127, 127),), populations, (OutputPort("y", "d"),), 1e-3, {"k": [1]})


INPUTS = {"x": np.random.default_rng(1).integers(-127, 128, (4, 2, 2, 8))}
FILES = {
    "integer": {"network.nir"},
    "onnx": {"network.nir", "sequence.onnx", "step.onnx", "traced.onnx", "config.json"},
}
FILES["loihi"] = {"network.nir", "loihi.json", "loihi.npz", *SCRIPTS}


def saved(name, folder):
    target = get_target(name)
    artifact = target.lower(small(), target.config())
    target.save(artifact, folder)
    return target, artifact


@pytest.mark.parametrize("name", sorted(FILES))
def test_round_trip(name, tmp_path):
    target, artifact = saved(name, tmp_path)
    assert {f.name for f in tmp_path.iterdir()} == FILES[name]
    loaded = target.load(tmp_path)
    assert loaded.sha256 == artifact.sha256 and network_sha256(loaded.network) == network_sha256(small())
    assert dict(loaded.network.metadata) == {"k": [1]} and loaded.network.dt_s == 1e-3
    if name != "loihi":
        golden = integer.run(small(), INPUTS).outputs["y"]
        assert np.array_equal(target.run(loaded, INPUTS).outputs["y"], golden)


@pytest.mark.parametrize(("name", "file"), [(n, f) for n in sorted(FILES) for f in sorted(FILES[n])])
def test_a_missing_or_damaged_file_is_one_error(name, file, tmp_path):
    target, _ = saved(name, tmp_path)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError):
        target.load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(BundleError, match="missing"):
        target.load(tmp_path)


@pytest.mark.parametrize("name", ["onnx", "loihi"])
def test_parts_of_two_artifacts_do_not_mix(name, tmp_path):
    folders = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        target = get_target(name)
        target.save(target.lower(small(seed), target.config()), folder)
        folders.append(folder)
    shutil.copy(folders[1] / "network.nir", folders[0] / "network.nir")
    with pytest.raises(BundleError):
        target.load(folders[0])


def test_a_changed_loihi_weight_is_found(tmp_path):
    target, _ = saved("loihi", tmp_path)
    with np.load(tmp_path / "loihi.npz") as file:
        arrays = {key: file[key] for key in file.files}
    arrays["bias/d"] = arrays["bias/d"] + 1
    np.savez(tmp_path / "loihi.npz", **arrays)
    with pytest.raises(BundleError, match="changed"):
        target.load(tmp_path)


def test_a_foreign_onnx_model_is_one_error(tmp_path):
    onnx = pytest.importorskip("onnx")
    target, _ = saved("onnx", tmp_path)
    port = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "foreign", [port], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "sequence.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=r"sequence\.onnx was not made by CortexCore"):
        target.load(tmp_path)
    (tmp_path / "sequence.onnx").write_bytes(b"not a model at all")
    with pytest.raises(BundleError, match=r"sequence\.onnx is no ONNX model"):
        target.load(tmp_path)


def test_options_outside_their_range_are_refused(tmp_path):
    target, _ = saved("onnx", tmp_path)
    index = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**index, "config": {"threads": 0, "precision": "float16"}}))
    with pytest.raises(CortexCoreError, match="threads is 0, it must be in 1…256; precision is 'float16'"):
        target.load(tmp_path)


@pytest.mark.parametrize(
    "index", ["[]", "{}", '{"config": {}}', '{"config": 1, "sha256": {}}', '{"config": {}, "sha256": 1}', "[" * 9999]
)
def test_an_index_that_is_not_the_onnx_targets_is_one_error(index, tmp_path):
    target, _ = saved("onnx", tmp_path)
    (tmp_path / "config.json").write_text(index)
    with pytest.raises(BundleError, match=r"config\.json is not the ONNX target's: .*; lower the network again"):
        target.load(tmp_path)


@pytest.mark.parametrize("model", ["sequence", "traced", "step"])
def test_an_onnx_weight_that_changed_is_found(model, tmp_path):
    """The model runs as well as before, and says that it is ours."""
    target, artifact = saved("onnx", tmp_path)
    weight = artifact.network.populations[1].synapses[0].operation.weight
    stored = (weight >> 1).astype(np.int8).T.tobytes()
    data = getattr(artifact, model)
    place = data.index(stored)
    (tmp_path / f"{model}.onnx").write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(BundleError, match=rf"{model}\.onnx in .* is damaged, or another artifact's: lower the network"):
        target.load(tmp_path)


def test_the_digest_sees_every_part_of_the_arithmetic():
    network = small()
    c, d = network.populations
    each = np.arange(12, dtype=np.int32).reshape(3, 4)
    changed = [
        replace(network, populations=(replace(c, dv=501), d)),
        replace(network, populations=(replace(c, bias=c.bias + 1), d)),
        replace(network, inputs=(replace(network.inputs[0], low=-128),)),
        replace(network, outputs=(OutputPort("z", "d"),)),
        replace(network, populations=(replace(c, reset="subtract"), d)),
        replace(network, populations=(replace(c, reset="none"), d)),
        *(replace(network, populations=(replace(c, **{name: each}), d)) for name in ("du", "dv", "vth")),
        replace(network, populations=(replace(c, vth=each[::-1].copy()), d)),
    ]
    digests = {network_sha256(n) for n in (network, *changed)}
    assert len(digests) == 1 + len(changed)
    assert network_sha256(replace(network, dt_s=2.0, metadata={})) == network_sha256(network)


def test_a_digest_stays_what_it_was():
    """Artifacts on disk carry it: of this network, as of the first release of the format."""
    assert network_sha256(small()) == "9934aaf66404a17e66cb1420e01f325d4eae4f5f25d3348a3e80855202f5058d"


@pytest.mark.parametrize("name", ["integer", "onnx"])
def test_what_loihi_lacks_round_trips_too(name, tmp_path):
    """Two axes, fields of each neuron's own, and no reset."""
    rng = np.random.default_rng(0)
    weight = (rng.integers(-128, 128, (4, 1, 2, 3)) * 2).astype(np.int32)
    op = Conv2d(weight, -2, stride=(1, 2), padding=(1, 0), groups=2)
    du, vth = (rng.integers(low, 4096, (4, 5, 2)).astype(np.int32) for low in (0, 200))
    zero = np.zeros((), np.int32)
    c = Population("c", (4, 5, 2), (Synapses("w", "x", op),), du, 300, vth, zero, reset="none")
    network = IntegerNetwork((InputPort("x", (2, 4, 6), -9, 9),), (c,), (OutputPort("y", "c"),), 1e-3)
    target = get_target(name)
    target.save(target.lower(network, target.config()), tmp_path)
    loaded = target.load(tmp_path)
    assert network_sha256(loaded.network) == network_sha256(network)
    x = {"x": rng.integers(-9, 10, (4, 2, 2, 4, 6))}
    assert np.array_equal(target.run(loaded, x).outputs["y"], integer.run(network, x).outputs["y"])
