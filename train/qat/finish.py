"""From the trained network back to what is deployed: an integer network with its figures, and the float graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cortexcore.errors import QuantizationError
from cortexcore.export.batches import batches
from cortexcore.export.bounds import bound, sent_ranges
from cortexcore.export.dynamics import dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.network import STATE_LIMIT, THRESHOLD_SHIFT, IntegerNetwork, Population
from cortexcore.export.nodes import Float, Linear
from cortexcore.export.passes.as_graph import as_graph
from cortexcore.export.passes.merge import per_channel
from cortexcore.export.passes.populations import FloatPopulation, FloatSynapses
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.effective import Effective, drive_and_threshold
from cortexcore.export.quantize.measure import population_figures
from cortexcore.export.quantize.scale import Choice, Seen
from cortexcore.export.report.evaluate import static_report
from cortexcore.train.qat.network import QatNetwork


def to_integer(trained: QatNetwork, inputs: Mapping[str, Any] | None = None) -> IntegerNetwork:
    """The integer network with the trained weights and biases, its bounds proven anew.

    Args:
        trained: the network.
        inputs: input name → integers [T, B, *shape]; where no static bound holds any more, the largest |u| and |v|
            on them is what the metadata says, as of a calibrated bound.

    Returns:
        a network whose golden run equals ``trained``'s forward pass, with a static report.

    Raises:
        QuantizationError: a bound no longer holds and there are no ``inputs``, or they reach the 24-bit limit.
    """
    network = trained.network
    populations = tuple(_trained(trained, p) for p in network.populations)
    changed = replace(network, populations=populations, report=None)
    ranges = sent_ranges(changed)
    proven = {p.name: bound(p, ranges) for p in populations if p.name in trained.numbers}
    open_ended = [name for name, each in proven.items() if not each.holds]
    peaks = _peaks(trained, inputs, open_ended) if open_ended else {}
    said = network.metadata["quantization"]
    config = QuantizationConfig(**said["config"])
    figures = dict(said["populations"])
    for p in populations:
        if p.name not in proven:
            continue
        frozen = {s.name for s in trained.stage(p.name).synapses if s.frozen}
        untouched = {name: layer for name, layer in figures[p.name]["layers"].items() if name in frozen}
        scale = 1.0 / float(figures[p.name]["unit"])
        bits = {name: layer["bits"] for name, layer in figures[p.name]["layers"].items()}
        seen = None if proven[p.name].holds else Seen(peaks[p.name] / (scale * 2**THRESHOLD_SHIFT), {})
        choice = Choice(p, scale, "static" if seen is None else "calibrated", proven[p.name])
        own = replace(config, overrides={**config.overrides, **bits})
        figures[p.name] = population_figures(choice, _wanted(trained, p, scale), own, seen)
        figures[p.name]["layers"] |= untouched
        if seen is not None:
            figures[p.name]["bound"]["margin"] = STATE_LIMIT / peaks[p.name]
    metadata = {**network.metadata, "quantization": {**said, "populations": figures}}
    changed = replace(changed, metadata=metadata)
    return replace(changed, report=static_report(changed))


def to_graph(trained: QatNetwork) -> Graph:
    """The float graph that the trained integers stand for: their values times their units, decays as they were.

    Raises:
        GraphError: layers that quantization merged have no single node that could hold the result.
    """
    populations = []
    for p in trained.floats.populations:
        stage = trained.stage(p.name)
        scale = 1.0 / float(trained.figures[p.name]["unit"])
        factors = dynamics(p.neuron, trained.graph.dt_s, trained.graph.discretization)
        own = factors.gain if factors.input_gain is None else factors.gain * factors.input_gain
        weights = {s.name: s.weight().detach().numpy() * 2.0**s.operation.weight_exp / scale for s in stage.synapses}
        synapses = tuple(
            replace(s, operation=replace(s.operation, weight=_ungained(weights[s.name], own, p, s))) for s in p.synapses
        )
        bias = p.bias
        if not stage.neurons.frozen:
            added = stage.neurons.bias().detach().numpy() * 2.0 ** (stage.population.bias_exp - THRESHOLD_SHIFT) / scale
            drive, _ = drive_and_threshold(factors)
            bias = np.asarray((np.broadcast_to(added, p.neuron.shape) - drive) / own)
        populations.append(replace(p, synapses=synapses, bias=bias))
    return as_graph(replace(trained.floats, populations=tuple(populations)), trained.graph)


def _trained(trained: QatNetwork, p: Population) -> Population:
    """The population with the weights and the bias that its forward pass has now."""
    stage = trained.stage(p.name)
    synapses = tuple(
        replace(s, operation=replace(s.operation, weight=each.weight().detach().numpy().astype(np.int32)))
        for s, each in zip(p.synapses, stage.synapses, strict=True)
    )
    if stage.neurons.frozen:
        return replace(p, synapses=synapses)
    bias = stage.neurons.bias().detach().numpy().astype(np.int32)
    # Biases that were alike, which are one number then, may differ now.
    return replace(p, synapses=synapses, bias=np.array(np.broadcast_to(bias, p.shape)) if bias.ndim else bias)


def _wanted(trained: QatNetwork, p: Population, scale: float) -> Effective:
    """The trained numbers before rounding, in float units, which the figures measure the grids against."""
    stage, numbers = trained.stage(p.name), trained.numbers[p.name]
    weights = {s.name: s.wanted() * 2.0**s.operation.weight_exp / scale for s in stage.synapses}
    if stage.neurons.frozen:
        return replace(numbers, weights=weights)
    bias = stage.neurons.wanted_bias() * 2.0 ** (p.bias_exp - THRESHOLD_SHIFT) / scale
    return replace(numbers, weights=weights, bias=np.array(np.broadcast_to(bias, p.bias.shape)))


def _peaks(trained: QatNetwork, inputs: Mapping[str, Any] | None, names: list[str]) -> dict[str, float]:
    """The largest |u| or |v| of the populations ``names`` on ``inputs``, before anything is clipped."""
    if inputs is None:
        raise QuantizationError(
            f"after training no static bound keeps {', '.join(names)} within 24 bits: give inputs to calibrate with"
        )
    peaks = dict.fromkeys(names, 1.0)
    with torch.no_grad():
        for some in batches(inputs):
            trace = trained({name: torch.from_numpy(np.array(a)) for name, a in some.items()}, record=True)
            peaks = {name: max(peak, trace.peaks[name]) for name, peak in peaks.items()}
    if over := [name for name, peak in peaks.items() if peak > STATE_LIMIT]:
        raise QuantizationError(
            f"training drove {', '.join(over)} beyond 24 bits: lower the learning rate, or use a larger margin"
        )
    return peaks


def _ungained(weight: Float, gain: Float, p: FloatPopulation, synapses: FloatSynapses) -> Float:
    """Weights without the gain of the neurons they feed; as they were where that is 0."""
    rows = gain
    if gain.ndim:
        flat = gain.reshape(-1) if isinstance(synapses.operation, Linear) else per_channel(gain, p.neuron.shape)
        if flat is None:
            raise TypeError(
                "a kernel cannot hold gains that differ within a channel; the normal form makes it a matrix"
            )
        rows = flat.reshape(-1, *(1 for _ in weight.shape[1:]))
    silent = rows == 0
    return np.asarray(np.where(silent, synapses.operation.weight, weight / np.where(silent, 1.0, rows)))
