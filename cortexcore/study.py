"""Quantize a graph, judge what came of it, and the same over several bit widths: behind the API and the command."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from cortexcore.calibration import Samples
from cortexcore.errors import QuantizationError
from cortexcore.export.graph import Graph
from cortexcore.export.network import IntegerNetwork
from cortexcore.export.nodes import Spiking
from cortexcore.export.passes.populations import normal_form
from cortexcore.export.quantize import QuantizationConfig
from cortexcore.export.quantize.mixed import MixedPrecision, choose_bits, weight_bytes
from cortexcore.export.quantize.post_training import assemble
from cortexcore.export.quantize.prepare import Prepared, prepare
from cortexcore.export.report.evaluate import Evidence, judge, static_report
from cortexcore.export.report.points import Sweep
from cortexcore.export.report.report import QuantizationReport
from cortexcore.export.report.sweep import checked_widths, sweep_of
from cortexcore.targets.energy.bits import PRICING, layer_bits, layer_energies_j

Progress = Callable[[str], None]
Range = tuple[int, int]
CHOSEN = "chosen"
"""The point of a sweep that is none of its widths: the network that was asked for."""
STRIDE = 256
"""A line of progress for about every so many inferences that were compared."""


@dataclass(frozen=True, eq=False)
class Wish:
    """How a graph is to be quantized.

    Attributes:
        graph: the float graph.
        config: bits, layers with bits of their own, scale.
        calibration: what ranges and scales are taken from, or None.
        judged: what the networks are judged on; the calibration if None.
        input_ranges: input → (lowest, highest) value it will ever get, or None.
        max_bytes, max_energy_uj: a budget that chooses each layer's bits instead; at most one of the two.
    """

    graph: Graph
    config: QuantizationConfig
    calibration: Samples | None = None
    judged: Samples | None = None
    input_ranges: Mapping[str, Range] | None = None
    max_bytes: int | None = None
    max_energy_uj: float | None = None


def check_wish(wish: Wish) -> None:
    """Refuse, before any data is read, what cannot be meant.

    Raises:
        GraphError: the graph has no integer counterpart; every reason is named.
        QuantizationError: bits for a layer that the graph does not have, or two budgets, or one of nothing.
    """
    if wish.config.overrides:
        layers = {s.name for p in normal_form(wish.graph.flat).populations for s in p.synapses}
        if unknown := sorted(map(str, wish.config.overrides.keys() - layers)):
            raise QuantizationError(
                f"there is no layer {', '.join(unknown)} to give bits to; there are {', '.join(sorted(layers))}"
            )
    if wish.max_bytes is not None and wish.max_energy_uj is not None:
        raise QuantizationError("the budget is either bytes or energy (--max-bytes or --max-energy-uj), not both")
    for name, budget in {"bytes": wish.max_bytes, "µJ": wish.max_energy_uj}.items():
        if budget is not None and not (isinstance(budget, Real) and math.isfinite(budget) and budget > 0):
            raise QuantizationError(f"the budget is {budget} {name}, it must be a positive number")


def quantized(
    wish: Wish, widths: Sequence[int] = (), progress: Progress = lambda line: None
) -> tuple[IntegerNetwork, QuantizationReport]:
    """The integer network and its report; with ``widths`` the report holds a sweep over them.

    Raises:
        GraphError, QuantizationError: what cannot be kept, all at once, each with its remedy.
        DataError: calibration or judged data do not fit the graph.
    """
    widths = checked_widths(widths) if widths else ()
    check_wish(wish)
    prepared = _prepared(wish)
    mixed = _mixed(wish, prepared, progress)
    network = assemble(prepared, wish.config if mixed is None else mixed.config)
    swept = _swept(wish, prepared, widths, progress)
    same = next((name for name, each in swept.items() if layer_bits(each) == layer_bits(network)), None)
    networks = {**swept} if same is not None else {**swept, CHOSEN: network}
    reports = dict(zip(networks, _reports(wish, list(networks.values()), progress), strict=True))
    report = reports[same or CHOSEN]
    if swept:
        report = replace(report, sweep=sweep_of(reports, {_name(width): width for width in widths}))
    if wish.max_energy_uj is not None and report.energy_uj is not None and report.energy_uj > wish.max_energy_uj:
        sentence = (
            f"On the judged inputs the modelled energy is {report.energy_uj:.4g} µJ, above the {wish.max_energy_uj:g} "
            "that were kept with the spikes that calibration gave at the bits to start from."
        )
        report = replace(report, warnings=(*report.warnings, sentence))
    network = _told(network, report, {} if mixed is None else {"mixed": mixed.to_json()})
    return network, report


def with_report(wish: Wish, network: IntegerNetwork) -> IntegerNetwork:
    """A network that was made of ``wish.graph``, judged beside that graph; errors as of :func:`quantized`."""
    check_wish(wish)
    (report,) = _reports(wish, [network], lambda line: None)
    return _told(network, report, {})


def output_spikes(graph: Graph) -> bool:
    """Whether every output of ``graph`` is what a spiking neuron sends."""
    form = normal_form(graph)
    spiking = {p.name for p in form.populations if isinstance(p.neuron, Spiking)}
    return all(source in spiking for _, source in form.outputs)


def _told(network: IntegerNetwork, report: QuantizationReport, more: Mapping[str, Any]) -> IntegerNetwork:
    """The network with its report, and with what calibrated and judged it in its metadata."""
    said = {**network.metadata["quantization"], "calibration": report.calibration, "judged": report.data, **more}
    return replace(network, report=report, metadata={**network.metadata, "quantization": said})


def swept(wish: Wish, widths: Sequence[int], progress: Progress = lambda line: None) -> Sweep:
    """The network at several bit widths, without choosing one of them; errors as of :func:`quantized`."""
    widths = checked_widths(widths)
    check_wish(wish)
    networks = _swept(wish, _prepared(wish), widths, progress)
    reports = dict(zip(networks, _reports(wish, list(networks.values()), progress), strict=True))
    return sweep_of(reports, {_name(width): width for width in widths})


def _name(width: int) -> str:
    return f"{width} bits"


def _prepared(wish: Wish) -> Prepared:
    return prepare(wish.graph, None if wish.calibration is None else wish.calibration.inputs, wish.input_ranges)


def _mixed(wish: Wish, prepared: Prepared, progress: Progress) -> MixedPrecision | None:
    """The layers' bits that the budget allows; None without one."""
    if wish.max_bytes is None and wish.max_energy_uj is None:
        return None
    if wish.calibration is None:
        raise QuantizationError("a budget needs calibration (--calibration), on which the bits' harm is measured")
    start = assemble(prepared, wish.config)
    first = next(iter(prepared.layers))
    if wish.max_bytes is not None:
        packed = weight_bytes(prepared.layers)
        report = static_report(start)
        rest = report.bytes_after - sum(layer.bytes_after for p in report.populations for layer in p.layers)
        budget: float = wish.max_bytes

        def cost(layer: str, bits: int) -> float:
            return packed(layer, bits) + (rest if layer == first else 0)

    else:
        per_bit, fixed = layer_energies_j(start, wish.calibration.inputs)
        budget = wish.max_energy_uj or 0.0

        def cost(layer: str, bits: int) -> float:
            return 1e6 * (per_bit[layer] * bits + (fixed if layer == first else 0.0))

    return choose_bits(wish.graph, wish.calibration.inputs, budget, cost, wish.config, wish.input_ranges, progress)


