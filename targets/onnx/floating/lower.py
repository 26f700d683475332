"""From a float graph to its three ONNX models."""

from __future__ import annotations

from cortexcore.export.graph import Graph
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.floating.check import check
from cortexcore.targets.onnx.models import OnnxArtifact, noted


def lower(graph: Graph, config: OnnxConfig) -> OnnxArtifact[Graph]:
    """The models of ``graph``, computing in the options' precision.

    Raises:
        GraphError: the graph has parts of which no model can be made, all listed, or its metadata is not JSON.
        TargetUnavailable: the package onnx is missing.
    """
    check(graph, config.precision).require()
    from cortexcore.targets.onnx.floating.forms import build_sequence, build_step

    ports = [{"name": name, "shape": [int(n) for n in node.shape]} for name, node in graph.inputs.items()]
    return OnnxArtifact(
        graph,
        config,
        build_sequence(graph, noted(graph, config, "sequence", ports), False, config.precision),
        build_sequence(graph, noted(graph, config, "traced", ports), True, config.precision),
        build_step(graph, noted(graph, config, "step", ports), config.precision),
    )
