"""The quantization report as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cortexcore.export.report import plots
from cortexcore.export.report.html import (
    Fact,
    Section,
    counted,
    facts,
    hundredths,
    joules,
    page,
    percent,
    shown,
    table,
    tenths,
    warnings,
)
from cortexcore.export.report.report import LayerFigures, PopulationFigures, QuantizationReport
from cortexcore.export.report.sweep_page import sweep_sections


def report_page(report: QuantizationReport) -> str:
    """A self-contained HTML page.

    Raises:
        TargetUnavailable: jinja2 or matplotlib is not installed.
    """
    return page("Quantization report", sections(report), subtitle=_subtitle(report))


def sections(report: QuantizationReport) -> list[Section]:
    """The page's parts, for other pages to take up."""
    found = [_summary(report)]
    if report.sweep is not None:
        found += sweep_sections(report.sweep)
    if report.accuracy is not None:
        found.append(_accuracy(report))
    found.append(_layers(report))
    if any(layer.before for layer in _layers_of(report)):
        found.append(_histograms(report))
    if report.inferences:
        found.append(_agreement(report))
    return [*found, _populations(report)]


def _subtitle(report: QuantizationReport) -> str:
    where = (
        f", compared on {counted(report.inferences, 'inference')} of {counted(report.steps, 'step')}"
        if report.inferences
        else ""
    )
    what = f": {report.data}" if report.data else ""
    seen = f" Calibrated on {report.calibration}." if report.calibration else ""
    return f"Float graph to integer network on Loihi's grids, scales by “{report.config['scale']}”{where}{what}.{seen}"


def _layers_of(report: QuantizationReport) -> list[LayerFigures]:
    return [layer for p in _shared(report) for layer in p.layers]


def _shared(report: QuantizationReport) -> list[PopulationFigures]:
    """Populations that the float graph has too."""
    return [p for p in report.populations if not p.helper]


def _summary(report: QuantizationReport) -> Section:
    ratio = report.bytes_before / max(1, report.bytes_after)
    items = [
        Fact(
            "Parameters", f"{shown(report.bytes_after)} bytes", f"{shown(report.bytes_before)} in float32, {ratio:.1f}×"
        )
    ]
    items += [
        Fact("Same decision", percent(share), f"of float and integer at “{name}”")
        for name, share in report.decisions_equal.items()
    ]
    if (a := report.accuracy) is not None:
        items.append(Fact("Accuracy", percent(a.accuracy_integer), f"float {percent(a.accuracy_float)}"))
        items.append(Fact("Macro-F1", percent(a.macro_f1_integer), f"float {percent(a.macro_f1_float)}"))
    if report.inferences:
        wraps = sum(p.agreement.wraps for p in report.populations if p.agreement)
        clips = sum(p.agreement.clips for p in report.populations if p.agreement)
        items.append(Fact("Left the 24 bits", f"{shown(wraps + clips)}", f"{shown(wraps)} wraps, {shown(clips)} clips"))
    if report.energy_uj is not None:
        factor, unit = joules([report.energy_uj])
        value = f"{shown(factor * report.energy_uj)} {unit}"
        items.append(Fact("Energy", value, f"{report.energy['kind']}, per inference; see note"))
    model = f" Energy: {report.energy['conditions']} ({report.energy['source']})." if report.energy else ""
    return Section(
        "At a glance",
        warnings(report.warnings) + facts(items),
        "Sizes count weights packed at their bits and 2 bytes per bias; a decision is the argmax of the readout's "
        "membrane at the last step, or of spike counts. Macro-F1 is the mean over the classes that have cases." + model,
    )


def _accuracy(report: QuantizationReport) -> Section:
    rows = [
        {
            "class": c.name,
            "cases": c.cases,
            "Se float %": hundredths(c.sensitivity_float),
            "Se integer %": hundredths(c.sensitivity_integer),
            "+P float %": hundredths(c.predictivity_float),
            "+P integer %": hundredths(c.predictivity_integer),
        }
        for c in (report.accuracy.classes if report.accuracy else ())
    ]
    return Section(
        "Classes before and after",
        table(rows),
        "Se: sensitivity, +P: positive predictivity, per inference; a dash where a class has no cases or no calls.",
    )


