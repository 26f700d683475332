"""A deployed model on disk: float graph, integer network, manifest and one folder per target artifact.

``manifest.json`` names the SHA-256 of every other file; a bundle with a missing or changed file does not load. A
bundle is a folder, or the same folder as a .zip. Nothing in it is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cortexcore.errors import BundleError, GraphError
from cortexcore.export.files import write_text
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.nir_io import read_integer_nir, read_nir, write_integer_nir, write_nir
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.targets.compiled import Compiled, compile
from cortexcore.targets.registry import get_target

FORMAT = "cortexcore-bundle"
VERSION = 1
MANIFEST = "manifest.json"
NETWORK = "graph.int.nir"
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "classes": list,
    "steps": int,
    "front_end": (dict, type(None)),
    "targets": list,
    "files": dict,
}
"""What a manifest must have, and of which type."""
MAX_UNZIPPED_BYTES = 512 * 2**20


@dataclass(frozen=True, eq=False)
class Bundle:
    """A loaded and verified bundle.

    Attributes:
        folder: where its files lie (for a zip, a temporary copy that lives as long as the bundle).
        manifest: the manifest as JSON values.
        graph: the float graph; None in a bundle made from an integer network alone.
        network: the integer network.
    """

    folder: Path
    manifest: Mapping[str, Any]
    graph: Graph | None
    network: IntegerNetwork
    keep: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels in the readout's order; empty where the model is no classifier."""
        return tuple(self.manifest["classes"])

    @property
    def steps(self) -> int:
        """Time steps of one inference."""
        return int(self.manifest["steps"])

    @property
    def front_end(self) -> FrontEndConfig:
        """Raises BundleError where the bundle has none (a network without ECG front end)."""
        if not self.manifest["front_end"]:
            raise BundleError(f"the bundle '{self.name}' has no front end, so it cannot read ECG: give --input IN.npz")
        return FrontEndConfig.from_json(self.manifest["front_end"])

    def compiled(self, target: str) -> Compiled:
        """The network on a target: the artifact that the bundle brings, else lowered now.

        Raises:
            CortexCoreError: there is no such target, or it needs the float graph and the bundle has none.
            GraphError, TargetUnavailable: the target cannot take the network, or its packages are missing.
        """
        chosen = get_target(target)
        network = self.network if "integer" in chosen.takes else self.graph
        if network is None:
            raise BundleError(
                f"target '{target}' runs the float graph, which the bundle '{self.name}' does not have: "
                "save_bundle(..., graph=graph) keeps it"
            )
        if target in self.manifest["targets"]:
            return Compiled(network, chosen, chosen.load(self.folder / target))
        return compile(network, target)


def save_bundle(
    network: IntegerNetwork,
    path: Path | str,
    *,
    graph: Graph | None = None,
    targets: Sequence[str] = (),
    name: str | None = None,
) -> Path:
    """Write a bundle, whole or not at all.

    Args:
        network: the integer network; its metadata gives ``name``, ``classes``, ``steps``, ``front_end``, ``training``
            and ``quantization`` to the manifest, and its report, if any, becomes report.html and report.json.
        path: folder to make, or a name ending in .zip. An older bundle there is replaced; anything else is refused.
        graph: the float graph it came from.
        targets: names of the targets whose artifacts go in, e.g. ``("onnx", "loihi")``.
        name: what the model is called; the network's own name if None, else the path's stem.

    Raises:
        BundleError: something else stands at ``path``.
        GraphError, TargetUnavailable: it is no integer network, a target cannot take it, or its packages are missing.
    """
    path = Path(path)
    if not isinstance(network, IntegerNetwork):
        raise GraphError(
            f"a bundle is made of an integer network, not of {type(network).__name__}: quantize the graph first, and "
            "give it as graph=graph"
        )
    if graph is not None and not isinstance(graph, Graph):
        raise GraphError(f"graph is of the type {type(graph).__name__}: give the float graph, or leave it out")
    require_bundle_place(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=path.parent, prefix=".bundle-")
    except OSError as error:
        raise BundleError(f"'{path}' cannot be written: {error.strerror or error}") from error
    with scratch as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        _write_files(folder, network, graph, targets, name or str(network.metadata.get("name") or path.stem))
        if path.suffix == ".zip":
            _zip(folder, Path(temporary) / "bundle.zip")
            (Path(temporary) / "bundle.zip").replace(path)
        else:
            if path.exists():
                path.replace(Path(temporary) / "old")
            folder.replace(path)
    return path


def require_bundle_place(path: Path) -> None:
    """Raise BundleError where a bundle may not be written; to be asked before the work that makes one."""
    if path.exists() and not _is_bundle(path):
        raise BundleError(f"'{path}' exists and is not a bundle; choose another name or remove it")
    if path.is_dir() and path.suffix == ".zip":
        raise BundleError(f"'{path}' is a folder, and a name ending in .zip makes a file; choose another name")
    folder = next((parent for parent in path.absolute().parents if parent.exists()), path)
    if not os.access(folder, os.W_OK):
        raise BundleError(f"'{path}' cannot be written: '{folder}' is read-only; choose another place")


