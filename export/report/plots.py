"""The quantization report's figures; each stays legible from one layer to dozens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cortexcore.export.report.html import figure_svg, house_style, new_figure
from cortexcore.export.report.report import Histogram, LayerFigures, PopulationFigures
from cortexcore.export.report.style import COLOURS, INK, LINE, MUTED

COLUMNS = 4
LINES = len(COLOURS)
"""More curves than colours become an image, one row each."""
TICKS = 40
"""At most this many names stand beside an image's rows."""
LEAST_REACH = 2.0
"""Percent that an axis of shares spans at least, where one inference is worth much."""
LONG = 20
"""More bars than this stand closer together."""


def bars(names: Sequence[str], series: Sequence[Sequence[float]], labels: Sequence[str], axis: str) -> str:
    """Horizontal bars, one group per name."""
    width = 0.7 / len(series)
    row = 0.34 if len(names) <= LONG else 0.22
    figure, axes = new_figure(height=0.8 + row * len(names) * max(1.0, 0.75 * len(series)))
    with house_style():
        for i, (values, label) in enumerate(zip(series, labels, strict=True)):
            places = [k + (i - (len(series) - 1) / 2) * width for k in range(len(names))]
            drawn = axes.barh(places, values, height=0.9 * width, label=label, color=COLOURS[i])
            axes.bar_label(drawn, labels=[f"{v:.3g}" for v in values], padding=4, fontsize=9, color=MUTED)
        axes.set_yticks(range(len(names)), [_short(name, 28) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(axis)
        axes.margins(x=0.08)
        if len(series) > 1:
            figure.legend(loc="outside upper right", ncols=len(series))
    return figure_svg(figure, "")


def histograms(layers: Sequence[LayerFigures]) -> str:
    """One small panel per layer: its weights wanted (grey) and on the grid (coloured), by the same area."""
    drawn = [(layer, layer.before, layer.after) for layer in layers if layer.before and layer.after]
    if not drawn:
        return ""
    columns = min(COLUMNS, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    figure, axes = new_figure(width=2.5 * columns, height=1.9 * rows + 0.3, rows=rows, columns=columns)
    panels = list(axes.flat) if rows * columns > 1 else [axes]
    with house_style():
        for panel in panels[len(drawn) :]:
            panel.set_axis_off()
        for panel, (layer, before, after) in zip(panels, drawn, strict=False):
            _outline(panel, before)
            _levels(panel, after)
            panel.set_title(f"{_short(layer.name, 20)} · {layer.bits} bits", fontsize=9)
            panel.set_yticks([])
            panel.set_ylim(bottom=0)
            panel.margins(x=0.03)
            panel.locator_params(axis="x", nbins=4)
            panel.ticklabel_format(axis="x", style="sci", scilimits=(-3, 3))
            panel.tick_params(labelsize=8)
            panel.xaxis.get_offset_text().set_fontsize(8)
            panel.grid(visible=False)
        panels[0].set_ylabel("share of weights\nper unit", fontsize=8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, fontsize=9)
    return figure_svg(figure, "")


def over_time(populations: Sequence[PopulationFigures]) -> str:
    """Share of equal spikes at each step; a curve per population, or an image where there are many."""
    drawn = [(p.name, p.agreement) for p in populations if p.agreement and p.agreement.over_time]
    if not drawn:
        return ""
    values = np.array([a.over_time for _, a in drawn]) * 100
    span = drawn[0][1].span
    names = [name for name, _ in drawn]
    axis = "step" if span == 1 else f"step (each value the mean of {span} steps)"
    if len(drawn) > LINES:
        return _image(names, values, span, axis, "equal spikes (%)")
    figure, axes = new_figure(height=3.0)
    places = span * np.arange(values.shape[1])
    with house_style():
        for name, curve in zip(names, values, strict=True):
            axes.plot(places, curve, label=_short(name, 28), marker="o" if len(places) <= 40 else "", markersize=4)
        low = float(values.min())
        axes.set_ylim(min(low, 99.9) - 0.06 * (100 - min(low, 99.9)), 100 + 0.04 * (100 - min(low, 99.9)))
        axes.set_xlabel(axis)
        axes.set_ylabel("equal spikes (%)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside upper right", ncols=min(LINES, len(names)))
    return figure_svg(figure, "")


def layers_over_widths(
    rows: Mapping[str, Sequence[float | None]], widths: Sequence[str], unit: str, shares: bool = False
) -> str:
    """Layer → one value per bit width: a curve per layer, or an image where there are many; shares start anywhere."""
    names = list(rows)
    values = np.array([[np.nan if v is None else v for v in row] for row in rows.values()], np.float64)
    if not names or not np.isfinite(values).any():
        return ""
    if len(names) > LINES:
        return _image(names, values, 1, "", unit, widths)
    figure, axes = new_figure(height=3.0)
    with house_style():
        for name, curve in zip(names, values, strict=True):
            axes.plot(range(len(widths)), curve, label=_short(name, 28), marker="o", markersize=4)
        axes.set_xticks(range(len(widths)), widths)
        axes.set_ylabel(unit)
        if not shares:
            axes.set_ylim(bottom=min(0.0, float(np.nanmin(values))))
        figure.legend(loc="outside upper right", ncols=min(LINES, len(names)))
    return figure_svg(figure, "")


def _image(
    names: Sequence[str], values: Any, span: int, axis: str, unit: str, ticks: Sequence[str] | None = None
) -> str:
    figure, axes = new_figure(height=1.2 + 0.17 * max(6, len(names)))
    with house_style():
        right = values.shape[1] - 0.5
        extent = (-0.5 * span, right * span, len(names) - 0.5, -0.5)
        shown = axes.imshow(values, aspect="auto", interpolation="nearest", cmap="viridis", extent=extent)
        every = math.ceil(len(names) / TICKS)
        axes.set_yticks(range(0, len(names), every), [_short(name, 24) for name in names[::every]], fontsize=8)
        axes.grid(visible=False)
        if ticks is not None:
            axes.set_xticks(range(len(ticks)), ticks)
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel(axis)
        figure.colorbar(shown, ax=axes, label=unit, pad=0.01)
    return figure_svg(figure, "")


def _outline(panel: Any, histogram: Histogram) -> None:
    edges, density = _density(histogram)
    panel.stairs(density, edges, fill=True, color=LINE, label="float")
    panel.stairs(density, edges, color=MUTED, linewidth=0.8)


def _levels(panel: Any, histogram: Histogram) -> None:
    """Bars as wide as a level stands for, drawn a little narrower so that they stand apart."""
    edges, density = _density(histogram)
    widths, centres = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    panel.bar(centres, density, width=0.62 * widths, color=COLOURS[0], alpha=0.8, label="integer")


def _density(histogram: Histogram) -> tuple[Any, Any]:
    edges, counts = np.array(histogram.edges), np.array(histogram.counts, np.float64)
    return edges, counts / max(1.0, counts.sum()) / np.diff(edges)


def _short(name: str, most: int) -> str:
    name = f" {name}" if name.startswith("_") else name  # matplotlib leaves such names out of legends
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2) :]}"


