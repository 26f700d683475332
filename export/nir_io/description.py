"""What a NIR file has no field for: CortexCore's own JSON text in its metadata, ``metadata["cortexcore"]``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.export.nir_io.fields import Said, Tree
from cortexcore.export.nodes import RESETS

KEY = "cortexcore"
"""Our key in a NIR graph's metadata; its value is a JSON text."""
FORMAT_VERSION = 1
MAX_FOREIGN = 2**16
"""Values and characters of another tool's notes that are kept."""
MAX_TEXT = 2**24
"""Characters of that text; it holds names and settings, never weights."""


def metadata_of(ours: Mapping[str, Any]) -> dict[str, str]:
    """A NIR graph's metadata with what is ours as JSON.

    Raises:
        GraphError: the metadata holds something that JSON cannot, or is too long.
    """
    try:
        text = json.dumps({"version": FORMAT_VERSION, **ours}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise GraphError(
            f"the metadata cannot be kept as JSON ({error}); use plain numbers, texts and lists"
        ) from error
    if len(text) > MAX_TEXT:
        raise GraphError(
            f"the metadata has {len(text)} characters, more than {MAX_TEXT}; keep arrays in files of their own"
        )
    return {KEY: text}


def own_metadata(tree: Tree, place: str) -> dict[str, Any] | None:
    """What CortexCore wrote into a file's metadata, or None in another tool's file."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, Mapping) or KEY not in metadata:
        return None
    if isinstance(metadata[KEY], str) and len(metadata[KEY]) > MAX_TEXT:
        raise GraphError(f"{place} holds metadata of CortexCore of more than {MAX_TEXT} characters; it is damaged")
    try:
        ours = json.loads(metadata[KEY])
    except (TypeError, ValueError, RecursionError) as error:
        raise GraphError(f"{place} holds metadata of CortexCore that is no JSON ({error}); write it again") from error
    if not isinstance(ours, dict) or ours.get("version") != FORMAT_VERSION:
        found = ours.get("version") if isinstance(ours, dict) else None
        raise GraphError(f"{place} is of format version {found}, this CortexCore reads version {FORMAT_VERSION}")
    return ours


def foreign_metadata(tree: Tree, nodes: Mapping[str, Tree]) -> dict[str, Any]:
    """What another tool noted about its graph and its nodes, as JSON values; what is not finite as text.

    Args:
        tree: the graph in the file.
        nodes: name → the fields of each node.

    Returns:
        ``{"foreign": {"graph": {…}, "nodes": {name: {…}}}}``; empty where nothing was noted. More than
        :data:`MAX_FOREIGN` values or characters are not notes but data: a sentence stands for them.
    """
    noted = {name: group["metadata"] for name, group in nodes.items() if _notes(group)}
    if not noted and not _notes(tree):
        return {}
    found = {"graph": tree.get("metadata", {}), "nodes": noted}
    if _size(found) > MAX_FOREIGN:
        return {"foreign": f"left out, as it holds more than {MAX_FOREIGN} values or characters"}
    return {"foreign": _plain(found)}


def _notes(group: Tree) -> bool:
    return isinstance(group.get("metadata"), Mapping) and bool(group["metadata"])


def _size(value: object) -> int:
    """Values and characters, those of names included."""
    if isinstance(value, Mapping):
        return sum(len(str(key)) + _size(each) for key, each in value.items())
    if isinstance(value, np.ndarray) and value.dtype == object:
        return sum(len(str(each)) for each in value.flat)
    return value.size if isinstance(value, np.ndarray) else len(str(value))


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(each) for each in value]
    finite = not isinstance(value, float) or math.isfinite(value)
    return value if finite and isinstance(value, bool | int | float | str | None) else str(value)


def described(said: object) -> Said:
    """What our metadata says of one node, once it is sure to have the form we write.

    Raises:
        GraphError: it has another form.
    """
    if not isinstance(said, Mapping):
        raise GraphError("lacks part of its metadata; write it again")
    reset, delayed = said.get("reset"), said.get("reset_delay", False)
    groups, kernel, shared = said.get("groups", 1), said.get("kernel"), said.get("shared")
    if reset is not None and reset not in RESETS:
        raise GraphError(f"has the reset {reset!r}, use one of {', '.join(RESETS)}")
    if not isinstance(delayed, bool):
        raise GraphError(f"has the reset_delay {delayed!r}, it must be true or false")
    if not _whole(groups) or not (kernel is None or (isinstance(kernel, list) and all(map(_whole, kernel)))):
        raise GraphError(f"has the groups {groups!r} and kernel {kernel!r}, they must be whole numbers")
    if not (shared is None or (isinstance(shared, list) and all(isinstance(each, str) for each in shared))):
        raise GraphError(f"has the shared parameters {shared!r}, they must be names")
    return Said(
        reset,
        delayed,
        groups,
        None if kernel is None else tuple(kernel),
        None if shared is None else frozenset(shared),
    )


def within(said: object, place: str) -> Mapping[str, Any]:
    """The nodes that our metadata describes, of a graph or of a subgraph.

    Raises:
        GraphError: there is something else.
    """
    nodes = said.get("nodes") if isinstance(said, Mapping) else None
    if not isinstance(nodes, Mapping):
        raise GraphError(f"{place} lacks part of its metadata; write it again")
    return nodes


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
