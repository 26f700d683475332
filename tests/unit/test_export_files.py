"""Files appear whole or not at all, and what could not be written is refused before the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cortexcore.errors import BundleError, DataError
from cortexcore.export.files import replacing, require_writable, write_text
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import require_bundle_place


def test_half_a_surrogate_pair_is_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "class \ud800 µ")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "class \\ud800 µ"


def test_a_read_only_folder_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def access(path: Any, mode: int) -> bool:  # the tests may run as root, to whom no folder is read-only
        return not (mode & os.W_OK and Path(path) == tmp_path)

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(DataError, match="its folder is read-only"):
        require_writable(tmp_path / "out.nir")
    with pytest.raises(BundleError, match="is read-only"):
        require_bundle_place(tmp_path / "new" / "bundle")


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_a_path_without_a_name_is_a_folder(name: str) -> None:
    with pytest.raises(DataError, match="it is a folder"):
        require_writable(Path(name))


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


FULL = """
import resource, sys
from cortexcore.errors import DataError
from cortexcore.export.nir_io import write_integer_nir, write_nir
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
bundle = load_bundle(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for write, network in ((write_nir, bundle.graph), (write_integer_nir, bundle.network)):
    try:
        write(network, sys.argv[2])
    except DataError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence_and_loses_no_file(tmp_path: Path) -> None:
    """In a process of its own, with a limit on the size of files: libhdf5 crashes where it meets one."""
    old = tmp_path / "net.nir"
    old.write_text("old")
    command = [sys.executable, "-c", FULL, str(SHIPPED / "bundle"), str(old)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0 and not ran.stderr, ran
    assert [line.startswith(f"'{old}' cannot be written: ") for line in ran.stdout.splitlines()] == [True, True]
    assert old.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["net.nir"]
