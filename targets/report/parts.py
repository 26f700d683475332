"""What a profile is made of, and which of its figures stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cortexcore.targets.profile import Figure, Profile

Figures = Mapping[str, Figure]
TITLES = {
    "latency": "Latency",
    "energy": "Energy per inference",
    "operations": "Operations per inference",
    "memory": "Memory",
    "break_even": "Against an int8 ANN of the same shape, both priced alike",
    "equivalent": "The equivalent int8 ANN beside it",
}
RATIO = "SNN / ANN"
"""How the names of ratios begin."""
COMPARED = {
    "latency": ("per inference p50", "per inference p99", "per step p50"),
    "energy": ("dynamic", "static", "total"),
    "operations": ("synaptic operations", "effective MACs", "effective ACs", "dense MACs", "activation sparsity"),
    "memory": ("footprint", "footprint, float32"),
    "equivalent": (
        "SNN / ANN latency p50",
        "SNN / ANN energy",
        "SNN / ANN operations",
        "SNN / ANN footprint",
    ),
}
"""Part → figures that several targets have; of other figures each target's own table tells."""
_LABELS = {"latency": "latency ", "energy": "energy, "}


def groups(profile: Profile) -> Iterator[tuple[str, str, Figures]]:
    """The parts that this profile has: name, title and figures."""
    for name, title in TITLES.items():
        figures: Figures = getattr(profile, name)
        if figures:
            yield name, title, figures


def compared(profiles: Sequence[Profile]) -> list[tuple[str, list[Figure | None]]]:
    """What stands side by side: a label, and each profile's figure; what none of them has is left out."""
    rows = []
    for part, names in COMPARED.items():
        for name in names:
            found = [getattr(profile, part).get(name) for profile in profiles]
            if any(figure is not None for figure in found):
                rows.append((f"{_LABELS.get(part, '')}{name}", found))
    return rows


def different(profiles: Sequence[Profile], part: str) -> list[list[Profile]]:
    """The profiles that have ``part``, together where their figures of it are equal."""
    found: list[list[Profile]] = []
    for profile in profiles:
        if figures := getattr(profile, part):
            same = next((group for group in found if getattr(group[0], part) == figures), None)
            found.append([profile]) if same is None else same.append(profile)
    return found


def verdicts(profiles: Sequence[Profile]) -> list[str]:
    """Each verdict once."""
    return list(dict.fromkeys(profile.verdict for profile in profiles if profile.verdict))
