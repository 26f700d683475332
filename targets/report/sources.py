"""Where a profile's numbers come from: the published constants behind it, and what it assumes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files

from cortexcore.targets.energy.constants import constants
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report.parts import notes
from cortexcore.targets.report.values import quantity, unbroken


def constant_rows(profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """Every constant of the sources that these profiles' figures name, with its citation."""
    named = {figure.source for _, figure in _all_figures(profiles)}
    return [
        {
            "constant": name,
            "value": unbroken(quantity(row.value, row.unit)),
            "grade": row.grade,
            "source": row.source,
            "conditions": row.conditions,
        }
        for name, row in constants().items()
        if any(row.source in source for source in named)
    ]


def grades() -> str:
    """What the grades of constants mean, in one sentence."""
    text = files("cortexcore.targets.energy").joinpath("constants.json").read_text(encoding="utf-8")
    return "; ".join(f"{grade}: {meaning}" for grade, meaning in json.loads(text)["grades"].items()) + "."


def assumption_rows(profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """What modelled figures hold for, and the profiles' notes, each once, with the targets concerned."""
    holders: dict[str, list[str]] = {}
    for target, figure in _all_figures(profiles):
        if figure.kind == "modelled" and figure.conditions:
            holders.setdefault(figure.conditions, []).append(target)
    said = [(", ".join(dict.fromkeys(targets)), sentence) for sentence, targets in holders.items()]
    return [{"target": targets, "assumed": sentence} for targets, sentence in [*notes(profiles), *said]]


def _all_figures(profiles: Sequence[Profile]) -> Iterator[tuple[str, Figure]]:
    for p in profiles:
        parts = (p.latency, p.operations, p.memory, p.energy, p.break_even, p.equivalent, *p.layers.values())
        yield from ((p.target, figure) for part in parts for figure in part.values())
