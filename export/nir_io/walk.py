"""An HDF5 file's groups and datasets as plain numbers and texts: the part of reading that a hostile file can hang.

:mod:`cortexcore.export.nir_io.hdf` runs this file as a process of its own, with a limit of time and memory, because
libhdf5 loops for ever or crashes on some damaged files. It imports NumPy and h5py and nothing of ours. What it finds
goes to standard output: the arrays' bytes one after another, then a JSON text that says what they are, then the
length of that text in 8 bytes, little endian. Nothing in it can be executed.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, BinaryIO

MAX_OBJECTS = 200_000
"""Groups, datasets and texts in one file."""
MAX_DEPTH = 40
"""NIR needs two levels for each subgraph within a subgraph, of which there may be 16, and a few more."""
MAX_TEXT = 2**26
"""Bytes of all names and texts in one file."""
KEPT_BYTES = 8
"""Every number becomes a float64 later, so that is what it counts as."""
SPARE_BYTES = 2**28
"""Memory beyond the file's contents that HDF5 and the interpreter may take."""


class Refused(Exception):
    """What is wrong with the file, as the end of a sentence that starts with its name."""


class Walker:
    """Loads groups while counting what it has loaded; arrays go to ``sink`` at once."""

    def __init__(self, sink: BinaryIO, max_bytes: int) -> None:
        self.sink = sink
        self.max_bytes = max_bytes
        self.bytes_left = max_bytes
        self.objects_left = MAX_OBJECTS
        self.text_left = MAX_TEXT

    def group(self, group: Any, depth: int) -> dict[str, Any]:
        """{"group": name → item} of everything within."""
        import h5py

        if depth > MAX_DEPTH:
            raise Refused(f"nests groups deeper than {MAX_DEPTH}: it is no NIR file, or damaged")
        items: dict[str, Any] = {}
        for key in group:
            self.count(1)
            if not isinstance(key, str) or not key.isprintable():
                raise Refused(f"holds the unprintable name {key!r}; rename it")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise Refused(f"links '{key}' to another place, which is not followed; store it inside")
            item = group[key]
            self.keep_text(key)
            items[key] = self.group(item, depth + 1) if isinstance(item, h5py.Group) else self.dataset(item, key)
        return {"group": items}

    def dataset(self, item: Any, key: str) -> dict[str, Any]:
        """{"text": …}, {"texts": […], "shape": …}, {"array": dtype, "shape": …} or {} for an empty one."""
        import h5py
        import numpy as np

        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise Refused(f"keeps '{key}' outside the file, which is not read; store it inside")
        if item.shape is None:
            return {}
        values = max(int(item.size), math.prod(item.chunks or ()))
        self.take(values * max(KEPT_BYTES, item.dtype.itemsize), key)
        if h5py.check_string_dtype(item.dtype) is not None:
            return self.texts(item, key)
        if item.dtype.kind not in "biuf" or item.dtype.itemsize > KEPT_BYTES or item.dtype.names:
            raise Refused(f"keeps '{key}' as {item.dtype}, it must be a text or plain numbers")
        self.sink.write(np.ascontiguousarray(item[()]).data)
        return {"array": item.dtype.str, "shape": list(item.shape)}

    def texts(self, item: Any, key: str) -> dict[str, Any]:
        self.count(int(item.size))
        values = item[()]
        flat = values.reshape(-1).tolist() if item.shape else [values]
        found = []
        for value in flat:
            found.append(value.decode("utf8") if isinstance(value, bytes) else str(value))
            self.keep_text(found[-1])
        return {"texts": found, "shape": list(item.shape)} if item.shape else {"text": found[0]}

    def count(self, objects: int) -> None:
        self.objects_left -= objects
        if self.objects_left < 0:
            raise Refused(f"holds more than {MAX_OBJECTS} objects: it is damaged or not a network")

    def keep_text(self, text: str) -> None:
        self.text_left -= len(text.encode("utf8"))
        if self.text_left < 0:
            raise Refused(f"holds more than {MAX_TEXT} bytes of names and texts: it is damaged or not a network")

    def take(self, size: int, key: str) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise Refused(f"unpacks to more than the limit of {self.max_bytes} bytes (max_bytes) at '{key}'")


def walk(path: str, max_bytes: int, sink: BinaryIO) -> dict[str, Any]:
    """{"version": …, "node": …} of a NIR file; array bytes go to ``sink``.

    Raises:
        Refused: it is no NIR file, or holds what is not read.
        OSError, KeyError, ValueError, …: libhdf5 finds it damaged.
    """
    import h5py

    with h5py.File(path, "r") as file:
        found = {
            key: file[key] for key in ("node", "version") if isinstance(file.get(key, getlink=True), h5py.HardLink)
        }
        if not isinstance(found.get("node"), h5py.Group):
            raise Refused("is HDF5 but no NIR file: it has no group 'node'; write it with nir.write")
        walker = Walker(sink, max_bytes)
        version = walker.dataset(found["version"], "version") if "version" in found else {}
        return {"node": walker.group(found["node"], 0), "version": version}


def limit(seconds: int, memory: int) -> None:
    """Keep this process from more processor time and memory, where the system has such limits (POSIX)."""
    try:
        import resource
    except ImportError:
        return
    held = 0
    if sys.platform == "linux":
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for which, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, held + memory + SPARE_BYTES),
        (resource.RLIMIT_FSIZE, memory + SPARE_BYTES),
    ):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Arguments: the folders to import from, the path, the limit of bytes, the limit of seconds, as one JSON text."""
    folders, path, max_bytes, seconds = json.loads(sys.argv[1])
    sys.path[:0] = folders
    import h5py  # noqa: F401  (what it takes is not the file's)

    limit(seconds, 3 * max_bytes)
    try:
        said = walk(path, max_bytes, sys.stdout.buffer)
    except Refused as error:
        said = {"refused": str(error)}
    except (OSError, LookupError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError) as error:
        said = {"damaged": str(error) or type(error).__name__}
    text = json.dumps(said).encode()
    sys.stdout.buffer.write(text + len(text).to_bytes(8, "little"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
