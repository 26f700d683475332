"""Post-training quantization: a float graph becomes the integer network that every target runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import QuantizationError
from cortexcore.export.bounds import Range
from cortexcore.export.graph import Graph
from cortexcore.export.network import InputPort, IntegerNetwork, OutputPort, Population
from cortexcore.export.passes.input_steps import steps_of
from cortexcore.export.passes.populations import FloatPopulation
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.helpers import BIAS_BITS, Helpers, with_constant
from cortexcore.export.quantize.measure import helper_figures, population_figures
from cortexcore.export.quantize.prepare import Prepared, prepare
from cortexcore.export.quantize.scale import choose
from cortexcore.export.report.evaluate import evaluate_report, static_report

Array = NDArray[Any]
SCHEME = "loihi"
"""Symmetric post-training quantization, one scale per population, on Loihi's grids."""


def quantize(
    graph: Graph,
    config: QuantizationConfig | None = None,
    calibration: Mapping[str, Array] | None = None,
    input_ranges: Mapping[str, Range] | None = None,
) -> IntegerNetwork:
    """Quantize a float graph; its inputs must be integers (graded values or 0/1 spikes).

    Args:
        graph: the float graph.
        config: bits per layer and how scales are chosen; the defaults are 8 bits and "max".
        calibration: input name → integers [T, B, *shape]; they bound u and v where no static bound is fine
            enough, and give the inputs' ranges where nothing else does.
        input_ranges: input name → (low, high), both inclusive; else ``graph.metadata["input_ranges"]``, else the
            calibration's extremes. The integer network refuses inputs outside.

    Returns:
        the integer network; ``metadata["quantization"]`` holds the scheme, the configuration, each population's
        float value of one integer unit, its bound, and what each layer lost; ``report`` holds the same as a
        report, with calibration also how alike both networks behave on it.

    Raises:
        GraphError: the graph has no integer counterpart; every reason is named.
        QuantizationError: a layer override, an input range or the calibration does not fit, or no scale does.
        DataError: calibration inputs are misshapen.
    """
    config = config or QuantizationConfig()
    network = assemble(prepare(graph, calibration, input_ranges), config)
    if calibration is None:
        return replace(network, report=static_report(network, graph))
    return replace(network, report=evaluate_report(graph, network, calibration, data="the calibration inputs"))


def assemble(prepared: Prepared, config: QuantizationConfig) -> IntegerNetwork:
    """The integer network of a prepared graph, without a report.

    Raises:
        QuantizationError: a layer override does not fit, "activity" lacks its calibration, or no scale fits.
    """
    floats = prepared.floats
    check_config(prepared, config)
    ranges = {port.name: (port.low, port.high) for port in prepared.ports}
    ranges |= {p.name: (0, 1) for p in floats.populations}
    shapes = {**floats.inputs, **{p.name: p.neuron.shape for p in floats.populations}}
    helpers = Helpers(shapes, {*prepared.graph.nodes, *prepared.layers})
    rows: dict[str, list[Population]] = {}
    figures: dict[str, Any] = {}
    for wanted in floats.populations:
        name, numbers, rows[wanted.name], own = wanted.name, prepared.numbers[wanted.name], [], config
        if np.any(numbers.current):
            on = helpers.always_on(name)
            ranges[on.name] = (0, 1)
            rows[name].append(on)
            layer = helpers.free(f"{on.name}_to_{name}")
            wanted, numbers = with_constant(wanted, numbers, layer, on.name)
            own = replace(config, overrides={**config.overrides, layer: BIAS_BITS})
        choice = choose(wanted, numbers, own, ranges, prepared.seen.get(name))
        figures[name] = population_figures(choice, numbers, own, prepared.seen.get(name))
        rows[name].append(_delayed(choice.population, wanted, helpers))
    populations: list[Population] = [helper for port in prepared.ports for helper in helpers.after.get(port.name, ())]
    for name, row in rows.items():
        populations += [*row, *helpers.after.get(name, ())]
    figures |= {p.name: helper_figures(p, helpers.words[p.name]) for p in populations if p.name in helpers.words}
    quantization = {
        "scheme": SCHEME,
        "config": config.to_json(),
        "inputs": {p.name: _port(p, prepared) for p in prepared.ports},
        "populations": figures,
    }
    outputs = tuple(OutputPort(name, source) for name, source in floats.outputs)
    metadata = {**prepared.graph.metadata, "quantization": quantization}
    return IntegerNetwork(prepared.ports, tuple(populations), outputs, prepared.graph.dt_s, metadata)


def _port(port: InputPort, prepared: Prepared) -> dict[str, Any]:
    """An input's range and its origin; with a step also the float value of one of its integer units."""
    said = {"low": port.low, "high": port.high, "from": prepared.origins[port.name]}
    step = steps_of(prepared.graph).get(port.name)
    return said if step is None else {**said, "step": step}


def check_config(prepared: Prepared, config: QuantizationConfig) -> None:
    """Refuse what ``config`` asks of layers or of a calibration that are not there.

    Raises:
        QuantizationError: a layer override names no layer, or "activity" lacks its calibration.
    """
    if unknown := sorted(set(config.overrides) - prepared.layers.keys()):
        raise QuantizationError(
            f"there is no layer {', '.join(unknown)} to override; there are {sorted(prepared.layers)}"
        )
    if config.scale == "activity" and not prepared.seen:
        raise QuantizationError(
            "the scale 'activity' weighs errors by what the inputs send: give calibration data (--calibration X.npz), "
            "or use 'mse', which needs none"
        )


def _delayed(population: Population, wanted: FloatPopulation, helpers: Helpers) -> Population:
    """The population reading relays where its connections are delayed."""
    synapses = tuple(
        replace(s, source=helpers.relay(s.source, w.delay + w.recurrent), recurrent=True) if w.delay else s
        for s, w in zip(population.synapses, wanted.synapses, strict=True)
    )
    return replace(population, synapses=synapses)
