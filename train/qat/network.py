"""The trainable integer network: its forward pass is the golden arithmetic, its weights are floats behind a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cortexcore.errors import DataError, QuantizationError
from cortexcore.export.dynamics import dynamics
from cortexcore.export.graph import Graph
from cortexcore.export.integer import computing_order
from cortexcore.export.integer_currents import FLOAT64_EXACT, WRAP
from cortexcore.export.network import THRESHOLD_SHIFT, IntegerNetwork, Population
from cortexcore.export.passes.merge import per_channel
from cortexcore.export.passes.populations import FloatNetwork, FloatPopulation, normal_form
from cortexcore.export.quantize.effective import Effective, effective
from cortexcore.train.qat.neurons import QatNeurons, State
from cortexcore.train.qat.synapses import QatSynapses

SLOPE = 2.5
"""Of the fast sigmoid over (v − θ)/θ, as the shipped networks are trained with."""


@dataclass(frozen=True, eq=False)
class QatTrace:
    """What a forward pass gave, every value a whole number in float64.

    Attributes:
        outputs: output name → [T, B, *shape], spikes or v, with gradients.
        spikes, u, v: population → [T, B, *shape], u before and v after the reset; empty unless recorded.
        peaks: population → largest |u| or |v| before clip and reset; empty unless recorded.
    """

    outputs: Mapping[str, Tensor]
    spikes: Mapping[str, Tensor]
    u: Mapping[str, Tensor]
    v: Mapping[str, Tensor]
    peaks: Mapping[str, float]


class QatNetwork(nn.Module):
    """An integer network whose weights and biases can be trained; scales, decays and thresholds stay.

    Weights that are exactly zero in the graph stay zero. Biases are trained where each step adds them to v, one value
    per channel where they started so; the helper populations of delays and constant currents are left as they are.

    Args:
        graph: the float graph.
        network: what ``quantize`` made of it.
        slope: of the surrogate gradient.

    Raises:
        QuantizationError: ``network`` was not made from ``graph``, or its currents could pass 2^53.
    """

    def __init__(self, graph: Graph, network: IntegerNetwork, slope: float = SLOPE) -> None:
        super().__init__()
        self.graph, self.network = graph.flat, network
        self.floats: FloatNetwork = normal_form(graph)
        self.numbers = {p.name: effective(p, self.graph) for p in self.floats.populations}
        self.figures: Mapping[str, Any] = _figures(network, self.floats)
        wanted = {p.name: p for p in self.floats.populations}
        self.synapses = nn.ModuleList()
        self.neurons = nn.ModuleList()
        self._stages: dict[str, Stage] = {}
        for p in network.populations:
            said, numbers = self.figures[p.name], self.numbers.get(p.name)
            scale = 1.0 / said["unit"]
            synapses = []
            for s in p.synapses:
                known = None if numbers is None else numbers.weights.get(s.name)
                raw = None if known is None else known * (scale / 2.0**s.operation.weight_exp)
                peak = max(abs(limit) for limit in network.range_of(s.source))
                bits = said["layers"][s.name]["bits"]
                synapses.append(QatSynapses(s, raw, bits, peak, network.shape_of(s.source)))
            if sum(each.drive for each in synapses) > FLOAT64_EXACT - WRAP:
                raise QuantizationError(f"the current into '{p.name}' can pass 2^53: narrow the range of what feeds it")
            bias = None if numbers is None else _bias(wanted[p.name], numbers, self.graph, scale, p)
            neurons = QatNeurons(p, bias, said["unit"], slope)
            self.synapses.extend(synapses)
            self.neurons.append(neurons)
            self._stages[p.name] = Stage(p, tuple(synapses), neurons)

    def unit(self, population: str) -> float:
        """Float value of one integer of the population's v."""
        unit: float = self.figures[population]["unit"]
        return unit / 2.0**THRESHOLD_SHIFT

    def settle(self) -> None:
        """After an optimizer's step: masters back within the grid, zeros back to zero."""
        for stage in self._stages.values():
            for synapses in stage.synapses:
                synapses.settle()

    def stage(self, population: str) -> Stage:
        """The parts of one population."""
        return self._stages[population]

    def forward(self, inputs: Mapping[str, Tensor], record: bool = False) -> QatTrace:
        """Run from rest.

        Args:
            inputs: input name → whole numbers [T, B, *shape] in the port's range; one that was expanded over T
                (stride 0) is multiplied once.
            record: keep the states of every population and step.

        Raises:
            DataError: an input is missing, misshapen, not whole or out of range.
        """
        sent = self._checked(inputs)
        weights = {s.name: s.weight() for stage in self._stages.values() for s in stage.synapses}
        records: dict[str, _Record] = {}
        for group in computing_order(self.network):
            stages = [self._stages[p.name] for p in group]
            for stage, found in zip(stages, _run_group(stages, sent, weights, record), strict=True):
                records[stage.name] = found
                sent[stage.name] = torch.stack(found.s if stage.neurons.spiking else found.v)
        shaped = {p.name: p.shape for p in self.network.populations}
        outputs = {port.name: _shaped(sent[port.source], shaped[port.source]) for port in self.network.outputs}
        if not record:
            return QatTrace(outputs, {}, {}, {}, {})
        return QatTrace(
            outputs,
            {n: _shaped(torch.stack(r.s), shaped[n]) for n, r in records.items() if self._stages[n].neurons.spiking},
            {n: _shaped(torch.stack(r.u), shaped[n]) for n, r in records.items()},
            {n: _shaped(torch.stack(r.v), shaped[n]) for n, r in records.items()},
            {n: r.peak for n, r in records.items()},
        )

    def _checked(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if set(inputs) != {port.name for port in self.network.inputs}:
            names = sorted(port.name for port in self.network.inputs)
            raise DataError(f"the network's inputs are {names}, got {sorted(inputs)}")
        for port in self.network.inputs:
            values = inputs[port.name]
            if values.ndim != len(port.shape) + 2 or tuple(values.shape[2:]) != port.shape or not values.numel():
                raise DataError(
                    f"input '{port.name}' has shape {tuple(values.shape)}, it must be [T, B, *{port.shape}]"
                )
            seen = values[:1] if values.stride(0) == 0 else values
            if not bool((seen == torch.round(seen)).all()):
                raise DataError(f"input '{port.name}' holds values that are not integers; round it first")
            least, most = float(seen.min()), float(seen.max())
            if least < port.low or most > port.high:
                raise DataError(
                    f"input '{port.name}' holds values in [{least:g}, {most:g}], the network takes "
                    f"[{port.low}, {port.high}]"
                )
        if len({tuple(values.shape[:2]) for values in inputs.values()}) > 1:
            raise DataError("all inputs must have the same steps and batch")
        return dict(inputs)


@dataclass(frozen=True, eq=False)
class Stage:
    """A population, what feeds it, and its neurons."""

    population: Population
    synapses: tuple[QatSynapses, ...]
    neurons: QatNeurons

    @property
    def name(self) -> str:
        return self.population.name


class _Record:
    """All steps of one population, each [B, neurons]."""

    def __init__(self) -> None:
        self.u: list[Tensor] = []
        self.v: list[Tensor] = []
        self.s: list[Tensor] = []
        self.peak = 0.0

    def keep(self, state: State) -> None:
        self.u.append(state.u)
        self.v.append(state.v)
        self.s.append(state.s)
        self.peak = state.peak


def _run_group(
    stages: list[Stage], sent: Mapping[str, Tensor], weights: Mapping[str, Tensor], record: bool
) -> list[_Record]:
    """All steps of one group: currents from outside the group at once, the loop's own step by step."""
    steps, batch = next(iter(sent.values())).shape[:2]
    inside = {stage.name for stage in stages}
    arriving = [_from_outside(stage, inside, sent, weights, steps, batch) for stage in stages]
    biases = [stage.neurons.drive() for stage in stages]
    states = [stage.neurons.rest(batch) for stage in stages]
    records = [_Record() for _ in stages]
    for t in range(steps):
        before = {stage.name: _sends(stage, state) for stage, state in zip(stages, states, strict=True)}
        now: dict[str, Tensor] = {}
        for stage, outside, bias, state, kept in zip(stages, arriving, biases, states, records, strict=True):
            total = outside[t]
            for s in stage.synapses:
                if s.source in inside:
                    total = total + s(weights[s.name], (before if s.recurrent else now)[s.source])
            stage.neurons.step(total, bias, state, record)
            kept.keep(state)
            now[stage.name] = _sends(stage, state)
    return records


def _from_outside(
    stage: Stage, inside: set[str], sent: Mapping[str, Tensor], weights: Mapping[str, Tensor], steps: int, batch: int
) -> Tensor:
    """Σ a·2^6 [T, B, neurons] of what no neuron of the group sends."""
    size = stage.population.size
    total = torch.zeros(1, 1, 1, dtype=torch.float64)
    for s in stage.synapses:
        if s.source in inside:
            continue
        values = sent[s.source]
        if s.recurrent:
            values = torch.cat([torch.zeros_like(values[:1]), values[:-1]])
        different = 1 if values.stride(0) == 0 else steps
        values = values[:different]
        part = s(weights[s.name], values.reshape(-1, *s.source_shape))
        total = total + part.reshape(different, batch, size)
    return total.expand(steps, batch, size)


def _sends(stage: Stage, state: State) -> Tensor:
    return (state.s if stage.neurons.spiking else state.v).reshape(-1, *stage.population.shape)


def _shaped(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    return values.reshape(*values.shape[:2], *shape)


def _figures(network: IntegerNetwork, floats: FloatNetwork) -> Mapping[str, Any]:
    """What quantization said of each population, once it is sure that it was of this graph."""
    said = network.metadata.get("quantization")
    figures = said.get("populations", {}) if isinstance(said, Mapping) else {}
    integer = {s.name: s.operation.weight.shape for p in network.populations for s in p.synapses}
    strange = [
        s.name for p in floats.populations for s in p.synapses if integer.get(s.name) != s.operation.weight.shape
    ]
    missing = [p.name for p in network.populations if p.name not in figures]
    if strange or missing:
        raise QuantizationError(
            "the integer network was not quantized from this graph: "
            f"{', '.join(strange + missing)} differ; pass what quantize(graph) returned"
        )
    return figures


def _bias(
    wanted: FloatPopulation, numbers: Effective, graph: Graph, scale: float, p: Population
) -> NDArray[np.float64] | None:
    """The bias to train, in mantissas, with one value per channel where channels share theirs; None where fixed."""
    factors = dynamics(wanted.neuron, graph.dt_s, graph.discretization)
    if factors.alpha is not None or not np.any(numbers.bias) or not np.all(factors.gain):
        return None
    raw = np.asarray(numbers.bias * (scale * 2.0**THRESHOLD_SHIFT / 2.0**p.bias_exp))
    rows = per_channel(raw, p.shape) if raw.ndim else None
    return raw if rows is None else rows.reshape(-1, *(1 for _ in p.shape[1:]))
