"""Files that appear whole or not at all."""

from __future__ import annotations

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
        DataError: the folder does not exist or cannot be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}; its folder must exist") from error
    with folder as name:
        temporary = Path(name) / path.name
        yield temporary
        try:
            temporary.replace(path)
        except OSError as error:
            raise DataError(f"'{path}' cannot be written: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all. Raises DataError as :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