def _swept(wish: Wish, prepared: Prepared, widths: Sequence[int], progress: Progress) -> dict[str, IntegerNetwork]:
    """One network for each width; layers with bits of their own keep them."""
    networks = {}
    for width in widths:
        networks[_name(width)] = assemble(prepared, replace(wish.config, bits=width))
        progress(f"quantized to {width} bits")
    return networks


def _reports(wish: Wish, networks: Sequence[IntegerNetwork], progress: Progress) -> tuple[QuantizationReport, ...]:
    """Judged on the data there is, else from the networks alone."""
    evidence = _evidence(wish)
    if evidence is None:
        words = "Nothing was judged: without data a report tells grids and bounds alone, no agreement and no accuracy."
        return tuple(replace(static_report(n, wish.graph), warnings=(words,)) for n in networks)
    total, told = next(iter(evidence.inputs.values())).shape[1], 0

    def tell(done: int) -> None:
        nonlocal told
        if done >= told + STRIDE or (told and done == total):
            told = done
            progress(f"compared {done:,} of {total:,} inferences")

    return judge(wish.graph, networks, evidence, PRICING, tell)


def _evidence(wish: Wish) -> Evidence | None:
    judged = wish.judged or wish.calibration
    if judged is None:
        return None
    calibration = "" if wish.calibration is None else wish.calibration.what
    return Evidence(judged.inputs, judged.labels, None, judged.what, calibration, tuple(_warnings(wish, judged)))


def _warnings(wish: Wish, judged: Samples) -> list[str]:
    """What a reader must know before believing the figures."""
    found = list(judged.rounded)
    training = wish.graph.metadata.get("training")
    fitted = training.get("fitted_records", ()) if isinstance(training, Mapping) else ()
    if known := [name for name in judged.records if name in fitted]:
        found.append(
            f"The network was fitted on the judged {_records(known)}: figures on them say nothing about new patients."
        )
    if wish.judged is None:
        found.append("Judged on the inputs that also calibrated: other inputs may fare worse.")
    elif wish.calibration is not None and (
        both := [name for name in judged.records if name in wish.calibration.records]
    ):
        found.append(f"The judged {_records(both)} also calibrated: others may fare worse.")
    if judged.labels is None:
        found.append("The judged inputs have no labels, so there is no accuracy, only agreement with the float graph.")
    return found


def _records(names: Sequence[str]) -> str:
    return f"record{'s' if len(names) > 1 else ''} {', '.join(names)}"
