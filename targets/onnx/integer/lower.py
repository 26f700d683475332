"""From the integer network to its three ONNX models."""

from __future__ import annotations

from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.integer.check import check
from cortexcore.targets.onnx.models import OnnxArtifact, noted


def lower(network: IntegerNetwork, config: OnnxConfig) -> OnnxArtifact[IntegerNetwork]:
    """The models of a network.

    Raises:
        GraphError: what ONNX cannot take, all of it, or metadata that is not JSON.
        TargetUnavailable: the package onnx is missing.
    """
    check(network).require()
    from cortexcore.targets.onnx.integer.forms import build_sequence, build_step

    ports = [{"name": p.name, "shape": p.shape, "low": p.low, "high": p.high} for p in network.inputs]
    return OnnxArtifact(
        network,
        config,
        build_sequence(network, noted(network, config, "sequence", ports)),
        build_sequence(network, noted(network, config, "traced", ports), trace=True),
        build_step(network, noted(network, config, "step", ports)),
    )
