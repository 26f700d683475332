"""Profiles as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report.parts import compared, groups
from cortexcore.targets.report.values import band, quantity


def profiles_text(profiles: Sequence[Profile]) -> str:
    """What targets have in common side by side, where there are several; then all, a figure a line with its source."""
    lines = [*_side_by_side(profiles), ""] if len(profiles) > 1 else []
    for profile in profiles:
        lines.append(f"{profile.target}: {profile.conditions}")
        for _, title, figures in groups(profile):
            lines.append(f"  {title}")
            width = max(map(len, figures))
            for name, figure in figures.items():
                spread = f" ({band(figure)})" if band(figure) else ""
                value = quantity(figure.value, figure.unit)
                lines.append(f"    {name.ljust(width)}  {value}{spread}  {figure.kind}: {figure.source}")
        lines += _occupancy(profile)
        lines += [f"  {sentence}" for sentence in (profile.verdict, *profile.notes) if sentence]
        lines.append("")
    return "\n".join(lines).rstrip()


def _side_by_side(profiles: Sequence[Profile]) -> list[str]:
    return _aligned(
        [["", *(p.target for p in profiles)]] + [[label, *map(_cell, figures)] for label, figures in compared(profiles)]
    )


def _occupancy(profile: Profile) -> list[str]:
    """How full a chip's cores are, as a table; nothing where there is none."""
    if not profile.occupancy:
        return []
    rows = [
        [quantity(entry.value, entry.unit) if isinstance(entry, Figure) else entry for entry in row.values()]
        for row in profile.occupancy
    ]
    return ["  Cores", *(f"    {line}" for line in _aligned([list(profile.occupancy[0]), *rows]))]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equally many cells, as lines whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(figure: Figure | None) -> str:
    return "–" if figure is None else f"{quantity(figure.value, figure.unit)} ({figure.kind})"
