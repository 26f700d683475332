"""A network made ready for one target: ``compile(network, "onnx").run(x)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, GraphError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.base import Arrays, Result, Stepper, Target, form_of
from cortexcore.targets.profile import Profile
from cortexcore.targets.registry import get_target

Network = Graph | IntegerNetwork
Inputs = Mapping[str, NDArray[Any]] | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Compiled:
    """A target and what it made of a network."""

    network: Network
    target: Target[Any, Any, Any]
    artifact: Any

    def run(self, x: Inputs, trace: bool = False) -> Result:
        """Run from rest on ``x`` [T, B, *shape] (a single input's array, or input name → array)."""
        return self.target.run(self.artifact, named(self.network, x), trace)

    def profile(self, x: Inputs) -> Profile:
        """Latency, operations, memory and energy on ``x``, as in :meth:`run`."""
        return self.target.profile(self.artifact, named(self.network, x))

    def stepper(self) -> Stepper:
        """For streaming: one step at a time. Raises GraphError where the target only runs whole sequences."""
        return self.target.stepper(self.artifact)


def compile(network: Network, target: str, config: Any = None) -> Compiled:
    """Lower a network for a target.

    Args:
        network: the integer network; the float graph for ``"reference"``, and for ``"onnx"``, which runs both.
        target: a name of :func:`cortexcore.targets.registry.target_names`.
        config: the target's options, an instance of its ``config`` class; its defaults if None.

    Raises:
        GraphError: the target runs the other kind of network, or cannot take this one.
        TargetUnavailable: packages it needs are missing.
        CortexCoreError: there is no such target, or the options are another target's.
    """
    chosen = get_target(target)
    if not isinstance(network, Graph | IntegerNetwork):
        raise GraphError(
            f"target '{target}' runs a float graph or an integer network, not {type(network).__name__}: make one with "
            "from_torch, read_nir or quantize"
        )
    if config is None:
        config = chosen.config()
    if not isinstance(config, chosen.config):
        wanted, got = chosen.config.__name__, type(config).__name__
        raise GraphError(f"target '{target}' takes the options of {wanted}, got {got}")
    if form_of(network) not in chosen.takes:
        needed = (
            "a float graph: give the one that was quantized, which a bundle or its file keeps"
            if "float" in chosen.takes
            else "an integer network: quantize the graph first"
        )
        raise GraphError(f"target '{target}' runs {needed}")
    return Compiled(network, chosen, chosen.lower(network, config))


def named(network: Network, x: Inputs) -> Arrays:
    """``x`` by input name. Raises DataError for a bare array where the network has several inputs."""
    if isinstance(x, Mapping):
        return x
    names = list(network.inputs) if isinstance(network, Graph) else [port.name for port in network.inputs]
    if len(names) != 1:
        raise DataError(f"the network has the inputs {names}: give a dict with an array for each")
    return {names[0]: np.asarray(x)}
