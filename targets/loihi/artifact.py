"""What the Loihi target makes of a network, in memory and in a folder that a Loihi host can run.

The folder holds the integer network, ``loihi.json`` and ``loihi.npz`` with the Lava processes, and the scripts of
:mod:`cortexcore.targets.loihi.host`: ``python run_lava.py IN.npz OUT.npz`` under a Python with Lava needs no more.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import BundleError, CortexCoreError
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.loihi.check import check
from cortexcore.targets.loihi.config import LoihiConfig
from cortexcore.targets.loihi.plan import Lowered
from cortexcore.targets.saved import load_network, network_sha256, save_network

FORMAT = "cortexcore-loihi-2"
"""As the host's scripts have it."""
HOST = Path(__file__).parent / "host"
SCRIPTS = (
    "run_lava.py",
    "lava_hardware.py",
    "lava_network.py",
    "lava_build.py",
    "lava_models.py",
    "lava_microcode.py",
    "lava_windows.py",
    "lava_watch.py",
)


@dataclass(frozen=True, eq=False)
class LoihiArtifact:
    """The network, how it is to run, and the Lava processes it becomes."""

    network: IntegerNetwork
    config: LoihiConfig
    lowered: Lowered

    @property
    def sha256(self) -> str:
        return self.lowered.sha256


def save(artifact: LoihiArtifact, folder: Path) -> None:
    """Write the artifact into an existing, empty folder."""
    save_network(artifact.network, folder)
    scripts = {name: (HOST / name).read_bytes() for name in SCRIPTS}
    for name, text in scripts.items():
        (folder / name).write_bytes(text)
    about = {
        "network_sha256": network_sha256(artifact.network),
        "config": asdict(artifact.config),
        "notes": check(artifact.network, artifact.config.chip).notes,
        "scripts": {name: hashlib.sha256(text).hexdigest() for name, text in scripts.items()},
    }
    write_lowered(artifact.lowered, folder, about)


def load(folder: Path) -> LoihiArtifact:
    """Read what :func:`save` wrote. Raises BundleError where something is missing or was changed."""
    network = load_network(folder)
    try:
        manifest = json.loads((folder / "loihi.json").read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise BundleError(f"{folder / 'loihi.json'} has the format {manifest['format']}, not {FORMAT}: lower again")
        scripts = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SCRIPTS}
        lowered = Lowered(manifest["structure"], read_arrays(folder / "loihi.npz"))
        config = LoihiConfig(**manifest["config"])
        said = manifest["sha256"], manifest["network_sha256"], manifest["scripts"]
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename} is missing: the Loihi artifact in {folder} is incomplete") from error
    except CortexCoreError:
        raise
    except (KeyError, TypeError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"the Loihi artifact in {folder} cannot be read ({error}); lower it again") from error
    if said != (lowered.sha256, network_sha256(network), scripts):
        raise BundleError(f"the Loihi artifact in {folder} was changed after it was written; lower it again")
    return LoihiArtifact(network, config, lowered)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name, each by its entry's own: "x" and "x.npy" are both names a network may use."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[f"{name}.npy"] for name in file.files}


def write_lowered(lowered: Lowered, folder: Path, about: Mapping[str, Any], *, small: bool = True) -> None:
    """``loihi.json`` and ``loihi.npz``, all that the scripts read; not ``small`` is written several times as fast."""
    manifest = {"format": FORMAT, "sha256": lowered.sha256, **about, "structure": lowered.structure}
    (folder / "loihi.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    with (folder / "loihi.npz").open("wb") as file:
        (np.savez_compressed if small else np.savez)(file, **lowered.arrays)  # keys hold a "/", unlike its own keywords
