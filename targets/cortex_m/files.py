"""A cortex-m artifact in its folder, and the proof that what is read is what was written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cortexcore.errors import BundleError
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.saved import load_network, save_network

INDEX = "cortex_m.json"
ELFS = {"elf": "network.elf", "traced_elf": "network-traced.elf"}


def save(artifact: CortexMArtifact, folder: Path) -> None:
    """Write the network, its C, its firmware and their index into ``folder``."""
    save_network(artifact.network, folder)
    for name, text in artifact.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    index: dict[str, Any] = {"config": asdict(artifact.config), "network": artifact.sha256, "files": {}}
    for kind, name in ELFS.items():
        data: bytes = getattr(artifact, kind)
        (folder / name).write_bytes(data)
        index["files"][name] = _sha256(data)
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")


def load(folder: Path) -> CortexMArtifact:
    """Read what :func:`save` wrote; running it needs no compiler.

    Raises:
        BundleError: a file is missing, damaged, foreign, or belongs to another network.
    """
    network = load_network(folder)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        config, told, digests = CortexMConfig(**index["config"]), str(index["network"]), dict(index["files"])
        elfs = {kind: (folder / name).read_bytes() for kind, name in ELFS.items()}
    except OSError as error:
        raise BundleError(f"{error.filename} is missing: the cortex-m artifact in {folder} is incomplete") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / INDEX} is not the cortex-m target's: {error}; lower the network again") from error
    for kind, name in ELFS.items():
        if digests.get(name) != _sha256(elfs[kind]):
            raise BundleError(
                f"{folder / name} is damaged, or another artifact's: lower the network again with the 'cortex-m' target"
            )
    artifact = CortexMArtifact(network, config, **elfs)
    if told != artifact.sha256:
        raise BundleError(f"{folder / INDEX} and network.nir hold different networks; lower it again")
    return artifact


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
