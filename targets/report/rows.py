"""Figures as rows of a table: a key is a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cortexcore.export.report.html import Noted
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report.parts import RATIO, compared, groups
from cortexcore.targets.report.values import band, quantity, shown, unbroken


def latency_rows(profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """Targets below each other: one row per span ("per inference", "per step"), its percentiles side by side."""
    percentiles = list(dict.fromkeys(name.rsplit(" ", 1)[1] for p in profiles for name in p.latency))
    rows = []
    for profile in profiles:
        spans: dict[str, dict[str, Figure]] = {}
        for name, figure in profile.latency.items():
            span, percentile = name.rsplit(" ", 1)
            spans.setdefault(span, {})[percentile] = figure
        for span, figures in spans.items():
            first = next(iter(figures.values()))
            values = {name: shown(figures[name]) if name in figures else "–" for name in percentiles}
            rows.append({"target": profile.target, "latency": span, **values, **_origin(first)})
    return rows


def figure_rows(profiles: Sequence[Profile], part: str) -> list[dict[str, str]]:
    """Targets below each other: one row per figure of ``part``, e.g. ``"energy"``; what targets share stands once."""
    targets: dict[tuple[str, Figure], list[str]] = {}
    for profile in profiles:
        figures: Mapping[str, Figure] = getattr(profile, part)
        for name, figure in figures.items():
            targets.setdefault((name, figure), []).append(profile.target)
    return [
        {
            "target": ", ".join(names),
            "figure": name,
            "value": shown(f),
            "band": unbroken(band(f)) or "–",
            **_origin(f),
        }
        for (name, f), names in targets.items()
    ]


def compared_rows(profiles: Sequence[Profile]) -> list[dict[str, Noted | str]]:
    """Targets side by side: what several of them have, each value with its kind."""
    return [_across(label, profiles, figures) for label, figures in compared(profiles)]


def part_rows(profiles: Sequence[Profile], part: str) -> list[dict[str, Noted | str]]:
    """Every figure of ``part``, targets side by side."""
    fullest_first = sorted(profiles, key=lambda profile: -len(getattr(profile, part)))
    names = dict.fromkeys(name for profile in fullest_first for name in getattr(profile, part))
    return [_across(name, profiles, [getattr(p, part).get(name) for p in profiles]) for name in names]


def own_rows(profile: Profile, parts: Sequence[str]) -> list[dict[str, Noted | str]]:
    """All figures of these parts of one target: value and kind, band, source and conditions, said once in a row."""
    rows: list[dict[str, Noted | str]] = []
    for part, title, figures in groups(profile):
        before: tuple[str, str] | None = None
        for name, figure in figures.items() if part in parts else ():
            origin = (figure.source, figure.conditions)
            rows.append(
                {
                    "part": "" if before else title,
                    "figure": name,
                    "value": Noted(shown(figure), figure.kind),
                    "band": unbroken(band(figure)) or "–",
                    "source": "as above" if origin == before else Noted(*origin),
                }
            )
            before = origin
    return rows


def layer_rows(layers: Mapping[str, Mapping[str, Figure]]) -> list[dict[str, str]]:
    """Layers and their figures; whichever are more stand below each other."""
    names = list(dict.fromkeys(name for figures in layers.values() for name in figures))
    cells = {
        (layer, name): unbroken(quantity(figures[name].value, figures[name].unit)) if name in figures else "–"
        for layer, figures in layers.items()
        for name in names
    }
    if len(layers) > len(names):
        return [{"layer": layer} | {name: cells[layer, name] for name in names} for layer in layers]
    return [{"per inference": name} | {layer: cells[layer, name] for layer in layers} for name in names]


def occupancy_rows(profile: Profile) -> list[dict[str, Noted | str]]:
    """How full a chip's cores are: a row per kind of core, each value above what a core has of it."""
    return [
        {
            name: Noted(shown(entry), entry.conditions) if isinstance(entry, Figure) else entry
            for name, entry in row.items()
        }
        for row in profile.occupancy
    ]


def _across(label: str, profiles: Sequence[Profile], figures: Sequence[Figure | None]) -> dict[str, Noted | str]:
    cells = ("–" if f is None else Noted(shown(f), _remark(label, f)) for f in figures)
    return {"": label} | {p.target: cell for p, cell in zip(profiles, cells, strict=True)}


def _remark(label: str, figure: Figure) -> str:
    """The figure's kind; of a ratio also who takes less."""
    if not label.startswith(RATIO):
        return figure.kind
    less = "the SNN" if figure.value < 1 else "the ANN"
    return f"{figure.kind}; {less} takes less" if figure.value != 1 else figure.kind


def _origin(figure: Figure) -> dict[str, str]:
    return {"kind": figure.kind, "source": figure.source, "conditions": figure.conditions}
