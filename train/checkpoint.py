"""A trained model in one file: weights as plain tensors, everything else as JSON. Nothing in it is ever unpickled.

``model.safetensors`` holds the JSON in its header; ``model.pt`` holds the same two things through ``torch.save`` and is
read with ``weights_only=True``, which refuses anything but tensors and plain values.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cortexcore.errors import CortexCoreError, DataError, missing_package
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train.models.registry import Model, build_model, describe_model

FORMAT = "cortexcore-checkpoint"
VERSION = 1
HEADER = "cortexcore"
SUFFIXES = (".safetensors", ".pt")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network and all that is needed to use it.

    Attributes:
        model: the network, in evaluation mode and at rest.
        front_end: what turns ADC counts into its input.
        classes: names of its outputs, in order.
        steps: time steps per inference.
        dt_s: length of a step in seconds; a time unit for deployment, the training never used it.
        provenance: JSON values: records, seed, hyper-parameters, versions, cross-validation.
    """

    model: Model
    front_end: FrontEndConfig
    classes: tuple[str, ...]
    steps: int
    dt_s: float
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file appears complete or not at all.

    Raises:
        DataError: the suffix is neither ``.safetensors`` nor ``.pt``, or the folder cannot be written.
    """
    require_suffix(path)
    architecture, config = describe_model(checkpoint.model)
    header = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "architecture": architecture,
            "config": config,
            "front_end": checkpoint.front_end.to_json(),
            "classes": list(checkpoint.classes),
            "steps": checkpoint.steps,
            "dt_s": checkpoint.dt_s,
            "provenance": dict(checkpoint.provenance),
        },
        sort_keys=True,
    )
    weights = {name: tensor.detach().contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            part = Path(folder) / path.name
            _write(part, header, weights)
            part.replace(path)
    except OSError as error:
        raise DataError(f"the checkpoint {path} cannot be written: {error.strerror or error}") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and build its network.

    Raises:
        DataError: the file is missing, damaged, no checkpoint of CortexCore, or of another version.
    """
    require_suffix(path)
    if not path.is_file():
        raise DataError(f"there is no checkpoint {path}; make one with: cortexcore train beat --out {path}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the checkpoint {path} cannot be read: {error.strerror or error}") from error
    try:
        header, weights = _parse(content, path.suffix)
        values = json.loads(header)
        if values["format"] != FORMAT or values["version"] != VERSION:
            raise DataError(
                f"{path} is a '{values['format']}' of version {values['version']}, "
                f"this CortexCore reads version {VERSION}: train it again"
            )
        model = build_model(values["architecture"], values["config"])
        model.load_state_dict(weights)
        classes, steps, dt_s = tuple(values["classes"]), int(values["steps"]), float(values["dt_s"])
        if len(classes) != model.config.classes or steps < 1 or not dt_s > 0:
            raise DataError(f"{path} names {len(classes)} classes and {steps} steps of {dt_s} s for its network")
        front_end = FrontEndConfig.from_json(values["front_end"])
    except CortexCoreError:
        raise
    except Exception as error:
        raise DataError(f"{path} is damaged or no CortexCore checkpoint ({type(error).__name__})") from error
    return Checkpoint(model.eval(), front_end, classes, steps, dt_s, values["provenance"])


def require_suffix(path: Path) -> None:
    """Refuse a file name that no checkpoint can have, before any work is put into it.

    Raises:
        DataError: the suffix is neither ``.safetensors`` nor ``.pt``.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"'{path}' has no suffix of a checkpoint, which must be {' or '.join(SUFFIXES)}")


def _write(path: Path, header: str, weights: dict[str, Any]) -> None:
    if path.suffix == ".pt":
        import torch

        torch.save({HEADER: header, "weights": weights}, path)
    else:
        path.write_bytes(_safetensors().save(weights, metadata={HEADER: header}))


def _parse(content: bytes, suffix: str) -> tuple[str, dict[str, Any]]:
    """The JSON header and the tensors; raises whatever the underlying reader does on foreign bytes."""
    if suffix == ".pt":
        import torch

        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return saved[HEADER], saved["weights"]
    weights = _safetensors().load(content)
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"][HEADER], weights


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise missing_package("safetensors", "train", "reading or writing a checkpoint") from error
    return safetensors.torch