def _layers(report: QuantizationReport) -> Section:
    rows = [
        {
            "layer": layer.name,
            "into": p.name,
            "weights": layer.weights,
            "bits": layer.bits,
            "weight_exp": layer.weight_exp,
            "SQNR dB": tenths(layer.sqnr_db),
            "clipped": layer.clipped,
            "clipped %": hundredths(layer.clipped / max(1, layer.weights)),
            "to zero": layer.underflowed,
            "to zero %": hundredths(layer.underflowed / max(1, layer.weights)),
            "bytes": layer.bytes_after,
        }
        for p in _shared(report)
        for layer in p.layers
    ]
    drawn = [(layer.name, layer.sqnr_db) for layer in _layers_of(report) if layer.sqnr_db is not None]
    body = table(rows)
    if drawn:
        names, values = [n for n, _ in drawn], [v for _, v in drawn]
        body = plots.bars(names, [values], ["SQNR"], "signal to quantization noise (dB)") + body
    return Section(
        "Weights",
        body,
        "SQNR is the ratio of a layer's weight energy to the energy of its rounding errors; about 6 dB per bit. A dash "
        "where nothing was lost. Clipped: beyond the grid; to zero: not zero before, zero after.",
    )


def _histograms(report: QuantizationReport) -> Section:
    return Section(
        "Weights before and after",
        plots.histograms(_layers_of(report)),
        "Grey: the float weights with the neurons' gains folded in. Coloured: the integers in the same units, each bar "
        "centred on a level of the grid, or on several where they are many. Heights are shares of the weights per unit "
        "of weight; the two differ by rounding, by clipping at the ends, and by where their bins lie.",
    )


def _agreement(report: QuantizationReport) -> Section:
    rows: list[dict[str, Any]] = []
    for p in report.populations:
        if (a := p.agreement) is not None:
            rows.append(
                {
                    "population": p.name,
                    "neurons": p.neurons,
                    "equal spikes %": hundredths(a.exact),
                    "cosine": a.cosine,
                    "rate float": a.rate_float,
                    "rate integer": a.rate_integer,
                    "first difference at step": a.first_divergence,
                    "wraps": a.wraps,
                    "clips": a.clips,
                }
            )
    firing = [(p.name, p.agreement) for p in report.populations if p.agreement and p.agreement.rate_float is not None]
    body = table(rows)
    if firing:
        rates = [[a.rate_float or 0.0 for _, a in firing], [a.rate_integer or 0.0 for _, a in firing]]
        names = [name for name, _ in firing]
        body = (
            plots.over_time(report.populations)
            + plots.bars(names, rates, ["float", "integer"], "firing rate (spikes per neuron and step)")
            + body
        )
    return Section(
        "Float against integer, spike by spike",
        body,
        "Each population of the float graph and of the integer network on the same inputs. Equal spikes: the share of "
        "(inference, neuron) alike at a step; silent in both counts as alike, so read it beside the firing rate. "
        "Cosine is that of all spikes, for a readout that of its membrane. Steps count from 0.",
    )


def _populations(report: QuantizationReport) -> Section:
    rows = [
        {
            "population": p.name,
            "one unit": p.unit,
            "threshold": p.vth,
            "threshold error %": None if p.threshold_error is None else 100 * p.threshold_error,
            "leak kept": p.decay_v[1],
            "leak error": p.decay_v[1] - p.decay_v[0],
            "current kept": p.decay_u[1] or None,
            "current error": p.decay_u[1] - p.decay_u[0] if p.decay_u[1] else None,
            "bias error": p.bias_error,
            "bound": p.bound_kind,
            "reaches": round(p.bound_value),
            "bits of 23": round(math.log2(max(1.0, p.bound_value)), 1),
            "margin": p.margin,
        }
        for p in _shared(report)
    ]
    helpers = "; ".join(f"“{p.name}”: {p.helper}" for p in report.populations if p.helper)
    inputs = ", ".join(f"{n} [{v['low']}, {v['high']}] from {v['from']}{_step(v)}" for n, v in report.inputs.items())
    return Section(
        "Scales and bounds",
        table(rows),
        "One unit: what an integer step of weights and threshold stands for; leak and current kept: the share of v and "
        "of u that is left after a step. Where a population's neurons differ, the threshold is the smallest and an "
        "error that of the neuron that fares worst. Bound: “static” is proven for every input "
        "in range; “calibrated” is the largest |u| or |v| seen, with the margin kept free on top. "
        f"Input ranges: {inputs}." + (f" Only the integer network has {helpers}." if helpers else ""),
    )


def _step(said: Mapping[str, Any]) -> str:
    return f", one unit is {said['step']:g}" if "step" in said else ""
