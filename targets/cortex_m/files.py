"""A cortex-m artifact in its folder, and the proof that what is read is what was written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import BundleError
from cortexcore.firmware_sim.board import read_firmware, sizes
from cortexcore.firmware_sim.codegen.library import export_folder
from cortexcore.targets.cortex_m.artifact import Core, CortexMArtifact
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.saved import load_network, save_network

INDEX = "cortex_m.json"
ELFS = {"elf": "network.elf", "traced_elf": "network-traced.elf", "device_elf": "device.elf"}
LIBRARY = "library"
"""Folder of the C, as other build systems take it."""


def save(artifact: CortexMArtifact, folder: Path) -> None:
    """Write the network, its C, its firmware and their index into ``folder``."""
    save_network(artifact.network, folder)
    export_folder(artifact.files, folder / LIBRARY, _measured(artifact))
    index: dict[str, Any] = {
        "config": asdict(artifact.config),
        "network": artifact.sha256,
        "compiler": artifact.compiler,
        "files": {},
    }
    for kind, name in ELFS.items():
        data: bytes | None = getattr(artifact, kind)
        if data is not None:
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
        elfs = {kind: (folder / name).read_bytes() for kind, name in ELFS.items() if name in digests}
        compiler = str(index["compiler"])
        plain, traced, device = elfs["elf"], elfs["traced_elf"], elfs.get("device_elf")
    except OSError as error:
        raise BundleError(f"{error.filename} is missing: the cortex-m artifact in {folder} is incomplete") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / INDEX} is not the cortex-m target's: {error}; lower the network again") from error
    for kind, data in elfs.items():
        name = ELFS[kind]
        if digests[name] != _sha256(data):
            raise BundleError(
                f"{folder / name} is damaged, or another artifact's: lower the network again with the 'cortex-m' target"
            )
    artifact = CortexMArtifact(network, config, plain, traced, compiler, device)
    if told != artifact.sha256:
        raise BundleError(f"{folder / INDEX} and network.nir hold different networks; lower it again")
    return artifact


def _measured(artifact: CortexMArtifact) -> list[str]:
    """What the network takes on the core, from its ELF and one step of it."""
    core = Core(artifact, traced=False)
    core.reset()
    core.step(np.zeros((), core.input))
    state = core.network_bytes
    on = f"On a Cortex-M4, {artifact.compiler} -O2"
    taken = sizes(core.board.firmware)
    lines = [
        f"{on}: the network's tables and code, with a program that steps it, take {taken.flash} bytes of flash.",
        f"{on}: a step of the network takes {core.board.stack_used()} bytes of stack, and its state {state} of RAM.",
    ]
    if artifact.device_elf is not None:
        device = read_firmware(artifact.device_elf)
        whole = sizes(device)
        lines.append(f"{on}: `ccx_state` takes {device.symbol('model').size} bytes of RAM.")
        lines.append(
            f"{on}: the model with its front end, a serial protocol and drivers takes {whole.flash} bytes of flash and "
            f"{whole.data + whole.bss} of RAM, the stack apart."
        )
    return lines


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
