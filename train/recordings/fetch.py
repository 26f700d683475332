"""Fetch a database from PhysioNet, file by file, each checked against the published SHA-256."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError

from cortexcore.errors import DataError
from cortexcore.train.recordings.checksums import SUMS_FILE, parse_sums, sha256_of
from cortexcore.train.recordings.datasets import fetch_root, get_dataset

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class FetchStep:
    """One file done: its name, how many of how many are, and whether it had to be fetched."""

    file: str
    done: int
    total: int
    fetched: bool


@dataclass(frozen=True)
class FetchReport:
    """What a fetch did: files fetched, and files that were here and right already."""

    folder: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]


def fetch_dataset(
    name: str,
    data: Path | None = None,
    base_url: str | None = None,
    progress: Callable[[FetchStep], None] | None = None,
) -> FetchReport:
    """Fetch what is missing of a database.

    A file that is here with the right SHA-256 is kept, so a fetch that broke off goes on where it was. A file is
    written as ``NAME.partial`` and gets its name only when it is whole and right.

    Args:
        name: database, e.g. ``"mitdb"``.
        data: folder to make ``name/`` in; None for CORTEXCORE_DATA or else the user's cache.
        base_url: mirror to fetch from; None for PhysioNet.
        progress: called after each file.

    Raises:
        DataError: unknown database, no connection, a file that does not match its SHA-256, a read-only folder.
    """
    dataset = get_dataset(name)
    folder = fetch_root(data) / name
    base = (base_url or dataset.url).rstrip("/") + "/"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(base + SUMS_FILE, folder / SUMS_FILE, None)
        sums = parse_sums((folder / SUMS_FILE).read_text(encoding="utf-8", errors="replace"), base + SUMS_FILE)
        wanted = sorted(file for file in sums if file.endswith(dataset.suffixes))
        if not wanted:
            raise DataError(
                f"{base}{SUMS_FILE} lists no {', '.join(dataset.suffixes)} file: is this a mirror of {name}?"
            )
        fetched: list[str] = []
        kept: list[str] = []
        for done, file in enumerate(wanted, start=1):
            target = folder / file
            here = target.is_file() and sha256_of(target) == sums[file]
            if not here:
                _download(base + file, target, sums[file])
            (kept if here else fetched).append(file)
            if progress is not None:
                progress(FetchStep(file, done, len(wanted), not here))
    except OSError as error:
        raise DataError(
            f"cannot write to {folder} ({error.strerror or error}): name another folder with --data"
        ) from error
    return FetchReport(folder, tuple(fetched), tuple(kept))


def _download(url: str, target: Path, sha256: str | None) -> None:
    """Fetch one file whole or not at all."""
    partial = target.with_name(target.name + ".partial")
    try:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, partial.open("wb") as file:
                shutil.copyfileobj(response, file)
                length = response.headers.get("Content-Length")
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, SSLError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(f"cannot fetch {url} ({reason}): check the connection and run the command again") from error
        if length is not None and int(length) != partial.stat().st_size:
            raise DataError(f"{url} broke off after {partial.stat().st_size} of {length} bytes: run the command again")
        if sha256 is not None and sha256_of(partial) != sha256:
            raise DataError(f"{url} does not match its published SHA-256: run the command again, or use another mirror")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
