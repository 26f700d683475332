"""The house: arrows between rooms point one way, and the wheel holds every room."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ["cortexcore", "train", "runtime", "targets", "firmware_sim", "export"]
"""Top to bottom: a room may import those after it in this list."""
LEAVES = ("cortexcore.errors", "cortexcore.runtime.frontend", "cortexcore.runtime.protocol")
"""Modules that every room may import, and that import nothing of ours but each other."""
NARROWER = {"firmware_sim": {"export"}, "export": set()}
LEAF_PACKAGES = {"numpy"} | set(sys.stdlib_module_names)


def room_files() -> list[tuple[str, Path]]:
    return [(room, path) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Absolute names a file imports, with `from a import b` given as `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_leaf(module: str) -> bool:
    return any(module == leaf or module.startswith(leaf + ".") for leaf in LEAVES)


def room_of(module: str) -> str | None:
    """Which room a `cortexcore…` name belongs to; None for other packages."""
    parts = module.split(".")
    if parts[0] != "cortexcore":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "cortexcore"


def violations(room: str, modules: set[str]) -> list[str]:
    """The imports among ``modules`` that a file of ``room`` may not make."""
    allowed = {room} | NARROWER.get(room, set(ROOMS[ROOMS.index(room) + 1 :]))
    ours = [m for m in sorted(modules) if room_of(m) and m != "cortexcore" and not is_leaf(m)]
    return [m for m in ours if room_of(m) not in allowed]


def test_there_is_something_to_check() -> None:
    assert {room for room, _ in room_files()} == set(ROOMS)


@pytest.mark.parametrize(("room", "path"), room_files(), ids=str)
def test_arrows_point_down(room: str, path: Path) -> None:
    bad = violations(room, imported(path))
    assert not bad, f"{path.relative_to(ROOT)} may not import {bad}"


def test_the_check_sees_an_upward_arrow() -> None:
    assert violations("export", {"cortexcore.targets.base"})
    assert violations("targets", {"cortexcore.train.fit"})
    assert violations("firmware_sim", {"cortexcore.targets"})
    assert not violations("firmware_sim", {"cortexcore.runtime.protocol.frame", "cortexcore.errors"})


@pytest.mark.parametrize("leaf", [leaf for leaf in LEAVES])
def test_leaves_import_numpy_and_the_standard_library_alone(leaf: str) -> None:
    place = ROOT / leaf.removeprefix("cortexcore.").replace(".", "/")
    files = sorted(place.rglob("*.py")) if place.is_dir() else [ROOT / "cortexcore" / "errors.py"]
    assert files
    for path in files:
        for module in imported(path):
            top = module.split(".")[0]
            assert top in LEAF_PACKAGES or is_leaf(module), f"{path.relative_to(ROOT)} imports {module}"


def test_wheel_lists_every_package() -> None:
    tomllib = pytest.importorskip("tomllib", reason="reading pyproject.toml needs Python 3.11")
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {path.parent for _, path in room_files() if path.name == "__init__.py"}
    names = {f.relative_to(ROOT).as_posix().replace("/", ".") for f in folders}
    assert listed == {n if n.split(".")[0] == "cortexcore" else f"cortexcore.{n}" for n in names}


def test_every_folder_with_code_is_a_package() -> None:
    without = {p.parent for _, p in room_files() if not (p.parent / "__init__.py").exists()}
    assert not without


def test_init_files_only_hand_names_on() -> None:
    for _, path in room_files():
        if path.name == "__init__.py" and path.parent != ROOT / "cortexcore":
            kinds = {type(n) for n in ast.parse(path.read_text()).body}
            assert kinds <= {ast.Expr, ast.Import, ast.ImportFrom, ast.Assign}, path
