"""A sweep over bit widths as sections of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping

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
from cortexcore.export.report.points import Sweep, SweepPoint

KILOBYTES = 3000
"""Sizes from here on are drawn in kilobytes."""


def sweep_page(sweep: Sweep) -> str:
    """A self-contained HTML page.

    Raises:
        TargetUnavailable: jinja2 or matplotlib is not installed.
    """
    where = (
        f", compared on {counted(sweep.inferences, 'inference')} of {counted(sweep.steps, 'step')}"
        if sweep.inferences
        else ""
    )
    what = f": {sweep.data}" if sweep.data else ""
    seen = f" Calibrated on {sweep.calibration}." if sweep.calibration else ""
    items = [Fact("Float parameters", f"{shown(sweep.bytes_float)} bytes", "as float32")]
    if sweep.accuracy_float is not None:
        items += [
            Fact("Float accuracy", percent(sweep.accuracy_float)),
            Fact("Float macro-F1", percent(sweep.macro_f1_float)),
        ]
    start = Section("The float graph", warnings(sweep.warnings) + facts(items))
    title = "One network over its bit widths"
    return page(title, [start, *sweep_sections(sweep)], f"Quantized after training{where}{what}.{seen}")


def sweep_sections(sweep: Sweep) -> list[Section]:
    """The sweep's parts of a page."""
    found = [_pareto(sweep)] if sweep.inferences else []
    return [*found, _table(sweep), _layers(sweep)]


def _pareto(sweep: Sweep) -> Section:
    small = max(p.bytes for p in sweep.points) < KILOBYTES
    sizes = [p.bytes / (1 if small else 1000) for p in sweep.points]
    costs = [("size (bytes)" if small else "size (kB of 1000 bytes)", sizes)]
    energies = [p.energy_uj for p in sweep.points if p.energy_uj is not None]
    if len(energies) == len(sweep.points):
        factor, unit = joules(energies)
        costs.append((f"energy per inference ({unit}), {sweep.energy['kind']}", [factor * e for e in energies]))
    body = plots.pareto(costs, _scores(sweep), [p.name.removesuffix(" bits") for p in sweep.points])
    note = (
        "Numbers are bits per weight. The vertical axes do not start at 0 and, where errors lie far apart, are "
        f"logarithmic in the error: of {counted(sweep.inferences, 'inference')} each is worth {shown(_worth(sweep))} "
        "points."
    )
    if energies:
        note += (
            f" Energy is {sweep.energy['kind']}: {sweep.energy['conditions']} ({sweep.energy['source']}). It is not "
            "the energy of the host or of Loihi, which “cortexcore profile” gives."
        )
    return Section("What a bit is worth", body, note)


def _worth(sweep: Sweep) -> float:
    """One inference in percent of all."""
    return 100 / sweep.inferences


def _scores(sweep: Sweep) -> list[plots.Score]:
    """Accuracy and macro-F1, or without labels the share of the float graph's decisions."""
    least = _worth(sweep)
    if sweep.accuracy_float is None or sweep.macro_f1_float is None:
        same = [100 * decided(p) for p in sweep.points]
        return [plots.Score("same decision as the float graph (%)", same, None, least)]
    accuracies = [100 * (p.accuracy or 0.0) for p in sweep.points]
    macro = [100 * (p.macro_f1 or 0.0) for p in sweep.points]
    return [
        plots.Score("accuracy (%)", accuracies, 100 * sweep.accuracy_float, least),
        plots.Score("macro-F1 (%)", macro, 100 * sweep.macro_f1_float, least),
    ]


def decided(point: SweepPoint) -> float:
    """The share of inferences with the float graph's decision, at the output where it is smallest."""
    return min(point.decisions_equal.values(), default=0.0)


def _table(sweep: Sweep) -> Section:
    judged = sweep.inferences > 0
    factor, unit = joules([p.energy_uj or 0.0 for p in sweep.points])
    rows = [
        {"bits": p.name, "bytes": p.bytes}
        | ({f"energy {unit}": None if p.energy_uj is None else factor * p.energy_uj} if sweep.energy else {})
        | {
            "SQNR dB": tenths(p.sqnr_db),
            "clipped": p.clipped,
            "to zero": p.underflowed,
        }
        | ({"equal spikes %": hundredths(p.exact), "same decision %": hundredths(decided(p))} if judged else {})
        | ({"accuracy %": hundredths(p.accuracy), "macro-F1 %": hundredths(p.macro_f1)} if _labelled(sweep) else {})
        | ({"wraps": p.wraps, "clips": p.clips} if judged else {})
        for p in sweep.points
    ]
    if _labelled(sweep):
        floats: dict[str, object] = {name: None for name in rows[0]}
        floats |= {"bits": "float32", "bytes": sweep.bytes_float}
        floats |= {"accuracy %": hundredths(sweep.accuracy_float), "macro-F1 %": hundredths(sweep.macro_f1_float)}
        rows.insert(0, floats)
    note = "SQNR: all weights together, each layer by the mean over its weights of noise over signal."
    if judged:
        note += (
            " Equal spikes: of all (step, inference, neuron); silent in both counts as equal. Every row is calibrated "
            "on the same data."
        )
    return Section("Over the bit widths", table(rows), note + _own_bits(sweep))


def _own_bits(sweep: Sweep) -> str:
    """The bits of layers that no width gives."""
    swept = [p for p in sweep.points if p.bits is not None]
    fixed = {
        name: bits
        for name, bits in (swept[0].layer_bits.items() if swept else ())
        if any(p.layer_bits.get(name) != p.bits for p in swept)
    }
    said = f" With bits of their own: {_bits(fixed)}." if fixed else ""
    return said + "".join(f" “{p.name}”: {_bits(p.layer_bits)}." for p in sweep.points if p.bits is None)


def _bits(layers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {bits}" for name, bits in layers.items())


def _layers(sweep: Sweep) -> Section:
    widths = [p.name for p in sweep.points]
    names = list(sweep.points[0].layer_sqnr_db)
    body = plots.layers_over_widths(
        {name: [p.layer_sqnr_db.get(name) for p in sweep.points] for name in names}, widths, "SQNR (dB)"
    )
    spiking = list(sweep.points[0].population_exact)
    body += plots.layers_over_widths(
        {name: [100 * p.population_exact.get(name, math.nan) for p in sweep.points] for name in spiking},
        widths,
        "equal spikes (%)",
        shares=True,
    )
    note = "Where errors enter: each layer's weights."
    if spiking:
        note = f"Above w{note[1:]} Below where they show: each population's spikes, which carry all errors before them."
    return Section("Layer by layer over the bit widths", body, note)


def _labelled(sweep: Sweep) -> bool:
    return sweep.accuracy_float is not None
