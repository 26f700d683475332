"""Where the time goes within ONNX Runtime: its own profiler's nodes, mapped back to populations and connections."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cortexcore.export.integer import check_inputs
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays
from cortexcore.targets.onnx.session import OnnxArtifact, feeds, open_session
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


def profile_nodes(artifact: OnnxArtifact, inputs: Arrays) -> tuple[Node, ...]:
    """Nodes of the sequence form, those of loops' bodies among them, over 20 runs after 3 warm-ups.

    Args:
        inputs: one inference, [T, 1, *shape] each.
    """
    with tempfile.TemporaryDirectory(prefix="cortexcore-onnx-") as folder:
        prefix = str(Path(folder) / "profile")
        session = open_session(artifact.sequence, artifact.config, "sequence.onnx", prefix).runtime
        given = feeds(session, check_inputs(artifact.network, inputs))
        for _ in range(WARM_UPS + RUNS):
            session.run(None, given)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    runs: list[list[Mapping[str, object]]] = []
    for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
        if event["name"] == "model_run":
            runs.append([])
        elif runs and event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            runs[-1].append(event)
    return _summed(event for run in runs[WARM_UPS:] for event in run)


def layer_times(network: IntegerNetwork, nodes: Iterable[Node]) -> dict[str, dict[str, Figure]]:
    """Population → seconds and nodes of one inference, in its connections and in its neurons.

    A loop's own node is left out, since its body's nodes stand for it. Nodes of no population, which shape the inputs,
    are under "(inputs)".
    """
    said = f"per inference, mean of {RUNS} runs; profiling adds a microsecond or two to each node: compare, do not add"
    nodes = [node for node in nodes if node.operator != "Scan"]
    layers: dict[str, dict[str, Figure]] = {}
    for name in [*(p.name for p in network.populations), _NONE]:
        parts = {"currents": [n for n in nodes if _place(network, n.name) == (name, True)]}
        parts["neurons"] = [n for n in nodes if _place(network, n.name) == (name, False)]
        figures = {}
        for part, those in parts.items():
            if those:
                seconds, count = sum(n.seconds for n in those) / RUNS, sum(n.count for n in those) / RUNS
                figures[f"time in {part}"] = Figure(seconds, "s", "measured", _SOURCE, said)
                figures[f"nodes in {part}"] = Figure(count, "nodes", "measured", _SOURCE, "run per inference")
        if figures:
            layers[name] = figures
    return layers


def _place(network: IntegerNetwork, node: str) -> tuple[str, bool]:
    """The population that a node belongs to, "(inputs)" for none, and whether it computes a connection's current."""
    for p in network.populations:
        if any(node.startswith(f"{p.name}/{s.name}/") for s in p.synapses):
            return p.name, True
    found = [p.name for p in network.populations if node.startswith(f"{p.name}/")]
    return max(found, key=len, default=_NONE), False


def _summed(events: Iterable[Mapping[str, object]]) -> tuple[Node, ...]:
    found: dict[str, Node] = {}
    for event in events:
        name = str(event["name"]).removesuffix(_KERNEL)
        args = event["args"]
        operator = str(args["op_name"]) if isinstance(args, Mapping) else ""
        before = found.get(name, Node(name, operator, 0.0, 0))
        found[name] = Node(name, operator, before.seconds + float(str(event["dur"])) * 1e-6, before.count + 1)
    return tuple(found.values())