@dataclass(frozen=True)
class Score:
    """One row of a Pareto plot: shares in percent, one per point, and the float graph's, if it has one.

    ``least`` is the smallest difference there can be, what one inference is worth.
    """

    axis: str
    values: Sequence[float]
    reference: float | None
    least: float


def pareto(costs: Sequence[tuple[str, Sequence[float]]], scores: Sequence[Score], names: Sequence[str]) -> str:
    """Each score against each cost; the points that no other beats are joined.

    Args:
        costs: what the cost is, with its unit → one per point; a column each.
        scores: a row each.
        names: what stands beside a point.
    """
    figure, axes = new_figure(
        width=5.0 * len(costs), height=3.3 * len(scores) + 0.3, rows=len(scores), columns=len(costs)
    )
    panels = np.array(axes, dtype=object).reshape(len(scores), len(costs))
    with house_style():
        for row, score in zip(panels, scores, strict=True):
            for panel, (axis, each) in zip(row, costs, strict=True):
                _points(panel, each, score, names)
                panel.set_xlabel(axis)
            row[0].set_ylabel(score.axis)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=3, fontsize=9)
    return figure_svg(figure, "")


def _points(panel: Any, costs: Sequence[float], score: Score, names: Sequence[str]) -> None:
    """One panel. Errors that lie far apart stand on a logarithmic axis, which is labelled with the shares."""
    every = [*score.values, *(() if score.reference is None else (score.reference,))]
    errors = [max(100 - value, score.least / 2) for value in every]
    logarithmic = max(errors) > 8 * min(errors)
    front = _front(costs, score.values)
    beaten = [i for i in range(len(costs)) if i not in front]
    heights = errors[: len(costs)] if logarithmic else list(score.values)
    level = errors[-1] if logarithmic else every[-1]
    if score.reference is not None:
        panel.axhline(level, color=COLOURS[1], linewidth=1.2, linestyle=(0, (4, 3)), label="float graph")
    for chosen, colour, label in (
        (front, COLOURS[0], "best for its cost"),
        (beaten, LINE, "no better than a cheaper one"),
    ):
        at = [costs[i] for i in chosen], [heights[i] for i in chosen]
        if chosen is front:
            panel.plot(*at, color=colour, linewidth=1.2, alpha=0.6)
        panel.scatter(*at, color=colour, edgecolor=MUTED, linewidth=0.8, zorder=4, s=40, label=label)
    for i, (x, y, name) in enumerate(zip(costs, heights, names, strict=True)):
        panel.annotate(
            name, (x, y), (0, -8), textcoords="offset points", ha="center", va="top", fontsize=8.5,
            color=INK if i in front else MUTED,
        )  # fmt: skip
    panel.set_xlim(*_room(costs))
    if logarithmic:
        _error_axis(panel, min(errors), max(errors))
    else:
        reach = max(max(every) - min(every), min(8 * score.least, LEAST_REACH))
        panel.set_ylim(min(every) - 0.3 * reach, max(every) + 0.2 * reach)
        panel.set_yticks([tick for tick in panel.get_yticks() if tick <= 100])
        panel.set_ylim(min(every) - 0.3 * reach, max(every) + 0.2 * reach)


def _error_axis(panel: Any, least: float, most: float) -> None:
    """A logarithmic axis of errors in percent, upside down and labelled with 100 − error."""
    panel.set_yscale("log")
    reach = math.log10(most / least)
    panel.set_ylim(most * 10 ** (0.2 * reach), least / 10 ** (0.12 * reach))
    low, high = sorted(panel.get_ylim())
    ticks = [m * 10.0**e for e in range(-4, 3) for m in (1, 2, 5) if low <= m * 10.0**e <= min(high, 100)]
    panel.set_yticks(ticks, [f"{100 - tick:.6g}" for tick in ticks])
    panel.minorticks_off()


def _front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """The points that none beats in both, cheapest first."""
    found: list[int] = []
    for i in sorted(range(len(costs)), key=lambda k: (costs[k], -scores[k])):
        if not found or scores[i] > scores[found[-1]]:
            found.append(i)
    return found


def _room(costs: Sequence[float]) -> tuple[float, float]:
    low, high = min(costs), max(costs)
    free = 0.1 * (high - low) or 0.05 * high or 1.0
    return low - free, high + free
