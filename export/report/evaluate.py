"""Make a quantization report: from the network's own metadata, and with data from running both networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError, QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork, Population
from cortexcore.export.report.accuracy import accuracy
from cortexcore.export.report.agreement import compare
from cortexcore.export.report.report import LayerFigures, PopulationFigures, QuantizationReport

Array = NDArray[Any]
FLOAT_BYTES = 4
BIAS_BYTES = 2


def static_report(network: IntegerNetwork) -> QuantizationReport:
    """The report without data: grids, sizes, bounds.

    Raises:
        QuantizationError: the network does not say how it was quantized.
    """
    said = network.metadata.get("quantization")
    if not isinstance(said, Mapping) or not {"scheme", "config", "inputs", "populations"} <= said.keys():
        raise QuantizationError("the network does not say how it was quantized; quantize its float graph again")
    populations = tuple(_population(network, p.name, said["populations"][p.name]) for p in network.populations)
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


def evaluate_report(
    graph: Graph,
    network: IntegerNetwork,
    inputs: Mapping[str, Array],
    labels: Array | None = None,
    classes: Sequence[str] | None = None,
    data: str = "",
) -> QuantizationReport:
    """The report with both networks run on the same inputs.

    Args:
        graph: the float graph that ``network`` was quantized from.
        network: the integer network.
        inputs: input name → integers [T, B, *shape].
        labels: class index of each inference [B]; needs a network with one output.
        classes: class names in index order; else ``graph.metadata["classes"]``, else the output's indices.
        data: what the inputs are, in words, e.g. "2,000 beats of records not fitted on".

    Raises:
        DataError: inputs or labels do not fit.
        QuantizationError: the network does not say how it was quantized.
    """
    report = static_report(network)
    found = compare(graph, network, inputs)
    judged = None
    if labels is not None:
        if len(network.outputs) != 1:
            raise DataError(f"labels need a network with one output, this one has {len(network.outputs)}")
        (port,) = network.outputs
        size = network.population(port.source).size
        names = list(classes or graph.metadata.get("classes") or map(str, range(size)))
        judged = accuracy(np.asarray(labels), found.decided_float[port.name], found.decided_integer[port.name], names)
    return replace(
        report,
        populations=tuple(replace(p, agreement=found.agreements[p.name]) for p in report.populations),
        steps=found.steps,
        inferences=found.inferences,
        data=data,
        decisions_equal={
            name: float(np.mean(found.decided_float[name] == found.decided_integer[name]))
            for name in found.decided_float
        },
        accuracy=judged,
    )


def _biases(population: Population) -> int:
    """How many biases a population has: one, one per channel of a convolution, or one per neuron."""
    bias = population.bias
    if not bias.ndim:
        return 1
    rows = bias.reshape(len(bias), -1)
    return len(rows) if bool(np.all(rows == rows[:, :1])) else bias.size


def _population(network: IntegerNetwork, name: str, said: Mapping[str, Any]) -> PopulationFigures:
    bound = said["bound"]
    layers = tuple(
        LayerFigures(
            name=layer_name,
            **layer,
            bytes_before=FLOAT_BYTES * layer["weights"],
            bytes_after=math.ceil(layer["weights"] * layer["bits"] / 8),
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
    )
