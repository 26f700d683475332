"""Where the time goes within ONNX Runtime: its own profiler's nodes, mapped back to populations and connections."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cortexcore.targets.base import Arrays
from cortexcore.targets.onnx.models import OnnxArtifact, open_session
from cortexcore.targets.profile import Figure

RUNS, WARM_UPS = 20, 3
_KERNEL = "_kernel_time"
_NONE = "(inputs)"
_SOURCE = "ONNX Runtime's profiler"


@dataclass(frozen=True)
class Node:
    """One node of a model: its name, and over all counted runs its seconds and how often it ran."""

    name: str
    operator: str
    seconds: float
    count: int


def profile_nodes(artifact: OnnxArtifact[Any], feeds: Arrays) -> tuple[Node, ...]:
    """Nodes of the sequence model, those of loops' bodies among them, over 20 runs after 3 warm-ups.

    Args:
        feeds: one inference, [T, 1, *shape] each, in the types that the model takes.
    """
    with tempfile.TemporaryDirectory(prefix="cortexcore-onnx-") as folder:
        prefix = str(Path(folder) / "profile")
        session = open_session(artifact.sequence, artifact.config, "sequence.onnx", prefix).runtime
        for _ in range(WARM_UPS + RUNS):
            session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs: list[list[Mapping[str, object]]] = []
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        if event["name"] == "model_run":
            runs.append([])
        elif runs and event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            runs[-1].append(event)
    return _summed(event for run in runs[WARM_UPS:] for event in run)


def layer_times(layers: Mapping[str, Sequence[str]], nodes: Iterable[Node]) -> dict[str, dict[str, Figure]]:
    """Layer → seconds and nodes of one inference, in its connections and in itself.

    Args:
        layers: population or graph node → its connections, where their nodes are named apart.

    A loop's own node is left out, since its body's nodes stand for it. Nodes of no population, which shape the inputs,
    are under "(inputs)".
    """
    said = f"per inference, mean of {RUNS} runs; profiling adds a microsecond or two to each node: compare, do not add"
    nodes = [node for node in nodes if node.operator != "Scan"]
    found: dict[str, dict[str, Figure]] = {}
    for name in [*layers, _NONE]:
        rest = "neurons" if layers.get(name) else "nodes"
        parts = {"currents": [n for n in nodes if _place(layers, n.name) == (name, True)]}
        parts[rest] = [n for n in nodes if _place(layers, n.name) == (name, False)]
        figures = {}
        for part, those in parts.items():
            if those:
                seconds, count = sum(n.seconds for n in those) / RUNS, sum(n.count for n in those) / RUNS
                figures[f"time in {part}"] = Figure(seconds, "s", "measured", _SOURCE, said)
                figures[f"{part}: nodes run"] = Figure(count, "nodes", "measured", _SOURCE, "per inference")
        if figures:
            found[name] = figures
    return found


def model_memory(artifact: OnnxArtifact[Any], held: str) -> dict[str, Figure]:
    """Bytes of the models that run, and how they hold the weights."""
    sizes = {"sequence": len(artifact.sequence), "step": len(artifact.step)}
    source = "size of the serialized ONNX model"
    return {f"{name} model": Figure(size, "B", "measured", source, held) for name, size in sizes.items()}


def _place(layers: Mapping[str, Sequence[str]], node: str) -> tuple[str, bool]:
    """The layer that a node belongs to, "(inputs)" for none, and whether it computes a connection's current."""
    for layer, connections in layers.items():
        if any(node.startswith(f"{layer}/{connection}/") for connection in connections):
            return layer, True
    return max((layer for layer in layers if node.startswith(f"{layer}/")), key=len, default=_NONE), False


def _summed(events: Iterable[Mapping[str, object]]) -> tuple[Node, ...]:
    found: dict[str, Node] = {}
    for event in events:
        name = str(event["name"]).removesuffix(_KERNEL)
        args = event["args"]
        operator = str(args["op_name"]) if isinstance(args, Mapping) else ""
        before = found.get(name, Node(name, operator, 0.0, 0))
        found[name] = Node(name, operator, before.seconds + float(str(event["dur"])) * 1e-6, before.count + 1)
    return tuple(found.values())
