"""The Python interface: the same words as the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cortexcore.errors import DataError, GraphError, missing_package
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cortexcore.calibration import Inputs
    from cortexcore.export.passes.input_steps import Steps
    from cortexcore.export.quantize.config import ScaleChoice
    from cortexcore.export.report.points import Sweep
    from cortexcore.study import Wish
    from cortexcore.targets.compare import Comparison
    from cortexcore.targets.compiled import Compiled
    from cortexcore.train.qat import Decision

Network = Graph | IntegerNetwork


def from_torch(
    model: Any,
    sample: Any,
    dt_s: float,
    metadata: Mapping[str, Any] | None = None,
    *,
    outputs: Sequence[int | str] | int | None = None,
) -> Graph:
    """The float graph of a PyTorch network with snnTorch neurons, as ``model.eval()`` computes.

    Its ``forward`` is either one time step (neurons with ``init_hidden=True``, or states as arguments that are
    returned), or holds the loop over time itself.

    Args:
        model: the network; the parameters of its ``forward`` name the graph's inputs.
        sample: one array or tensor per input, alone, in a tuple or in a dict by name: [B, *shape] for one step, or
            where ``forward`` indexes time [T, B, *shape].
        dt_s: length of a step in seconds.
        metadata: JSON values for the graph, e.g. classes.
        outputs: which of the returned values to keep, by place or, for a returned dict, by name, one or several; all if
            None.

    Raises:
        GraphError: what cannot be kept, all at once, each with its remedy.
        TargetUnavailable: torch or snntorch is not installed.
    """
    from cortexcore.export.from_torch import from_torch as trace

    return trace(model, sample, dt_s, metadata, outputs=outputs)


def quantize(
    graph: Graph,
    bits: int = 8,
    calibration: Inputs | None = None,
    input_ranges: Mapping[str, tuple[int, int]] | None = None,
    *,
    layer_bits: Mapping[str, int] | None = None,
    scale: ScaleChoice | None = None,
    judge: Inputs | None = None,
    labels: NDArray[Any] | None = None,
    max_bytes: int | None = None,
    max_energy_uj: float | None = None,
    input_steps: Steps | None = None,
) -> IntegerNetwork:
    """The integer network of a float graph, by post-training quantization; ``.report`` tells what that did.

    Args:
        graph: the float network.
        bits: weight bits, 2 to 8.
        calibration: typical inputs, integers but where a step is given, name → [T, B, *shape], or one array for a
            graph with one input.
        input_ranges: input → (lowest, highest) value it will ever get; else the graph's own, else the calibration's.
        layer_bits: layer → its own bits.
        scale: what maps to the top of the grid: the largest weight ("max"), a percentile, or what makes the squared
            error of the weights ("mse") or of the currents they cause on the calibration ("activity") smallest;
            if None, "activity" with calibration, else "max".
        judge: inputs that the report compares float and integer network on; the calibration if None.
        labels: class index of each judged inference [B], for accuracies.
        max_bytes, max_energy_uj: a budget that chooses each layer's bits; at most one of the two.
        input_steps: for a network of float inputs, input → float value of one integer unit, or one value for all:
            floats of ``calibration`` and ``judge`` are rounded to it, integers and ``input_ranges`` count units. The
            integer network takes ``numpy.rint(x / step)``; its metadata["quantization"]["inputs"] keep the step.

    Raises:
        GraphError, QuantizationError: what cannot be kept, all at once, each with its remedy.
        DataError: calibration, judged inputs or labels do not fit the graph.
    """
    from cortexcore.study import quantized

    wish = _wish(graph, bits, calibration, input_ranges, layer_bits, scale, judge, labels, input_steps)
    return quantized(replace(wish, max_bytes=max_bytes, max_energy_uj=max_energy_uj))[0]


def sweep(
    graph: Graph,
    bits: int | Iterable[int] = (8, 7, 6, 5, 4, 3, 2),
    calibration: Inputs | None = None,
    input_ranges: Mapping[str, tuple[int, int]] | None = None,
    *,
    layer_bits: Mapping[str, int] | None = None,
    scale: ScaleChoice | None = None,
    judge: Inputs | None = None,
    labels: NDArray[Any] | None = None,
    input_steps: Steps | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """The network quantized to each of several bit widths and judged: size, modelled energy, agreement, accuracy.

    Args:
        graph: the float network.
        bits: the widths, each from 2 to 8 and once, or a single one.
        layer_bits: layers that keep bits of their own at every width.
        progress: called with a line now and then.
        calibration, input_ranges, scale, judge, labels, input_steps: as of :func:`quantize`.

    Returns:
        one point per width; ``.to_text()``, ``.to_json()`` and ``.to_html()`` show them.

    Raises:
        GraphError, QuantizationError, DataError: as of :func:`quantize`.
    """
    from cortexcore.export.report.sweep import checked_widths
    from cortexcore.study import swept

    widths = checked_widths(bits)
    wish = _wish(graph, widths[0], calibration, input_ranges, layer_bits, scale, judge, labels, input_steps)
    return swept(wish, widths, progress)


def _wish(
    graph: Graph,
    bits: int,
    calibration: Inputs | None,
    input_ranges: Mapping[str, tuple[int, int]] | None,
    layer_bits: Mapping[str, int] | None,
    scale: ScaleChoice | None,
    judge: Inputs | None,
    labels: NDArray[Any] | None,
    input_steps: Steps | None,
) -> Wish:
    from cortexcore.calibration import from_arrays
    from cortexcore.export.passes.input_steps import with_input_steps
    from cortexcore.export.quantize.config import usual
    from cortexcore.study import Wish

    if not isinstance(graph, Graph):
        raise GraphError(f"only a float graph can be quantized, not a {type(graph).__name__}: from_torch makes one")
    if input_steps is not None:
        graph = with_input_steps(graph, input_steps)
    base = usual(calibrated=calibration is not None)
    config = replace(base, bits=bits, overrides=dict(layer_bits or {}), scale=scale or base.scale)
    on_calibration = labels if judge is None else None
    if calibration is None and judge is None and labels is not None:
        raise DataError("labels were given without inputs: give judge=inputs, or calibration, that they belong to")
    return Wish(
        graph,
        config,
        None if calibration is None else from_arrays(calibration, graph, "the calibration inputs", on_calibration),
        None if judge is None else from_arrays(judge, graph, "the judged inputs", labels),
        input_ranges,
    )


def fine_tune(
    graph: Graph,
    x: Inputs,
    labels: NDArray[Any],
    bits: int = 4,
    *,
    epochs: int = 2,
    learning_rate: float = 1e-3,
    decision: Decision | None = None,
    seed: int = 0,
    layer_bits: Mapping[str, int] | None = None,
    scale: ScaleChoice | None = None,
    judge: Inputs | None = None,
    judge_labels: NDArray[Any] | None = None,
    input_ranges: Mapping[str, tuple[int, int]] | None = None,
    input_steps: Steps | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> IntegerNetwork:
    """The integer network of a float graph, its weights fine-tuned behind the integer arithmetic; with ``.report``.

    Quantization-aware training: the forward pass is the integer network itself, bit for bit. More can be set with
    :func:`cortexcore.train.qat.fine_tune`, which this calls.

    Args:
        graph: the float network, with one output whose values or spikes tell the classes.
        x: what to learn from, name → [T, N, *shape], or one array; it calibrates as well. labels: class indices [N].
        bits, layer_bits, scale, input_ranges, input_steps: as of :func:`quantize`.
        epochs, learning_rate, seed: passes over the data, AdamW's rate, and the seed of their order.
        decision: what tells the classes: the output's value at the last step ("last"), its mean ("mean") or its spikes
            ("count"); if None, "count" where the output spikes, else "last".
        judge: inputs that the report compares ``graph`` and the integer network on, with ``judge_labels``; ``x`` itself
            if None.
        progress: called with a line per epoch.

    Raises:
        GraphError, QuantizationError: what cannot be kept, all at once, each with its remedy.
        DataError: inputs or labels do not fit the graph or each other.
        TargetUnavailable: PyTorch is not installed.
    """
    try:
        from cortexcore.train.qat import FineTuning
        from cortexcore.train.qat import fine_tune as tune
    except ImportError as error:
        raise missing_package(error.name or "torch", "train", "fine-tuning a network") from error
    from cortexcore.study import output_spikes, with_report

    judged = labels if judge is None else judge_labels
    wish = _wish(graph, bits, x, input_ranges, layer_bits, scale, judge, judged, input_steps)
    learned = wish.calibration.inputs if wish.calibration is not None else {}
    chosen: Decision = decision or ("count" if output_spikes(wish.graph) else "last")
    how = FineTuning(epochs=epochs, learning_rate=learning_rate, decision=chosen)
    tuned = tune(wish.graph, wish.config, learned, labels, how, seed=seed, input_ranges=input_ranges, progress=progress)
    return with_report(wish, tuned.network)


def compile(network: Network, target: str, config: Any = None) -> Compiled:
    """Lower a network to a target: ``.run(x, trace=True)`` and ``.profile(x)``.

    Args:
        network: the integer network; the float graph for ``reference``, and for ``onnx``, which runs both.
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
