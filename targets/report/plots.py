"""The page's figures: latencies on one logarithmic axis; energies only beside what is priced alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from cortexcore.export.report.html import figure_svg, house_style, new_figure
from cortexcore.export.report.style import COLOURS, INK, MUTED
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report.values import quantity

KINDS = {"measured": COLOURS[0], "simulated": COLOURS[2], "modelled": COLOURS[1]}
SPANS = ("per inference", "per step")
SUM = "dynamic"
"""The energy's sum that follows its terms."""


def latency_plot(profiles: Sequence[Profile]) -> str:
    """p50 as a dot, a bar to p99, and thin the band of p50; the ANN where it ran beside the network."""
    panels = [(span, rows) for span in SPANS if (rows := _latencies(profiles, span))]
    if not panels:
        return ""
    height = 1.1 + 0.42 * max(len(rows) for _, rows in panels)
    figure, axes = new_figure(height=height, columns=len(panels))
    drawn = [axes] if len(panels) == 1 else list(axes)
    with house_style():
        for panel, (span, rows) in zip(drawn, panels, strict=True):
            for i, (p50, p99) in enumerate(rows.values()):
                colour = KINDS[p50.kind]
                if p50.low is not None and p50.high is not None:
                    panel.plot([p50.low, p50.high], [i, i], color=colour, linewidth=1, alpha=0.5)
                panel.plot([p50.value, p99.value], [i, i], color=colour, linewidth=5, alpha=0.5, solid_capstyle="butt")
                panel.plot(p50.value, i, "o", color=colour, markersize=7)
                panel.annotate(
                    quantity(p50.value, p50.unit), (p50.value, i), (0, 7), textcoords="offset points", ha="center",
                    fontsize=8.5, color=INK,
                )  # fmt: skip
            _seconds(panel)
            panel.set_yticks(range(len(rows)), list(rows))
            panel.set_ylim(len(rows) - 0.5, -0.75)
            panel.set_title(f"Latency {span}")
        _kinds_legend(figure, {p50.kind for _, rows in panels for p50, _ in rows.values()})
    return figure_svg(
        figure,
        "Dot: p50. Thick: to p99. Thin: fastest to slowest run where measured, the sources' band where modelled.",
    )


def alike_plot(profile: Profile) -> str:
    """The network's energy by terms above the ANN's, both on the same imagined core."""
    terms = {n.removeprefix("SNN: "): f for n, f in profile.break_even.items() if n.startswith("SNN: ")}
    ann = next((f for n, f in profile.break_even.items() if n.startswith("ANN")), None)
    if not terms or ann is None:
        return ""
    figure, panel = new_figure(height=1.9)
    with house_style():
        _stack(panel, 0, terms)
        panel.barh(1, ann.value, height=0.55, color=MUTED, label=f"int8 ANN {quantity(ann.value, 'J')}")
        panel.set_yticks([0, 1], ["SNN", "int8 ANN"])
        panel.set_ylim(1.6, -0.6)
        _joules(panel)
        figure.legend(loc="outside upper right", ncols=4, fontsize=9)
    return figure_svg(figure, "Energy per inference on the same 45 nm core; modelled.")


def terms_plot(profiles: Sequence[Profile]) -> str:
    """What makes up each target's dynamic energy; an axis each, since targets count different things."""
    every = [(p.target, dict(takewhile(lambda item: item[0] != SUM, p.energy.items()))) for p in profiles]
    different: list[dict[str, Figure]] = []
    for _, terms in every:
        if terms not in different and any(f.value for f in terms.values()):
            different.append(terms)
    rows = [("\n".join(target for target, same in every if same == terms), terms) for terms in different]
    if not rows:
        return ""
    figure, axes = new_figure(height=1.35 * len(rows), rows=len(rows))
    with house_style():
        for panel, (targets, terms) in zip([axes] if len(rows) == 1 else list(axes), rows, strict=True):
            _stack(panel, 0, terms)
            panel.set_yticks([0], [targets])
            panel.set_ylim(0.45, -0.45)
            _joules(panel)
            panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, fontsize=8.5, borderaxespad=0.2)
    return figure_svg(
        figure,
        "Terms of each target's dynamic energy per inference, modelled; an axis each: they count different things.",
    )


def _latencies(profiles: Sequence[Profile], span: str) -> dict[str, tuple[Figure, Figure]]:
    """Label → (p50, p99)."""
    rows = {}
    for p in profiles:
        for label, figures, name in ((p.target, p.latency, span), (f"{p.target}: ANN", p.equivalent, f"ANN {span}")):
            if f"{name} p50" in figures and f"{name} p99" in figures:
                rows[label] = (figures[f"{name} p50"], figures[f"{name} p99"])
    return rows


def _stack(panel: Any, place: float, terms: Mapping[str, Figure]) -> None:
    left = 0.0
    for colour, (name, figure) in zip(COLOURS * len(terms), terms.items(), strict=False):
        label = f"{name} {quantity(figure.value, figure.unit)}"
        panel.barh(place, figure.value, left=left, height=0.55, color=colour, label=label)
        left += figure.value


def _seconds(panel: Any) -> None:
    """A logarithmic axis of times; 1, 2, 5 are marked where it spans less than two decades."""
    from matplotlib.ticker import EngFormatter, LogLocator

    panel.set_xscale("log")
    panel.margins(x=0.12)
    low, high = panel.get_xlim()
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,), numticks=8))
    panel.xaxis.set_major_formatter(EngFormatter(unit="s"))
    panel.minorticks_off()
    panel.grid(visible=False, axis="y")


def _joules(panel: Any) -> None:
    from matplotlib.ticker import EngFormatter

    panel.xaxis.set_major_formatter(EngFormatter(unit="J"))
    panel.grid(visible=False, axis="y")


def _kinds_legend(figure: Any, kinds: set[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, marker="o", label=kind) for kind, colour in KINDS.items() if kind in kinds]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=9)
