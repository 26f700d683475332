"""NIR's HDF5 files as nested dicts, and back: bounded and whole, or one clear error.

A file is somebody else's. It is unpacked by a process of its own (:mod:`cortexcore.export.nir_io.walk`), whose time
and memory are limited, since libhdf5 hangs or crashes on some damaged files; nothing is loaded before its size is
known, and links that lead elsewhere are refused. What is written appears under its name only when it is complete.
"""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from cortexcore.errors import GraphError, missing_package
from cortexcore.export.files import replacing
from cortexcore.export.nir_io.fields import Tree

MAX_BYTES = 2**30
"""Default limit of a file's size and of what its datasets unpack to, 8 bytes a number."""
SECONDS = 10
"""Processor time to unpack a small file, which takes 0.2 s."""
BYTES_A_SECOND = 10_000_000
"""A large file has more time, at this rate."""
PATIENCE = 4
"""Times that as long on the clock, for a disk or a machine that is busy."""
DTYPES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
"""Sizes in bytes of each kind of number that is kept."""


def read_tree(path: Path, max_bytes: int = MAX_BYTES, seconds: int = SECONDS) -> tuple[Tree, str]:
    """The group ``node`` of a NIR file, and the file's NIR version.

    Args:
        path: an HDF5 file as ``nir.write`` makes it.
        max_bytes: refuse a file that is larger, or whose datasets unpack to more.
        seconds: refuse a file that takes more processor time to unpack; a large one has more.

    Raises:
        GraphError: the file is missing, larger than allowed, damaged, or no NIR file.
    """
    if "\0" in str(path) or not path.is_file():
        raise GraphError(f"{str(path)!r} does not exist or is not a file; give a .nir file")
    if path.stat().st_size > max_bytes:
        raise GraphError(f"{path} has {path.stat().st_size} bytes, more than the limit of {max_bytes} (max_bytes)")
    with tempfile.TemporaryFile() as found:
        said = _unpacked(path, max_bytes, seconds + path.stat().st_size // BYTES_A_SECOND, found)
        if "refused" in said:
            raise GraphError(f"{path} {said['refused']}")
        if "damaged" in said:
            if not _signed(path):
                raise GraphError(f"{path} is no HDF5 file, which a NIR file is; give a .nir file")
            raise GraphError(f"{path} is damaged ({said['damaged']}); write it again with its tool")
        found.seek(0)
        version = _item(said["version"], found)
        return _item(said["node"], found), version if isinstance(version, str) else "unknown"


def _signed(path: Path) -> bool:
    """Whether HDF5's signature stands where its format lets it: at 0, 512 or a double of that."""
    signature = b"\x89HDF\r\n\x1a\n"
    with path.open("rb") as file:
        head = file.read(2**16)
    return any(head.startswith(signature, place) for place in (0, *(2**power for power in range(9, 16))))


def _unpacked(path: Path, max_bytes: int, seconds: int, found: IO[bytes]) -> dict[str, Any]:
    """Run the unpacking process; its arrays lie in ``found``, what they are is returned."""
    command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("walk.py"))]
    request = json.dumps([_folders(), str(path.absolute()), max_bytes, seconds])
    quiet = {"HDF5_PLUGIN_PRELOAD": "::", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*command, request],
            stdin=subprocess.DEVNULL,
            stdout=found,
            stderr=subprocess.PIPE,
            env={**os.environ, **quiet},
            timeout=PATIENCE * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise GraphError(
            f"{path} could not be read in {error.timeout:.0f} s; it is damaged, or its disk hangs"
        ) from None
    except OSError as error:
        raise GraphError(f"{path} cannot be unpacked, since '{sys.executable}' does not start ({error})") from error
    length = found.seek(0, os.SEEK_END)
    if done.returncode != 0 or length < 8:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else _ENDS.get(-done.returncode, f"it ended with {done.returncode}")
        raise GraphError(f"{path} is damaged: libhdf5 fails on it, {why}; write it again with its tool")
    found.seek(length - 8)
    size = int.from_bytes(found.read(8), "little")
    found.seek(max(0, length - 8 - size))
    return dict(json.loads(found.read(size)))


_ENDS = {
    int(getattr(signal, name)): text
    for name, text in {
        "SIGXCPU": "it takes more time than such a file should",
        "SIGSEGV": "it reads outside its memory",
        "SIGABRT": "it gives up",
        "SIGKILL": "the system stopped it, perhaps short of memory",
    }.items()
    if hasattr(signal, name)
}
"""What the signal that ended the unpacking process says."""


def _folders() -> list[str]:
    """Where the unpacking process finds NumPy and h5py."""
    specs = {name: importlib.util.find_spec(name) for name in ("h5py", "numpy")}
    for name, spec in specs.items():
        if spec is None or spec.origin is None:
            raise missing_package(name, "all", "reading a NIR file")
    return list(dict.fromkeys(str(Path(str(spec.origin)).parents[1]) for spec in specs.values() if spec))


def _item(said: Mapping[str, Any], found: IO[bytes]) -> Any:
    """One item as :class:`walk.Walker` describes it; arrays are read in the order in which they were written."""
    if "group" in said:
        return {key: _item(item, found) for key, item in said["group"].items()}
    if "text" in said:
        return said["text"]
    if "texts" in said:
        return np.array(said["texts"], dtype=object).reshape(said["shape"])
    if "array" not in said:
        return None
    dtype = np.dtype(str(said["array"]))
    if dtype.itemsize not in DTYPES.get(dtype.kind, ()):
        raise GraphError(f"holds numbers of the type {dtype}")
    shape = tuple(said["shape"])
    return np.frombuffer(found.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)


def write_whole(path: Path, nir_graph: Any) -> None:
    """Write a ``nir.NIRGraph`` so that ``path`` is either the whole file or what it was before.

    A v_reset of 0 is left out: NIR from 1.0.6 on takes 0 for it, and older ones, which sinabs 3.1 still asks for,
    refuse the field.

    Raises:
        DataError: the folder does not exist or cannot be written.
    """
    import nir

    whole = io.BytesIO()  # HDF5 crashes the process where a disk fills up under it
    nir.write(whole, _Written(nir_graph))
    with replacing(path) as temporary:
        temporary.write_bytes(whole.getbuffer())


class _Written:
    """What ``nir.write`` asks a graph for."""

    def __init__(self, nir_graph: Any) -> None:
        self.tree: dict[str, Any] = nir_graph.to_dict()

    def to_dict(self) -> dict[str, Any]:
        return _without_default_resets(self.tree)


def _without_default_resets(group: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in group.items() if key != "v_reset" or np.any(value)}
    return {key: _without_default_resets(value) if isinstance(value, dict) else value for key, value in kept.items()}
