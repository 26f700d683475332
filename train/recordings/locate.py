"""Where the recordings are: the caller's folder, else CORTEXCORE_DATA, else the user's cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cortexcore.errors import DataError


def user_cache() -> Path:
    """The folder that ``cortexcore data fetch`` fills; it need not exist yet."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "cortexcore"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cortexcore"


def find_data(data: Path | None = None) -> Path:
    """The folder that holds ``mitdb/``.

    Args:
        data: that folder, or ``mitdb`` itself; None looks at CORTEXCORE_DATA and then at the user's cache.

    Raises:
        DataError: when the folder named has no recordings (the next place is not tried silently), or none is known.
    """
    if data is not None:
        return _holding_mitdb(Path(data), "--data")
    value = os.environ.get("CORTEXCORE_DATA")
    if value:
        return _holding_mitdb(Path(value), "CORTEXCORE_DATA")
    if (user_cache() / "mitdb").is_dir():
        return user_cache()
    raise DataError(
        "no recordings found: run 'cortexcore data fetch mitdb', or name a folder that holds mitdb/ "
        "with --data or CORTEXCORE_DATA"
    )


def _holding_mitdb(folder: Path, source: str) -> Path:
    if (folder / "mitdb").is_dir():
        return folder
    if folder.name == "mitdb" and folder.is_dir():
        return folder.resolve().parent
    problem = "has no folder mitdb/ in it" if folder.is_dir() else "is not a folder"
    raise DataError(
        f"{source} names {folder}, which {problem}: give the folder that holds mitdb/, "
        "or run 'cortexcore data fetch mitdb'"
    )
