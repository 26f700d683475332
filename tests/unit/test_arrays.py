"""Arrays from and to .npz files that others may have damaged, and paths that nothing may be written to."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cortexcore.arrays import read_arrays, to_batch, write_arrays
from cortexcore.errors import DataError
from cortexcore.export.files import replacing, require_writable, write_text

HUGE = (
    b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (10**14,), }".ljust(117) + b"\n"
)


def damaged(kind: str, path: Path) -> None:
    """Files on which NumPy, zipfile and zlib raise errors of their own kinds."""
    np.savez_compressed(path, x=np.arange(100))
    whole = bytearray(path.read_bytes())
    if kind == "single":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif kind == "deflated":
        whole[60:80] = b"\xff" * 20
        path.write_bytes(whole)
    elif kind == "cut":
        path.write_bytes(whole[:100])
    elif kind == "objects":
        np.savez(path, x=np.array([1, None], dtype=object))
    else:
        members = {
            "text": ("x", b"hello"),
            "huge": ("x.npy", HUGE.replace(b"10**14", b"99999999999999")),
            "header": ("x.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<i8',\n"),
        }
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(*members[kind])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("single", "a single .npy array"),
        ("deflated", "not a readable .npz"),
        ("cut", "not a readable .npz"),
        ("objects", "not a readable .npz file of plain arrays"),
        ("text", "no arrays"),
        ("huge", "not a readable .npz"),
        ("header", "not a readable .npz"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, kind: str, says: str) -> None:
    damaged(kind, tmp_path / "x.npz")
    with pytest.raises(DataError, match=says):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("dtype", ["complex128", "timedelta64[s]", "datetime64[s]", "U3", "i4,i4"])
def test_only_real_numbers_are_inputs(dtype: str) -> None:
    with pytest.raises(DataError, match="not real numbers"):
        to_batch({"x": np.zeros((4, 3), dtype)}, {"x": (3,)})


def test_any_name_comes_back(tmp_path: Path) -> None:
    """``file`` and ``allow_pickle`` are arguments of numpy.savez, and names of nodes like any other."""
    arrays = {name: np.arange(3) + i for i, name in enumerate(("file", "allow_pickle", "spikes/a b", "é"))}
    write_arrays(tmp_path / "out", arrays)
    again = read_arrays(tmp_path / "out")
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)


def test_only_files_are_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    refused = {".": "folder", "/": "folder", tmp_path: "folder", tmp_path / "pipe": "device"}
    for path, what in refused.items():
        with pytest.raises(DataError, match=f"it is a {what}"):
            write_text(Path(path), "text")
    for path in (tmp_path / "gone" / "x", tmp_path / "file" / "x"):
        with pytest.raises(DataError, match="its folder must exist"):
            require_writable(None, tmp_path / "file", path)
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "pipe"]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(DataError, match="cannot be written: No space left"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
