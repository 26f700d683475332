"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cortexcore.errors import DataError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` to write; it becomes ``path`` when the block ends without an error.

    An error in the block leaves ``path`` as it was.

    Raises:
        DataError: the folder does not exist or cannot be written, or ``path`` is a folder or a device.
    """
    require_writable(path)
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error
    with folder as name:
        temporary = Path(name) / path.name
        try:
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error


def require_writable(*paths: Path | None) -> None:
    """Refuse before long work what could not be written after it; None is no path.

    Raises:
        DataError: a path's folder does not exist or is read-only, or the path is a folder or a device, which a file
            would replace.
    """
    for path in paths:
        if path is None:
            continue
        if not path.name:
            raise DataError(f"'{path}' cannot be written: it is a folder; name a file")
        if path.exists() and not path.is_file():
            raise DataError(
                f"'{path}' cannot be written: it is a {'folder' if path.is_dir() else 'device'}; name a file"
            )
        if not path.parent.is_dir():
            raise DataError(f"'{path}' cannot be written: its folder must exist")
        if not os.access(path.parent, os.W_OK):
            raise DataError(f"'{path}' cannot be written: its folder is read-only; name a file elsewhere")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all; half a surrogate pair, which that lacks, is escaped.

    Raises:
        DataError: as :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
