"""Bundles: written whole, verified on reading, refused when changed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import BundleError
from cortexcore.export import integer
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.runtime.bundle import load_bundle, save_bundle
from cortexcore.runtime.classifier import Classifier
from cortexcore.runtime.frontend import Beat, FrontEndConfig
from cortexcore.runtime.frontend.encoder import encode_beats


@pytest.fixture
def network() -> IntegerNetwork:
    """Window [2, 3] and rhythm [2] into four classes."""
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> np.ndarray:
        return (2 * rng.integers(-128, 128, shape)).astype(np.int32)

    zero = np.zeros((), np.int32)
    window, rhythm = InputPort("window", (2, 3), -127, 127), InputPort("rhythm", (2,), -127, 127)
    hidden = Population(
        "hidden",
        (5,),
        (Synapses("w", "window", Dense(weights(5, 6), -2)), Synapses("r", "rhythm", Dense(weights(5, 2), -2))),
        4095,
        400,
        900,
        zero,
    )
    out = Population("out", (4,), (Synapses("o", "hidden", Dense(weights(4, 5))),), 4095, 100, None, zero)
    metadata = {"classes": ["N", "S", "V", "F"], "steps": 6, "front_end": FrontEndConfig().to_json()}
    return IntegerNetwork((window, rhythm), (hidden, out), (OutputPort("y", "out"),), 1e-3, metadata)


def beats(count: int) -> list[Beat]:
    rng = np.random.default_rng(7)
    return [
        Beat(100 * i, 100 * i + 90, *(rng.integers(-127, 128, s).astype(np.int8) for s in ((2, 3), (2,))), rr_ms=400)
        for i in range(count)
    ]


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_round_trip_keeps_every_spike(tmp_path: Path, network: IntegerNetwork, name: str) -> None:
    save_bundle(network, tmp_path / name, targets=["integer", "onnx"])
    bundle = load_bundle(tmp_path / name)
    assert (bundle.name, bundle.classes, bundle.steps) == ("model", ("N", "S", "V", "F"), 6)
    assert bundle.front_end == FrontEndConfig()
    x = encode_beats(beats(1), 6)
    want, got = integer.run(network, x), integer.run(bundle.network, x)
    np.testing.assert_array_equal(want.spikes["hidden"], got.spikes["hidden"])
    assert want.spikes["hidden"].any()
    np.testing.assert_array_equal(want.outputs["y"], got.outputs["y"])


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, network: IntegerNetwork) -> None:
    first = save_bundle(network, tmp_path / "a.zip", targets=["onnx"], name="m").read_bytes()
    assert first == save_bundle(network, tmp_path / "b.zip", targets=["onnx"], name="m").read_bytes()


def test_one_by_one_and_together_decide_alike_on_both_targets(tmp_path: Path, network: IntegerNetwork) -> None:
    bundle = load_bundle(save_bundle(network, tmp_path / "m", targets=["onnx"]))
    many = beats(40)
    together = Classifier(bundle, "onnx").classify(many)
    single = [Classifier(bundle, "integer").decide(beat).label for beat in many]
    assert together == single
    assert len(set(single)) > 1


def test_a_changed_file_is_named(tmp_path: Path, network: IntegerNetwork) -> None:
    folder = save_bundle(network, tmp_path / "m", targets=["integer"])
    victim = folder / "graph.int.nir"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(BundleError, match=r"graph\.int\.nir does not have the SHA-256"):
        load_bundle(folder)


def test_a_missing_file_is_named(tmp_path: Path, network: IntegerNetwork) -> None:
    folder = save_bundle(network, tmp_path / "m")
    (folder / "graph.int.nir").unlink()
    with pytest.raises(BundleError, match=r"graph\.int\.nir is missing"):
        load_bundle(folder)


def test_an_artifact_the_manifest_does_not_list_is_named(tmp_path: Path, network: IntegerNetwork) -> None:
    folder = save_bundle(network, tmp_path / "m", targets=["integer"])
    (folder / "notes.txt").write_text("a file beside the artifacts harms nobody")
    load_bundle(folder)
    (folder / "integer" / "more.nir").write_text("x")
    with pytest.raises(BundleError, match=r"integer/more\.nir is not in the manifest"):
        load_bundle(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["targets"] = ["onnx"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="onnx/ is missing"):
        load_bundle(folder)


def test_a_manifest_cannot_reach_outside(tmp_path: Path, network: IntegerNetwork) -> None:
    folder = save_bundle(network, tmp_path / "m")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["../../etc/passwd"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="outside itself"):
        load_bundle(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": "other"}'])
def test_a_foreign_or_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(tmp_path)


def test_a_newer_version_is_refused(tmp_path: Path, network: IntegerNetwork) -> None:
    folder = save_bundle(network, tmp_path / "m")
    text = (folder / "manifest.json").read_text().replace('"version": 1', '"version": 2', 1)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match="version 2"):
        load_bundle(folder)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no bundle"):
        load_bundle(tmp_path / "nothing")
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    with pytest.raises(BundleError, match="neither a folder nor a readable zip"):
        load_bundle(tmp_path / "x.zip")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cortexcore.runtime.bundle.MAX_UNZIPPED_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 10_000)
    with pytest.raises(BundleError, match="more than the 1000 allowed"):
        load_bundle(tmp_path / "x.zip")


def test_an_older_bundle_is_replaced_and_nothing_else(tmp_path: Path, network: IntegerNetwork) -> None:
    save_bundle(network, tmp_path / "m", targets=["integer"])
    folder = save_bundle(network, tmp_path / "m", name="second")
    assert load_bundle(folder).name == "second"
    assert not (folder / "integer").exists()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("x")
    with pytest.raises(BundleError, match="not a bundle"):
        save_bundle(network, tmp_path / "precious")
    assert (tmp_path / "precious" / "thesis.tex").exists()


def test_a_failed_save_leaves_nothing(tmp_path: Path, network: IntegerNetwork) -> None:
    with pytest.raises(BundleError, match="float graph"):
        save_bundle(network, tmp_path / "m", targets=["reference"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"files": ["graph.int.nir"]}, "damaged at files"),
        ({"files": {}}, r"does not name graph\.int\.nir"),
        ({"classes": 5, "steps": "six"}, "damaged at classes, steps"),
        ({"steps": -3}, "damaged at steps"),
        ({"steps": 0}, "damaged at steps"),
        ({"steps": True}, "damaged at steps"),
        ({"targets": None, "front_end": []}, "damaged at front_end, targets"),
    ],
)
def test_a_manifest_of_wrong_types_is_refused(
    tmp_path: Path, network: IntegerNetwork, change: dict[str, object], says: str
) -> None:
    manifest = save_bundle(network, tmp_path / "model") / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(BundleError, match=says):
        load_bundle(tmp_path / "model")


@pytest.mark.parametrize(("field", "value"), [(8, 1), (10, 99)])
def test_a_zip_that_cannot_be_unpacked_is_refused(
    tmp_path: Path, network: IntegerNetwork, field: int, value: int
) -> None:
    """The central directory says: encrypted (flag bit 0), or an unknown compression method (99)."""
    path = save_bundle(network, tmp_path / "model.zip")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + field] |= value
    path.write_bytes(raw)
    with pytest.raises(BundleError, match="nor a readable zip"):
        load_bundle(path)


def test_places_that_cannot_take_a_bundle_are_refused(tmp_path: Path, network: IntegerNetwork) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="cannot be written"):
        save_bundle(network, tmp_path / "file" / "model")
    save_bundle(network, tmp_path / "model").rename(tmp_path / "model.zip")
    with pytest.raises(BundleError, match=r"a name ending in \.zip makes a file"):
        save_bundle(network, tmp_path / "model.zip")
    assert load_bundle(tmp_path / "model.zip" / ".").name == "model"
