"""NIR's HDF5 files as nested dicts, and back: bounded and whole, or one clear error.

A file is somebody else's: nothing is loaded before its size is known, links that lead elsewhere are refused, and
what is written appears under its name only when it is complete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import DataError, GraphError
from cortexcore.export.files import replacing

MAX_BYTES = 2**30
"""Default limit of a file's size and of what its datasets unpack to."""
MAX_OBJECTS = 200_000
MAX_DEPTH = 16


def read_tree(path: Path, max_bytes: int = MAX_BYTES) -> tuple[dict[str, Any], str]:
    """The group ``node`` of a NIR file as nested dicts of arrays, strings and numbers, and the file's NIR version.

    Args:
        path: an HDF5 file as ``nir.write`` makes it.
        max_bytes: refuse a file that is larger, or whose datasets unpack to more.

    Raises:
        GraphError: the file is missing, larger than allowed, damaged, or no NIR file.
    """
    import h5py

    if not path.is_file():
        raise GraphError(f"{path} does not exist or is not a file; give a .nir file")
    if path.stat().st_size > max_bytes:
        raise GraphError(f"{path} has {path.stat().st_size} bytes, more than the limit of {max_bytes} (max_bytes)")
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("node", getlink=True), h5py.HardLink) or not isinstance(
                file["node"], h5py.Group
            ):
                raise GraphError(f"{path} is HDF5 but no NIR file: it has no group 'node'; write it with nir.write")
            tree = _Reader(path, max_bytes).group(file["node"], 0)
            version = _text(file["version"][()]) if "version" in file else "unknown"
    except GraphError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, UnicodeDecodeError, MemoryError) as error:
        raise GraphError(f"{path} is damaged or no HDF5 file ({error}); write it again with its tool") from error
    return tree, str(version)


class _Reader:
    """Loads groups while counting what it has loaded."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.bytes_left = max_bytes
        self.objects_left = MAX_OBJECTS

    def group(self, group: Any, depth: int) -> dict[str, Any]:
        import h5py

        if depth > MAX_DEPTH:
            raise GraphError(f"{self.path} nests groups deeper than {MAX_DEPTH}: it is no NIR file, or damaged")
        tree: dict[str, Any] = {}
        for key in group:
            self.objects_left -= 1
            if self.objects_left < 0:
                raise GraphError(f"{self.path} holds more than {MAX_OBJECTS} objects: it is damaged or not a network")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise GraphError(f"{self.path} links '{key}' to another place, which is not followed; store it inside")
            item = group[key]
            tree[key] = self.group(item, depth + 1) if isinstance(item, h5py.Group) else self.dataset(item, key)
        return tree

    def dataset(self, item: Any, key: str) -> Any:
        import h5py

        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise GraphError(f"{self.path} keeps '{key}' outside the file, which is not read; store it inside")
        self.bytes_left -= int(item.size or 0) * max(1, item.dtype.itemsize)
        if self.bytes_left < 0:
            raise GraphError(f"{self.path} unpacks to more than the allowed size (max_bytes) at '{key}'")
        return _text(item[()])


def _text(value: Any) -> Any:
    return value.decode("utf8") if isinstance(value, bytes) else value


def write_whole(path: Path, nir_graph: Any) -> None:
    """Write a ``nir.NIRGraph`` so that ``path`` is either the whole file or what it was before.

    Raises:
        DataError: the folder does not exist or cannot be written.
    """
    import nir

    with replacing(path) as temporary:
        try:
            nir.write(temporary, nir_graph)
        except OSError as error:
            raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error


def number(value: Any) -> float:
    """A scalar dataset as a float; GraphError where it is no number."""
    try:
        array = np.asarray(value, dtype=np.float64)
        return float(array.reshape(()))
    except (TypeError, ValueError) as error:
        raise GraphError(f"'{value}' is not a single number") from error
