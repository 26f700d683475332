"""Post-training quantization: a float graph becomes the integer network that every target runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import QuantizationError
from cortexcore.export import reference
from cortexcore.export.batches import batches
from cortexcore.export.bounds import Range
from cortexcore.export.graph import Graph
from cortexcore.export.network import InputPort, IntegerNetwork, OutputPort
from cortexcore.export.passes.populations import normal_form
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import effective
from cortexcore.export.quantize.measure import population_figures
from cortexcore.export.quantize.scale import choose
from cortexcore.export.report.evaluate import evaluate_report, static_report

Array = NDArray[Any]
INPUT_LIMIT = 2**23
"""Inputs are 24-bit integers."""
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
    floats = normal_form(graph)
    layers = {s.name for p in floats.populations for s in p.synapses}
    if unknown := sorted(set(config.overrides) - layers):
        raise QuantizationError(f"there is no layer {', '.join(unknown)} to override; there are {sorted(layers)}")
    ports, origins = _ports(graph, calibration, input_ranges)
    peaks = _peaks(graph, calibration)
    ranges = {port.name: (port.low, port.high) for port in ports} | {p.name: (0, 1) for p in floats.populations}
    populations = []
    figures: dict[str, Any] = {}
    for wanted in floats.populations:
        numbers = effective(wanted, graph)
        name = wanted.name
        choice = choose(wanted, numbers, config, ranges, peaks.get(name))
        populations.append(choice.population)
        figures[name] = population_figures(choice, numbers, config, peaks.get(name))
    quantization = {
        "scheme": SCHEME,
        "config": config.to_json(),
        "inputs": {p.name: {"low": p.low, "high": p.high, "from": origins[p.name]} for p in ports},
        "populations": figures,
    }
    outputs = tuple(OutputPort(name, source) for name, source in floats.outputs)
    metadata = {**graph.metadata, "quantization": quantization}
    network = IntegerNetwork(ports, tuple(populations), outputs, graph.dt_s, metadata)
    if calibration is None:
        return replace(network, report=static_report(network))
    return replace(network, report=evaluate_report(graph, network, calibration, data="the calibration inputs"))


def _peaks(graph: Graph, calibration: Mapping[str, Array] | None) -> dict[str, float]:
    """Neuron → the largest |u| or |v| on the calibration inputs, in float units; empty without any."""
    peaks: dict[str, float] = {}
    for some in () if calibration is None else batches(calibration):
        trace = reference.run(graph, some)
        for name, peak in trace.v_peak.items():
            peaks[name] = max(peaks.get(name, 0.0), peak, trace.current_peak[name])
    return peaks


def _ports(
    graph: Graph, calibration: Mapping[str, Array] | None, given: Mapping[str, Range] | None
) -> tuple[tuple[InputPort, ...], dict[str, str]]:
    """The input ports, and where each one's range comes from."""
    given = given or {}
    stored = graph.metadata.get("input_ranges", {})
    if not isinstance(stored, Mapping):
        raise QuantizationError(f"the graph's metadata has input_ranges {stored!r}: give {{input: (low, high)}}")
    if unknown := sorted(set(given) - set(graph.inputs)):
        raise QuantizationError(f"there is no input {', '.join(unknown)}; the inputs are {sorted(graph.inputs)}")
    ports: list[InputPort] = []
    origins: dict[str, str] = {}
    problems: list[str] = []
    for name, node in graph.inputs.items():
        seen = None if calibration is None else np.asarray(calibration.get(name, 0))
        if seen is not None and not (np.isfinite(seen).all() and np.array_equal(seen, np.round(seen))):
            problems.append(f"calibration input '{name}' holds values that are not integers (encode it first)")
            continue
        if name in given or name in stored:
            origins[name] = "argument" if name in given else "metadata"
            wanted = given[name] if name in given else stored[name]
        elif seen is not None and seen.size:
            origins[name], wanted = "calibration", (int(seen.min()), int(seen.max()))
        else:
            problems.append(
                f"input '{name}' has no range (give typical inputs, on the command line --calibration X.npz, "
                f"or input_ranges={{'{name}': (low, high)}})"
            )
            continue
        limits = _range(wanted)
        if limits is None:
            problems.append(f"input '{name}' has the range {wanted}, it must be two ascending 24-bit integers")
        elif seen is not None and seen.size and (seen.min() < limits[0] or seen.max() > limits[1]):
            problems.append(
                f"calibration input '{name}' holds values in [{seen.min()}, {seen.max()}], outside {limits}"
            )
        else:
            ports.append(InputPort(name, node.shape, *limits))
    if problems:
        raise QuantizationError("the inputs cannot be quantized: " + "; ".join(problems))
    return tuple(ports), origins


def _range(wanted: Any) -> Range | None:
    """(low, high) as integers, or None where ``wanted`` is no range of 24-bit integers."""
    try:
        low, high = (int(value) for value in wanted)
    except (TypeError, ValueError, OverflowError):
        return None
    return (low, high) if [low, high] == list(wanted) and -INPUT_LIMIT <= low <= high <= INPUT_LIMIT else None
