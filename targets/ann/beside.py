"""The network beside its equivalent ANN: what each takes, and how many times as much the network takes.

The ANN has the network's shape and weights and is not trained: its cost is that of a trained one, its decisions are
not. It makes one pass where the network makes all its steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cortexcore.errors import GraphError, TargetUnavailable
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.ann.build import equivalent_ann
from cortexcore.targets.ann.cost import AnnCost, ann_cost
from cortexcore.targets.ann.run import encode
from cortexcore.targets.ann.runtimes import RUNTIMES
from cortexcore.targets.base import Arrays
from cortexcore.targets.energy.break_even import break_even
from cortexcore.targets.energy.footprint import integer_footprint
from cortexcore.targets.energy.latency import CLOCK, Measurement, latency_figures
from cortexcore.targets.energy.operations import LayerOperations, operation_figures
from cortexcore.targets.profile import Figure

COST_ALONE = (
    "The equivalent ANN has the network's shape and weights, with ReLU, on int8: its cost is that of a trained one, "
    "its decisions are not."
)
COUNTED = "counted in the ANN's own int8 run"
TIMES = "×"


@dataclass(frozen=True, eq=False)
class Beside:
    """The figures that need no clock, what to know of them, and one pass on the target's runtime where it has one."""

    figures: dict[str, Figure]
    notes: tuple[str, ...]
    once: Callable[[], object] | None = None
    said: str = ""


def beside(
    network: IntegerNetwork,
    layers: tuple[LayerOperations, ...],
    inputs: Arrays,
    target: str = "",
    threads: int = 1,
) -> Beside:
    """The equivalent ANN of a network, counted and priced on these inputs.

    Args:
        network: the integer network.
        layers: its operations on ``inputs`` [T, B, *shape].
        target: of :data:`cortexcore.targets.ann.runtimes.RUNTIMES`; any other runs no ANN.
        threads: that the runtime may use.

    Raises:
        DataError: the inputs do not fit.
    """
    try:
        ann = equivalent_ann(network, inputs)
    except GraphError as error:
        return Beside({}, (f"The ANN is missing: {error}.",))
    encoded = encode(ann, inputs)
    notes = (COST_ALONE, *ann.notes)
    figures = _figures(network, layers, ann_cost(ann, encoded))
    if target not in RUNTIMES:
        return Beside(figures, notes)
    try:
        run = RUNTIMES[target].make(ann, threads)
    except TargetUnavailable as error:
        return Beside(figures, (*notes, f"The ANN's latency is missing: {error}."))
    first = {name: values[:1] for name, values in encoded.items()}
    return Beside(figures, notes, lambda: run(first), RUNTIMES[target].said)


def latency_ratio(snn: Measurement, ann: Measurement, conditions: str) -> dict[str, Figure]:
    """The ANN's latency, and the network's as a multiple of it; both measured by turns."""
    figures = latency_figures("ANN per inference", ann, conditions)
    p50, ours = figures["ANN per inference p50"].value, latency_figures("SNN", snn, conditions)["SNN p50"].value
    figures["SNN / ANN latency p50"] = Figure(ours / p50, TIMES, "measured", CLOCK, f"{conditions}, by turns")
    return figures


def _figures(network: IntegerNetwork, layers: tuple[LayerOperations, ...], cost: AnnCost) -> dict[str, Figure]:
    priced = break_even(layers).figures
    whole = priced["ANN, int8, same connections"]
    connections = sum(x.connections for x in layers)
    energy = Figure(whole.value * cost.macs / connections, "J", "modelled", whole.source, whole.conditions)
    memory = cost.parameter_bytes + cost.activation_bytes
    footprint = integer_footprint(network)
    synops = operation_figures(layers)["synaptic operations"]
    figures = {
        "ANN MACs": Figure(cost.macs, "MACs", "measured", COUNTED, "one pass, zeros included"),
        "ANN effective MACs": Figure(cost.effective_macs, "MACs", "measured", COUNTED, "neither factor 0, mean"),
        "ANN energy": energy,
        "ANN footprint": Figure(
            memory, "B", "modelled", "int8 weights, int32 biases, and the most int8 activations alive at once"
        ),
    }
    if cost.sparsity is not None:
        figures["ANN activation sparsity"] = Figure(cost.sparsity, "of activations", "measured", COUNTED)
    ratios = {
        "SNN / ANN operations": (synops, cost.macs, "synaptic operations to all of the ANN's MACs"),
        "SNN / ANN effective operations": (synops, cost.effective_macs, "synaptic operations to effective MACs"),
        "SNN / ANN energy": (priced["SNN"], energy.value, f"both on the same core: {whole.conditions}"),
        "SNN / ANN footprint": (footprint, memory, "parameters, and states or activations"),
    }
    for name, (ours, theirs, what) in ratios.items():
        if theirs:
            figures[name] = Figure(ours.value / theirs, TIMES, ours.kind, ours.source, what)
    return figures
