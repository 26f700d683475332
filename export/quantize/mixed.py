"""Mixed precision: how many bits each layer can have so that the network stays within a budget with the least harm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.batches import batches
from cortexcore.export.bounds import Range
from cortexcore.export.graph import Graph
from cortexcore.export.network import THRESHOLD_SHIFT, IntegerNetwork
from cortexcore.export.quantize.config import QuantizationConfig
from cortexcore.export.quantize.post_training import assemble, check_config
from cortexcore.export.quantize.prepare import Prepared, prepare
from cortexcore.export.report.agreement import decisions

Array = NDArray[Any]
Cost = Callable[[str, int], float]
"""(layer, bits) → what the layer costs at these weight bits, in any unit: bytes, joules; more bits cost no less."""
LOWEST = 2
JUDGED = 128
"""Harm is measured on this many of the calibration's inferences at most, evenly spaced."""


@dataclass(frozen=True)
class MixedStep:
    """The network after one layer's bits were changed.

    Attributes:
        layer, bits: what was changed, and to what; layer "" is the start, where nothing was.
        cost: of all layers.
        harm: mean over the outputs of Σ(integer − float)² / Σ float² over all steps, of readouts in float units, of
            spikes counted so far, since a spike that comes a step late is less than one that is lost.
        decisions_equal: share of inferences in which float and integer network decide alike, of all outputs.
    """

    layer: str
    bits: int
    cost: float
    harm: float
    decisions_equal: float


@dataclass(frozen=True, eq=False)
class MixedPrecision:
    """The bits that were chosen, and how.

    Attributes:
        config: the given configuration with an override for every layer.
        budget: what had to be kept; ``cost``: what the choice costs; ``least``: what the fewest bits would cost.
        steps: from the start to the choice.
    """

    config: QuantizationConfig
    budget: float
    cost: float
    least: float
    steps: tuple[MixedStep, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "config": self.config.to_json(),
            "budget": self.budget,
            "cost": self.cost,
            "least": self.least,
            "steps": [asdict(step) for step in self.steps],
        }


