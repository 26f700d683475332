"""The quantization report as a page."""

from __future__ import annotations

import math
from typing import Any

from cortexcore.export.report.html import (
    Fact,
    Section,
    facts,
    figure_svg,
    house_style,
    new_figure,
    page,
    percent,
    shown,
    table,
)
from cortexcore.export.report.report import QuantizationReport
from cortexcore.export.report.style import COLOURS, MUTED


def report_page(report: QuantizationReport) -> str:
    """A self-contained HTML page.

    Raises:
        TargetUnavailable: jinja2 or matplotlib is not installed.
    """
    return page("Quantization report", sections(report), subtitle=_subtitle(report))


def sections(report: QuantizationReport) -> list[Section]:
    """The page's parts, for other pages to take up."""
    found = [_summary(report)]
    if report.accuracy is not None:
        found.append(_accuracy(report))
    found.append(_layers(report))
    if report.inferences:
        found.append(_agreement(report))
    return [*found, _populations(report)]


def _subtitle(report: QuantizationReport) -> str:
    where = f", compared on {report.inferences:,} inferences of {report.steps} steps" if report.inferences else ""
    what = f": {report.data}" if report.data else ""
    return f"Float graph to integer network on Loihi's grids, scales by “{report.config['scale']}”{where}{what}."


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
    return Section(
        "At a glance",
        facts(items),
        "Sizes count weights packed at their bits and 2 bytes per bias; a decision is the argmax of the readout's "
        "membrane at the last step, or of spike counts. Macro-F1 is the mean over the classes that have cases.",
    )


def _accuracy(report: QuantizationReport) -> Section:
    rows = [
        {
            "class": c.name,
            "cases": c.cases,
            "Se float %": _hundred(c.sensitivity_float),
            "Se integer %": _hundred(c.sensitivity_integer),
            "+P float %": _hundred(c.predictivity_float),
            "+P integer %": _hundred(c.predictivity_integer),
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
            "SQNR dB": None if layer.sqnr_db is None else round(layer.sqnr_db, 1),
            "clipped": layer.clipped,
            "clipped %": _hundred(layer.clipped / max(1, layer.weights)),
            "to zero": layer.underflowed,
            "to zero %": _hundred(layer.underflowed / max(1, layer.weights)),
            "bytes": layer.bytes_after,
        }
        for p in report.populations
        for layer in p.layers
    ]
    drawn = [(layer.name, layer.sqnr_db) for p in report.populations for layer in p.layers if layer.sqnr_db is not None]
    body = table(rows)
    if drawn:
        body = (
            _bars([n for n, _ in drawn], [[v for _, v in drawn]], ["SQNR"], "signal to quantization noise (dB)") + body
        )
    return Section(
        "Weights",
        body,
        "SQNR is the ratio of a layer's weight energy to the energy of its rounding errors; about 6 dB per bit.",
    )


def _agreement(report: QuantizationReport) -> Section:
    rows: list[dict[str, Any]] = []
    for p in report.populations:
        if (a := p.agreement) is not None:
            rows.append(
                {
                    "population": p.name,
                    "neurons": p.neurons,
                    "equal spikes %": _hundred(a.exact),
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
        body = (
            _bars([n for n, _ in firing], rates, ["float", "integer"], "firing rate (spikes per neuron and step)")
            + body
        )
    return Section(
        "Float against integer, spike by spike",
        body,
        "Each population of the float graph and of the integer network on the same inputs. Cosine is that of all "
        "spikes, for a readout that of its membrane. Steps count from 0.",
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
            "bias error": p.bias_error,
            "bound": p.bound_kind,
            "reaches": round(p.bound_value),
            "bits of 23": round(math.log2(max(1.0, p.bound_value)), 1),
            "margin": p.margin,
        }
        for p in report.populations
    ]
    inputs = ", ".join(f"{n} [{v['low']}, {v['high']}] from {v['from']}" for n, v in report.inputs.items())
    return Section(
        "Scales and bounds",
        table(rows),
        "One unit: what an integer step of weights and threshold stands for. Bound: “static” is proven for every input "
        "in range; “calibrated” is the largest |u| or |v| seen, with the margin kept free on top. "
        f"Input ranges: {inputs}.",
    )


def _bars(names: list[str], series: list[list[float]], labels: list[str], axis: str) -> str:
    """Horizontal bars, one group per name."""
    width = 0.7 / len(series)
    figure, axes = new_figure(height=0.8 + 0.34 * len(names) * max(1.0, 0.75 * len(series)))
    with house_style():
        for i, (values, label) in enumerate(zip(series, labels, strict=True)):
            places = [k + (i - (len(series) - 1) / 2) * width for k in range(len(names))]
            bars = axes.barh(places, values, height=0.9 * width, label=label, color=COLOURS[i])
            axes.bar_label(bars, labels=[f"{v:.3g}" for v in values], padding=4, fontsize=9, color=MUTED)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(axis)
        axes.margins(x=0.08)
        if len(series) > 1:
            figure.legend(loc="outside upper right", ncols=len(series))
    return figure_svg(figure, "")


def _hundred(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)
