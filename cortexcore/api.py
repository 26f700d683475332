"""The Python interface: the same words as the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cortexcore.targets.compare import Comparison
    from cortexcore.targets.compiled import Compiled

Network = Graph | IntegerNetwork


def from_torch(model: Any, sample: Any, dt_s: float, metadata: Mapping[str, Any] | None = None) -> Graph:
    """The float graph of a snnTorch network whose ``forward`` is one time step, its neurons with ``init_hidden=True``.

    Args:
        model: the network, as ``model.eval()`` computes; the parameters of its ``forward`` name the graph's inputs.
        sample: one array or tensor per input, [B, *shape], alone, in a tuple or in a dict by name.
        dt_s: length of a step in seconds.
        metadata: JSON values for the graph, e.g. classes.

    Raises:
        GraphError: what cannot be kept, all at once, each with its remedy.
        TargetUnavailable: torch or snntorch is not installed.
    """
    from cortexcore.export.from_torch import from_torch as trace

    return trace(model, sample, dt_s, metadata)


def quantize(
    graph: Graph,
    bits: int = 8,
    calibration: Mapping[str, NDArray[Any]] | NDArray[Any] | None = None,
    input_ranges: Mapping[str, tuple[int, int]] | None = None,
) -> IntegerNetwork:
    """The integer network of a float graph, by post-training quantization; ``.report`` tells what that did.

    Args:
        graph: the float network.
        bits: weight bits, 2 to 8.
        calibration: typical integer inputs, name → [T, B, *shape], or one array for a graph with one input.
        input_ranges: input → (lowest, highest) value it will ever get; else the graph's own, else the calibration's.

    Raises:
        GraphError, QuantizationError: what cannot be kept, all at once, each with its remedy.
        DataError: the calibration does not fit the graph's inputs.
    """
    from cortexcore.arrays import to_batch
    from cortexcore.export.quantize import QuantizationConfig
    from cortexcore.export.quantize import quantize as quantize_graph

    arrays = None
    if calibration is not None:
        shapes = {name: node.shape for name, node in graph.inputs.items()}
        arrays, _ = to_batch(dict(calibration) if isinstance(calibration, Mapping) else {"x": calibration}, shapes)
    return quantize_graph(graph, QuantizationConfig(bits=bits), arrays, input_ranges)


def compile(network: Network, target: str, config: Any = None) -> Compiled:
    """Lower a network to a target: ``.run(x, trace=True)`` and ``.profile(x)``.

    Args:
        network: the float graph for ``reference``, the integer network for all others.
        target: its name; ``cortexcore doctor`` lists them.
        config: the target's options; its defaults if None.

    Raises:
        GraphError: the target cannot take the network; every reason at once.
        TargetUnavailable: it does not run on this machine; the message says what mends that.
    """
    from cortexcore.targets.compiled import compile as compile_network

    return compile_network(network, target, config)


def compare(network: Network | Mapping[str, Network | Compiled], targets: Sequence[str], x: Any) -> Comparison:
    """Run a network on several targets and count the spikes that differ per layer and step, against the first.

    Args:
        network: one network for all, or target → the form it runs, compiled or not.
        targets: two or more names.
        x: inputs, name → [T, B, *shape], or one array for a network with one input.
    """
    from cortexcore.targets.compare import compare as compare_targets

    return compare_targets(network, targets, x)
