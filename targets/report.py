"""Profiles as text for a terminal and as sections of a page; the data behind both is ``Profile.to_json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cortexcore.export.report.html import Section, page, table
from cortexcore.targets.profile import Figure, Profile

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
_PREFIXED = ("s", "J", "W")
_TITLES = {
    "latency": "Latency",
    "energy": "Energy per inference",
    "operations": "Operations per inference",
    "memory": "Memory",
    "break_even": "Against an int8 ANN of the same shape",
}
_KINDS = "Measured: on the thing itself. Simulated: on a simulation of it. Modelled: by arithmetic from its sources."


def quantity(value: float, unit: str) -> str:
    """A value with its unit, seconds and joules and watts with a prefix: ``quantity(2.5e-6, "J")`` is "2.5 µJ"."""
    if unit in _PREFIXED and value:
        scale, prefix = next((p for p in _PREFIXES if abs(value) >= p[0]), _PREFIXES[-1])
        return f"{value / scale:.3g} {prefix}{unit}"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
    return f"{number} {unit}"


def band(figure: Figure) -> str:
    """The figure's band, "3 to 4 µJ"; empty where it has none."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{quantity(figure.low, figure.unit)} to {quantity(figure.high, figure.unit)}"


def profiles_text(profiles: Sequence[Profile]) -> str:
    """All profiles, one figure a line with its kind and source."""
    lines: list[str] = []
    for profile in profiles:
        lines.append(f"{profile.target}: {profile.conditions}")
        for title, figures in _groups(profile):
            lines.append(f"  {title}")
            width = max(map(len, figures))
            for name, figure in figures.items():
                spread = f" ({band(figure)})" if band(figure) else ""
                value = quantity(figure.value, figure.unit)
                lines.append(f"    {name.ljust(width)}  {value}{spread}  {figure.kind}: {figure.source}")
        lines += [f"  {profile.verdict}", ""] if profile.verdict else [""]
    return "\n".join(lines).rstrip()


def profiles_html(profiles: Sequence[Profile], title: str) -> str:
    """All profiles as one page that needs nothing else.

    Raises:
        TargetUnavailable: jinja2 is not installed.
    """
    sections = [section for profile in profiles for section in profile_sections(profile)]
    return page(f"Profile of {title}", sections, subtitle=_KINDS)


def profile_sections(profile: Profile) -> list[Section]:
    """One target's part of a page: its figures, then its layers."""
    sections = []
    for title, figures in _groups(profile):
        note = profile.verdict if title == _TITLES["break_even"] else profile.conditions
        sections.append(Section(f"{profile.target} · {title}", table(_rows(figures)), note))
    if profile.layers:
        rows = _layer_rows(profile.layers)
        sections.append(Section(f"{profile.target} · Layers", table(rows), "Per inference, as the operations above."))
    return sections


def latency_rows(profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """Targets below each other: one row per span ("per inference", "per step"), its percentiles side by side."""
    rows = []
    for profile in profiles:
        spans: dict[str, dict[str, Figure]] = {}
        for name, figure in profile.latency.items():
            span, percentile = name.rsplit(" ", 1)
            spans.setdefault(span, {})[percentile] = figure
        for span, figures in spans.items():
            first = next(iter(figures.values()))
            values = {percentile: _value(figure) for percentile, figure in figures.items()}
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
            "value": _value(f),
            "band": _unbroken(band(f)) or "–",
            **_origin(f),
        }
        for (name, f), names in targets.items()
    ]


def _groups(profile: Profile) -> Iterator[tuple[str, Mapping[str, Figure]]]:
    for name, title in _TITLES.items():
        figures: Mapping[str, Figure] = getattr(profile, name)
        if figures:
            yield title, figures


def _rows(figures: Mapping[str, Figure]) -> list[dict[str, str]]:
    banded = any(band(figure) for figure in figures.values())
    return [
        {"figure": name, "value": _value(figure)}
        | ({"band": _unbroken(band(figure))} if banded else {})
        | _origin(figure)
        for name, figure in figures.items()
    ]


def _value(figure: Figure) -> str:
    return _unbroken(quantity(figure.value, figure.unit))


def _origin(figure: Figure) -> dict[str, str]:
    return {"kind": figure.kind, "source": figure.source, "conditions": figure.conditions}


def _unbroken(text: str) -> str:
    """A number stays on one line with its unit."""
    return text.replace(" ", "\u00a0")


def _layer_rows(layers: Mapping[str, Mapping[str, Figure]]) -> list[dict[str, str]]:
    columns = list(dict.fromkeys(name for figures in layers.values() for name in figures))
    return [
        {"layer": layer} | {c: quantity(figures[c].value, figures[c].unit) if c in figures else "" for c in columns}
        for layer, figures in layers.items()
    ]
