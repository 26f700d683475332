"""What a NIR file has no field for: CortexCore's own JSON text in its metadata, ``metadata["cortexcore"]``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cortexcore.errors import GraphError
from cortexcore.export.nir_io.fields import Said, Tree
from cortexcore.export.nodes import RESETS

KEY = "cortexcore"
"""Our key in a NIR graph's metadata; its value is a JSON text."""
FORMAT_VERSION = 1
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
