"""Which targets there are: our own by an explicit table, imported on first use, others by entry point."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from cortexcore.errors import CortexCoreError
from cortexcore.targets.base import Target

ENTRY_POINTS = "cortexcore.targets"
"""Entry-point group in which another package offers a target: name = "module:object"."""
TARGETS: dict[str, str] = {
    "reference": "cortexcore.targets.reference.target:TARGET",
    "integer": "cortexcore.targets.integer.target:TARGET",
    "onnx": "cortexcore.targets.onnx.target:TARGET",
    "tflite": "cortexcore.targets.tflite.target:TARGET",
    "loihi": "cortexcore.targets.loihi.target:TARGET",
    "cortex-m": "cortexcore.targets.cortex_m.target:TARGET",
    "native": "cortexcore.targets.native.target:TARGET",
}


def target_names() -> list[str]:
    """All targets by name, ours first; naming one imports nothing."""
    return [*TARGETS, *sorted({e.name for e in entry_points(group=ENTRY_POINTS)} - TARGETS.keys())]


def get_target(name: str) -> Target[Any, Any, Any]:
    """The target called ``name``.

    Raises:
        CortexCoreError: there is no such target, or another package's target cannot be imported.
    """
    if name in TARGETS:
        module, _, attribute = TARGETS[name].partition(":")
        target: Target[Any, Any, Any] = getattr(import_module(module), attribute)
        return target
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            try:
                loaded: Target[Any, Any, Any] = entry.load()
            except (ImportError, AttributeError) as error:
                raise CortexCoreError(f"target '{name}' ({entry.value}) cannot be imported: {error}") from error
            return loaded
    raise CortexCoreError(f"there is no target '{name}'; there are {', '.join(target_names())}")
