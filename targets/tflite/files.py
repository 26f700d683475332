"""A TFLite artifact in its folder, and the proof that what is read is what was written.

A damaged FlatBuffer can take an interpreter, and with it the process, down: its bytes reach one only if their digest is
the one that ``tflite.json`` holds. An index that changed would read other tensors as outputs, so
that it holds its own digest as well.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cortexcore.errors import BundleError
from cortexcore.targets.saved import load_network, save_network
from cortexcore.targets.tflite.config import TfliteConfig
from cortexcore.targets.tflite.contents import IDENTIFIER
from cortexcore.targets.tflite.form import METADATA_KEY, Form
from cortexcore.targets.tflite.session import TfliteArtifact

INDEX, SEAL = "tflite.json", "sha256"
FORMS = ("sequence", "step")


def save(artifact: TfliteArtifact, folder: Path) -> None:
    """Write the network, both models and their index into ``folder``."""
    save_network(artifact.network, folder)
    index: dict[str, Any] = {"config": asdict(artifact.config), "steps": artifact.steps, "network": artifact.sha256}
    for name in FORMS:
        form: Form = getattr(artifact, name)
        (folder / f"{name}.tflite").write_bytes(form.data)
        index[name] = {
            "sha256": _sha256(form.data),
            "outputs": form.outputs,
            "operators": form.operators,
        }
    (folder / INDEX).write_text(json.dumps({**index, SEAL: _seal(index)}), encoding="utf-8")


def load(folder: Path) -> TfliteArtifact:
    """Read what :func:`save` wrote.

    Raises:
        BundleError: a file is missing, damaged, foreign, or belongs to another network.
    """
    try:
        models = {name: (folder / f"{name}.tflite").read_bytes() for name in FORMS}
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        config, steps, told = TfliteConfig(**index["config"]), int(index["steps"]), str(index["network"])
        forms = {name: _form(models[name], index[name], folder / f"{name}.tflite") for name in FORMS}
    except OSError as error:
        raise BundleError(f"{error.filename} is missing: the TFLite artifact in {folder} is incomplete") from error
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{folder / INDEX} is not the TFLite target's: {error}; lower the network again") from error
    if index.get(SEAL) != _seal(index):
        raise BundleError(f"{folder / INDEX} was changed after it was written; lower the network again")
    artifact = TfliteArtifact(load_network(folder), config, steps, forms["sequence"], forms["step"])
    if told != artifact.sha256:
        raise BundleError(f"{folder / INDEX} and network.nir hold different networks; lower it again")
    return artifact


def _form(data: bytes, told: dict[str, Any], path: Path) -> Form:
    """One model as the index tells it, or a BundleError that says what the file is instead."""
    if _sha256(data) == told["sha256"]:
        return Form(data, dict(told["outputs"]), dict(told["operators"]))
    if data[4:8] != IDENTIFIER:
        raise BundleError(f"{path} is no TFLite model; lower the network again with the 'tflite' target")
    if METADATA_KEY.encode() not in data:
        raise BundleError(f"{path} was not made by CortexCore: lower the network with the 'tflite' target")
    raise BundleError(f"{path} is damaged, or another artifact's: lower the network again with the 'tflite' target")


def _seal(index: dict[str, Any]) -> str:
    """The digest of all that an index holds beside it."""
    held = {key: value for key, value in index.items() if key != SEAL}
    return _sha256(json.dumps(held, sort_keys=True).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
