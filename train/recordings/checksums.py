"""SHA-256 of files, and the lists of them that databases publish."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cortexcore.errors import DataError

SUMS_FILE = "SHA256SUMS.txt"

_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](\S.*)")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def parse_sums(text: str, source: str) -> dict[str, str]:
    """File name to SHA-256, of the lines ``HASH  NAME``; files in subfolders are left out.

    Raises:
        DataError: a line of another form, or no line at all.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = re.fullmatch(_LINE, line.strip())
        if found is None:
            raise DataError(f"{source}, line {number} is not 'SHA-256  file name': is this the database's {SUMS_FILE}?")
        name = found.group(2).removeprefix("./")
        if "/" not in name and "\\" not in name:
            sums[name] = found.group(1).lower()
    if not sums:
        raise DataError(f"{source} lists no file: is this the database's {SUMS_FILE}?")
    return sums
