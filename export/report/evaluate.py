"""Make a quantization report: from the network's own metadata, and with data from running both networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.export.report.accuracy import accuracy, class_indices
from cortexcore.export.report.agreement import Comparison, Joules, compare
from cortexcore.export.report.histograms import weight_histograms
from cortexcore.export.report.report import Histogram, LayerFigures, PopulationFigures, QuantizationReport

Array = NDArray[Any]
FLOAT_BYTES = 4
BIAS_BYTES = 2
NAMED = 6
"""At most this many names in one sentence."""


def static_report(network: IntegerNetwork, graph: Graph | None = None) -> QuantizationReport:
    """The report without data: grids, sizes, bounds; with the float graph also how the weights spread.

    Raises:
        QuantizationError: the network does not say how it was quantized.
    """
    said = network.metadata.get("quantization")
    if not isinstance(said, Mapping) or not {"scheme", "config", "inputs", "populations"} <= said.keys():
        raise QuantizationError("the network does not say how it was quantized; quantize its float graph again")
    spreads = {} if graph is None else weight_histograms(graph, network)
    populations = tuple(_population(network, p.name, said["populations"][p.name], spreads) for p in network.populations)
    layers = [layer for p in populations for layer in p.layers]
    biases = sum(_biases(p) for p in network.populations)
    return QuantizationReport(
        scheme=said["scheme"],
        config=said["config"],
        inputs=said["inputs"],
        populations=populations,
        bytes_before=sum(layer.bytes_before for layer in layers) + FLOAT_BYTES * biases,
        bytes_after=sum(layer.bytes_after for layer in layers) + BIAS_BYTES * biases,
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What networks are judged on, and in words what that is.

    Attributes:
        inputs: input name → integers [T, B, *shape].
        labels: class index of each inference [B], or None; needs networks with one output.
        classes: class names in index order; else ``graph.metadata["classes"]``, else the output's indices.
        data: what the inputs are, e.g. "2,000 beats of records not fitted on".
        calibration: likewise what ranges and scales were taken from.
        warnings: sentences that a reader must know before believing the figures.
    """

    inputs: Mapping[str, Array]
    labels: Array | None = None
    classes: Sequence[str] | None = None
    data: str = ""
    calibration: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Pricing:
    """What a run takes: ``joules`` of all its inferences; whether measured, simulated or modelled, and by what."""

    joules: Joules
    kind: str
    source: str
    conditions: str


def evaluate_report(
    graph: Graph,
    network: IntegerNetwork,
    inputs: Mapping[str, Array],
    labels: Array | None = None,
    classes: Sequence[str] | None = None,
    data: str = "",
    calibration: str = "",
    warnings: Sequence[str] = (),
) -> QuantizationReport:
    """The report with both networks run on the same inputs; arguments as the fields of :class:`Evidence`.

    Raises:
        DataError: inputs or labels do not fit.
        QuantizationError: the network does not say how it was quantized.
    """
    evidence = Evidence(inputs, labels, classes, data, calibration, tuple(warnings))
    (report,) = judge(graph, (network,), evidence)
    return report


