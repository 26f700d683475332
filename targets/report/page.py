"""One page that compares targets: side by side, as pictures, then each target's own figures, then their sources."""

from __future__ import annotations

from collections.abc import Sequence

from cortexcore.export.report.html import Section, page, table
from cortexcore.targets.ann.beside import COST_ALONE
from cortexcore.targets.profile import Profile
from cortexcore.targets.report.parts import TITLES, different, verdicts
from cortexcore.targets.report.plots import alike_plot, latency_plot, terms_plot
from cortexcore.targets.report.rows import compared_rows, layer_rows, occupancy_rows, own_rows, part_rows
from cortexcore.targets.report.sources import assumption_rows, constant_rows, grades

KINDS = "Measured: on the thing itself. Simulated: on a simulation of it. Modelled: by arithmetic from its sources."
ENERGY = "An energy is what its source and conditions say, no more: a host's, arithmetic alone, is a lower bound."
DIFFERENT = "Energies of different targets count different things and do not compare."
ALIKE = "What is priced alike stands further below."
OWN = ("latency", "energy", "memory", "operations")


def profiles_html(profiles: Sequence[Profile], title: str) -> str:
    """All profiles as one page that needs nothing else.

    Raises:
        TargetUnavailable: jinja2 or matplotlib is not installed.
    """
    energy = _energy_note(profiles)
    sections = [
        Section("Side by side", table(compared_rows(profiles)), " ".join([*verdicts(profiles), energy])),
        Section("Latency", latency_plot(profiles)),
        Section("Energy, by terms", terms_plot(profiles), energy),
        *_against_ann(profiles),
        *(section for profile in profiles for section in _own(profile)),
        *_sources(profiles),
    ]
    return page(f"Profile of {title}", [s for s in sections if s.body], subtitle=KINDS)


def _energy_note(profiles: Sequence[Profile]) -> str:
    """What to know before energies are compared, as far as these profiles have it."""
    said = {
        ENERGY: any(p.energy for p in profiles),
        DIFFERENT: len(different(profiles, "energy")) > 1,
        ALIKE: any(p.break_even for p in profiles),
    }
    return " ".join(sentence for sentence, holds in said.items() if holds)


def _against_ann(profiles: Sequence[Profile]) -> list[Section]:
    sections = []
    for priced in different(profiles, "break_even"):
        rows = [{k: v for k, v in row.items() if k != "part"} for row in own_rows(priced[0], ("break_even",))]
        heading = f"{TITLES['break_even']} ({', '.join(p.target for p in priced)})"
        sections.append(Section(heading, alike_plot(priced[0]) + table(rows), priced[0].verdict))
    beside = [p for p in profiles if p.equivalent]
    if beside:
        sections.append(Section(TITLES["equivalent"], table(part_rows(beside, "equivalent")), COST_ALONE))
    return sections


def _own(profile: Profile) -> list[Section]:
    sections = [Section(profile.target, table(own_rows(profile, OWN)), profile.conditions)]
    if profile.occupancy:
        sections.append(Section(f"{profile.target}, its cores", table(occupancy_rows(profile))))
    if profile.layers:
        sections.append(Section(f"{profile.target}, by layer", table(layer_rows(profile.layers))))
    return sections


def _sources(profiles: Sequence[Profile]) -> list[Section]:
    constants, assumed = constant_rows(profiles), assumption_rows(profiles)
    sections = []
    if constants:
        note = f"Every constant of the sources that the figures above name. Grades: {grades()}"
        sections.append(Section("Sources", table(constants), note))
    if assumed:
        sections.append(Section("Assumptions", table(assumed)))
    return sections
