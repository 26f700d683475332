"""Where a profile's numbers come from: the published constants behind it, and what it assumes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from cortexcore.targets.energy.constants import constants
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report.values import quantity, unbroken


def constant_rows(profiles: Sequence[Profile]) -> list[dict[str, str]]:
    """Every constant of the sources that these profiles' figures name, with its citation."""
    named = set().union(*map(_sources_of, profiles))
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
    """The profiles' notes, and what their modelled figures hold for; each once, with its targets.

    A clause that lists constants is left out: they stand among :func:`constant_rows`.
    """
    holders: dict[str, list[str]] = {}
    for profile in profiles:
        parts = (profile.latency, profile.energy, profile.memory, profile.break_even, profile.equivalent)
        modelled = [f for part in parts for f in part.values() if f.kind == "modelled"]
        said = [*profile.notes, profile.conditions, *(_without_constants(f.conditions) for f in modelled)]
        for sentence in filter(None, dict.fromkeys(said)):
            holders.setdefault(sentence, []).append(profile.target)
    return [{"target": ", ".join(targets), "assumed": sentence} for sentence, targets in holders.items()]


def _without_constants(conditions: str) -> str:
    clauses = conditions.split("; ")
    return "; ".join(clause for clause in clauses if not any(name in clause for name in constants()))


def _sources_of(p: Profile) -> set[str]:
    parts = (p.latency, p.operations, p.memory, p.energy, p.break_even, p.equivalent, *p.layers.values())
    figures = [f for part in (*parts, *p.occupancy) for f in part.values() if isinstance(f, Figure)]
    return {figure.source for figure in figures}