def judge(
    graph: Graph,
    networks: Sequence[IntegerNetwork],
    evidence: Evidence,
    pricing: Pricing | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[QuantizationReport, ...]:
    """One report for each network, all against one run of the float graph.

    Args:
        graph: the float graph that the networks were quantized from.
        networks: integer networks.
        evidence: what they run on.
        pricing: gives the reports their energy.
        progress: called with the number of inferences done, now and then.

    Raises:
        DataError: inputs or labels do not fit.
        QuantizationError: a network does not say how it was quantized.
    """
    reports = [static_report(network, graph) for network in networks]
    classes = _classes(graph, networks, evidence)
    found = compare(graph, networks, evidence.inputs, None if pricing is None else pricing.joules, progress)
    return tuple(_judged(report, each, evidence, classes, pricing) for report, each in zip(reports, found, strict=True))


def _judged(
    report: QuantizationReport, found: Comparison, evidence: Evidence, classes: Sequence[str], pricing: Pricing | None
) -> QuantizationReport:
    """The report with what running both networks showed."""
    scores = None
    if evidence.labels is not None:
        (name,) = found.decided_float
        scores = accuracy(evidence.labels, found.decided_float[name], found.decided_integer[name], classes)
    silent = [name for name, a in found.agreements.items() if a.rate_float == a.rate_integer == 0]
    energy = {} if pricing is None else {k: getattr(pricing, k) for k in ("kind", "source", "conditions")}
    return replace(
        report,
        populations=tuple(replace(p, agreement=found.agreements.get(p.name)) for p in report.populations),
        steps=found.steps,
        inferences=found.inferences,
        data=evidence.data,
        decisions_equal={
            name: float(np.mean(found.decided_float[name] == found.decided_integer[name]))
            for name in found.decided_float
        },
        accuracy=scores,
        calibration=evidence.calibration,
        warnings=(*evidence.warnings, *_silence(silent, len(found.agreements))),
        energy_uj=None if found.joules is None else 1e6 * found.joules,
        energy=energy,
    )


def _silence(silent: Sequence[str], populations: int) -> tuple[str, ...]:
    if not silent:
        return ()
    some = ", ".join(silent[:NAMED]) + (", …" if len(silent) > NAMED else "")
    many = f"{len(silent)} of {populations} populations never fire"
    remedy = "Try inputs that drive it harder, or, where a foreign file's neurons count steps, --dt 1."
    return (f"{many} on these inputs ({some}), float or integer: that they agree says nothing. {remedy}",)


def _classes(graph: Graph, networks: Sequence[IntegerNetwork], evidence: Evidence) -> list[str]:
    """Names of the classes, once it is sure that the labels fit; asked before the long work. Empty without labels."""
    if evidence.labels is None:
        return []
    for network in networks:
        if len(network.outputs) != 1:
            raise DataError(f"labels need a network with one output, this one has {len(network.outputs)}")
    size = networks[0].population(networks[0].outputs[0].source).size
    said = evidence.classes or graph.metadata.get("classes") or range(size)
    if not isinstance(said, Sequence):
        raise DataError(f"the classes of the network are {said!r}, they must be a list of names; mend its metadata")
    names = [str(name) for name in said]
    for shape in {np.shape(values)[1:2] for values in evidence.inputs.values()}:
        class_indices(evidence.labels, shape, names)
    return names


def _biases(population: Population) -> int:
    """How many biases a population has: one, one per channel of a convolution, or one per neuron."""
    bias = population.bias
    if not bias.ndim:
        return 1
    rows = bias.reshape(len(bias), -1)
    return len(rows) if bool(np.all(rows == rows[:, :1])) else bias.size


def _population(
    network: IntegerNetwork, name: str, said: Mapping[str, Any], spreads: Mapping[str, tuple[Histogram, Histogram]]
) -> PopulationFigures:
    bound = said["bound"]
    layers = tuple(
        LayerFigures(
            name=layer_name,
            **layer,
            bytes_before=FLOAT_BYTES * layer["weights"],
            bytes_after=math.ceil(layer["weights"] * layer["bits"] / 8),
            before=spreads[layer_name][0] if layer_name in spreads else None,
            after=spreads[layer_name][1] if layer_name in spreads else None,
        )
        for layer_name, layer in said["layers"].items()
    )
    return PopulationFigures(
        name=name,
        neurons=network.population(name).size,
        unit=said["unit"],
        vth=said["vth"],
        threshold_error=said["threshold_error"],
        decay_v=(said["decay_v"]["wanted"], said["decay_v"]["got"]),
        decay_u=(said["decay_u"]["wanted"], said["decay_u"]["got"]),
        bias_error=said["bias_error"],
        bound_kind=bound["kind"],
        bound_value=bound["value"],
        bound_limit=bound["limit"],
        margin=bound["margin"],
        layers=layers,
        helper=said.get("helper", ""),
    )