def load_bundle(path: Path | str) -> Bundle:
    """Read and verify a bundle, folder or zip.

    Raises:
        BundleError: it does not exist, is no bundle, is from a newer version, or a file is missing or changed.
    """
    path = Path(path)
    if not path.exists():
        raise BundleError(f"there is no bundle at '{path}'; make one with: cortexcore export MODEL -o {path}")
    keep = None
    folder = path
    if path.is_file():
        keep = tempfile.TemporaryDirectory(prefix="cortexcore-bundle-")
        folder = Path(keep.name)
        _unzip(path, folder)
    manifest = _read_manifest(folder, path)
    _verify(folder, manifest, path)
    graph = None
    if "graph.nir" in manifest["files"]:
        graph = read_nir(folder / "graph.nir")
    return Bundle(folder, manifest, graph, read_integer_nir(folder / NETWORK), keep)


def _write_files(folder: Path, network: IntegerNetwork, graph: Graph | None, targets: Sequence[str], name: str) -> None:
    write_integer_nir(network, folder / NETWORK)
    if graph is not None:
        write_nir(graph, folder / "graph.nir")
    if network.report is not None:
        write_text(folder / "report.html", network.report.to_html())
        write_text(folder / "report.json", json.dumps(network.report.to_json(), indent=1))
    for target_name in targets:
        target = get_target(target_name)
        (folder / target_name).mkdir()
        form = network if "integer" in target.takes else graph
        if form is None:
            raise BundleError(f"target '{target_name}' runs the float graph, which this bundle does not have")
        target.save(target.lower(form, target.config()), folder / target_name)
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "classes": list(network.metadata.get("classes", ())),
        "steps": int(network.metadata.get("steps", 1)),
        "front_end": network.metadata.get("front_end"),
        "quantization": network.metadata.get("quantization"),
        "training": network.metadata.get("training"),
        "targets": list(targets),
        "files": {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files},
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1))


def _is_bundle(path: Path) -> bool:
    try:
        if path.is_dir():
            return bool(json.loads((path / MANIFEST).read_text())["format"] == FORMAT)
        with zipfile.ZipFile(path) as archive:
            return bool(json.loads(archive.read(MANIFEST))["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return False


def _read_manifest(folder: Path, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except OSError as error:
        raise BundleError(f"'{path}' is not a bundle: it has no readable {MANIFEST}") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the {MANIFEST} of '{path}' is damaged ({error}); export the model again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or "version" not in manifest:
        raise BundleError(f"the {MANIFEST} of '{path}' is not that of a CortexCore bundle")
    if manifest["version"] != VERSION:
        raise BundleError(
            f"'{path}' is a bundle of format version {manifest['version']}, this CortexCore reads version {VERSION}; "
            "export the model again with this version"
        )
    if bad := [key for key, kinds in _FIELDS.items() if not isinstance(manifest.get(key), kinds)]:
        raise BundleError(f"the {MANIFEST} of '{path}' is damaged at {', '.join(bad)}; export the model again")
    if isinstance(manifest["steps"], bool) or manifest["steps"] < 1:
        raise BundleError(f"the {MANIFEST} of '{path}' is damaged at steps; export the model again")
    if any(not isinstance(name, str) or not name or Path(name).name != name for name in manifest["targets"]):
        raise BundleError(f"the {MANIFEST} of '{path}' is damaged at targets; export the model again")
    if NETWORK not in manifest["files"]:
        raise BundleError(f"the {MANIFEST} of '{path}' does not name {NETWORK}; export the model again")
    return manifest


def _verify(folder: Path, manifest: Mapping[str, Any], path: Path) -> None:
    changed = []
    for name, digest in manifest["files"].items():
        file = folder / name
        if "\0" in name or not file.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"the bundle '{path}' names a file outside itself: '{name}'")
        if not file.is_file():
            changed.append(f"{name} is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            changed.append(f"{name} does not have the SHA-256 that the manifest gives")
    for target in manifest["targets"]:
        held = {f.relative_to(folder).as_posix() for f in (folder / target).rglob("*") if f.is_file()}
        changed += [f"{name} is not in the manifest" for name in sorted(held - manifest["files"].keys())]
        if not held:
            changed.append(f"{target}/ is missing")
    if changed:
        raise BundleError(f"the bundle '{path}' was changed after export: {'; '.join(changed)}; export the model again")


def _zip(folder: Path, target: Path) -> None:
    """Zip with fixed times, so that the same model gives the same bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(f for f in folder.rglob("*") if f.is_file()):
            archive.writestr(zipfile.ZipInfo(file.relative_to(folder).as_posix()), file.read_bytes())


def _unzip(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_UNZIPPED_BYTES:
                raise BundleError(f"'{path}' would unpack to {size} bytes, more than the {MAX_UNZIPPED_BYTES} allowed")
            archive.extractall(folder)
    except BundleError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"'{path}' is not a bundle: neither a folder nor a readable zip ({error})") from error