def choose_bits(
    graph: Graph,
    calibration: Mapping[str, Array],
    budget: float,
    cost: Cost | None = None,
    config: QuantizationConfig | None = None,
    input_ranges: Mapping[str, Range] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> MixedPrecision:
    """Choose each layer's bits, at most those of ``config``, so that all of them together cost at most ``budget``.

    Takes a bit from one layer after the other, each time from the one where measured harm grows least for what it
    saves, until the budget is kept; then gives bits back one by one while there is room, and takes the least harm met
    within the budget. The same arguments give the same choice.

    Args:
        graph, calibration, input_ranges: as of :func:`cortexcore.export.quantize.quantize`; harm is measured on the
            calibration.
        budget: in the unit of ``cost``.
        cost: what a layer costs; without, the bytes of its weights (biases not counted).
        config: scale choice and the bits to start from, 8 by default.
        progress: called with a line per step.

    Returns:
        the configuration to quantize with, and the steps to it.

    Raises:
        QuantizationError: no bits keep the budget (the error says what the fewest cost), the budget is no number, or
            the graph cannot be quantized to begin with.
        GraphError, DataError: as of ``quantize``.
    """
    if not math.isfinite(budget):
        raise QuantizationError(f"the budget is {budget}, it must be a finite number")
    search = _Search(prepare(graph, calibration, input_ranges), calibration, config or QuantizationConfig(), cost)
    least = sum(search.cost(layer, LOWEST) for layer in search.start)
    if least > budget:
        raise QuantizationError(
            f"no bit widths keep the budget of {budget:g}: with every layer at {LOWEST} bits the network still costs "
            f"{least:g} (allow at least that, or prune the network)"
        )
    bits = dict(search.start)
    steps = [search.step("", bits)]
    progress(_line(steps[0], budget))
    while search.total(bits) > budget:
        steps.append(search.best(bits, steps[-1], -1, math.inf))
        bits[steps[-1].layer] = steps[-1].bits
        progress(_line(steps[-1], budget))
    kept = len(steps)
    while given := search.best_or_none(bits, steps[-1], 1, budget):
        steps.append(given)
        bits[given.layer] = given.bits
        progress(_line(given, budget))
    best = min(range(kept - 1, len(steps)), key=lambda i: steps[i].harm)
    steps = steps[: best + 1]
    bits = {**search.start, **{step.layer: step.bits for step in steps if step.layer}}
    chosen = replace(search.config, overrides=bits)
    return MixedPrecision(chosen, float(budget), search.total(bits), least, tuple(steps))


def weight_bytes(layers: Mapping[str, int]) -> Cost:
    """The bytes of a layer's weights at so many bits; ``layers``: layer → its number of weights."""
    return lambda layer, bits: math.ceil(layers[layer] * bits / 8)


class _Search:
    """One graph, and what each choice of bits does to its outputs."""

    def __init__(
        self, prepared: Prepared, calibration: Mapping[str, Array], config: QuantizationConfig, cost: Cost | None
    ) -> None:
        check_config(prepared, config)
        self.prepared, self.config = prepared, config
        self.cost = cost or weight_bytes(prepared.layers)
        self.start = {layer: config.bits_of(layer) for layer in prepared.layers}
        self.parts = [part for part in batches(_thinned(calibration))]
        self.wanted = [reference.run(prepared.graph, part).outputs for part in self.parts]

    def total(self, bits: Mapping[str, int]) -> float:
        return float(sum(self.cost(layer, count) for layer, count in bits.items()))

    def step(self, layer: str, bits: Mapping[str, int]) -> MixedStep:
        """The network at ``bits`` after ``layer`` was changed, measured."""
        harm, equal = self._measured(assemble(self.prepared, replace(self.config, overrides=dict(bits))))
        return MixedStep(layer, bits.get(layer, 0), self.total(bits), harm, equal)

    def best(self, bits: Mapping[str, int], now: MixedStep, change: int, budget: float) -> MixedStep:
        """The change of one layer's bits that harms least for what it saves.

        Raises:
            QuantizationError: no layer can change.
        """
        found = self.best_or_none(bits, now, change, budget)
        if found is None:
            raise QuantizationError(
                f"the bits stop at a cost of {now.cost:g}, above the budget: fewer cost no less, or fit no scale"
            )
        return found

    def best_or_none(self, bits: Mapping[str, int], now: MixedStep, change: int, budget: float) -> MixedStep | None:
        """As :meth:`best`, or the bit given back with the least harm; None where no change keeps ``budget``."""
        candidates: list[tuple[float, float, MixedStep]] = []
        for layer, count in bits.items():
            if not LOWEST <= count + change <= self.start[layer]:
                continue
            changed = {**bits, layer: count + change}
            difference = abs(self.total(changed) - now.cost)
            if self.total(changed) > budget or (change < 0 and self.total(changed) >= now.cost):
                continue
            try:
                step = self.step(layer, changed)
            except QuantizationError:
                continue  # these bits fit no scale, others may
            grown = max(step.harm - now.harm, 0.0) / (difference or 1.0)
            candidates.append((grown if change < 0 else step.harm, -difference, step))
        return min(candidates, key=lambda each: each[:2])[2] if candidates else None

    def _measured(self, network: IntegerNetwork) -> tuple[float, float]:
        """Harm and share of equal decisions."""
        noise, power = ({port.name: 0.0 for port in network.outputs} for _ in range(2))
        equal: list[float] = []
        for part, wanted in zip(self.parts, self.wanted, strict=True):
            outputs = integer.run(network, part).outputs
            for port in network.outputs:
                spiking = network.population(port.source).vth is not None
                got, true = outputs[port.name].astype(np.float64), wanted[port.name]
                if spiking:
                    got, true = got.cumsum(axis=0), true.cumsum(axis=0)
                else:
                    got *= network.metadata["quantization"]["populations"][port.source]["unit"] / 2**THRESHOLD_SHIFT
                noise[port.name] += float(np.square(got - true).sum())
                power[port.name] += float(np.square(true).sum())
                decided = [decisions(each, spiking) for each in (outputs[port.name], wanted[port.name])]
                equal += (decided[0] == decided[1]).tolist()
        harm = [noise[name] / (power[name] or 1.0) for name in noise]
        return float(np.mean(harm)), float(np.mean(equal))


def _thinned(calibration: Mapping[str, Array]) -> dict[str, Array]:
    """At most ``JUDGED`` inferences of [T, B, *shape], evenly spaced."""
    arrays = {name: np.asarray(values) for name, values in calibration.items()}
    count = next(iter(arrays.values())).shape[1]
    kept = np.linspace(0, count - 1, min(JUDGED, count)).round().astype(np.int64)
    return {name: values[:, kept] for name, values in arrays.items()}


def _line(step: MixedStep, budget: float) -> str:
    change = f"{step.layer} to {step.bits} bits" if step.layer else "start"
    harm = f"output error {step.harm:.3g}, {step.decisions_equal:.1%} decide as the float network"
    return f"{change}: {step.cost:.6g} of the budget of {budget:g}, {harm}"
