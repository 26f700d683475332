"""The page and the lines that compare targets: every figure, kind, citation and note is there, and only there once."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from cortexcore.targets.ann.beside import COST_ALONE
from cortexcore.targets.energy.constants import constants
from cortexcore.targets.profile import Figure, Profile
from cortexcore.targets.report import plots, profiles_html, profiles_text
from cortexcore.targets.report.page import ALIKE, DIFFERENT, ENERGY
from cortexcore.targets.report.parts import compared, different
from cortexcore.targets.report.plots import alike_plot, latency_plot, terms_plot
from cortexcore.targets.report.rows import compared_rows, layer_rows, occupancy_rows, own_rows, part_rows
from cortexcore.targets.report.sources import assumption_rows, constant_rows, grades

HOROWITZ = constants()["horowitz.int32_add_j"].source
TERMS = {"synapses": (6e-9, 5e-9, 9e-9), "neurons": (1e-9, 1e-9, 2e-9)}


def figure(value: float, unit: str, kind: str = "modelled", **more: object) -> Figure:
    return replace(Figure(value, unit, "modelled", HOROWITZ, "assumed here; mean over 2"), kind=kind, **more)


def times(label: str, kind: str, *seconds: float) -> dict[str, Figure]:
    names = (f"{label} p50", f"{label} p90", f"{label} p99")
    return {
        n: figure(s, "s", kind, source="a clock", low=s / 2, high=3 * s) for n, s in zip(names, seconds, strict=True)
    }


def host(name: str = "host", **changes: object) -> Profile:
    priced = {
        "SNN": figure(9e-9, "J"),
        "SNN: spikes": figure(4e-9, "J"),
        "SNN: neuron states": figure(5e-9, "J"),
        "ANN, int8, same connections": figure(6e-9, "J"),
    }
    ratios = {"SNN / ANN latency p50": figure(4.0, "×", "measured"), "SNN / ANN energy": figure(0.5, "×")}
    profile = Profile(
        name,
        "some processor",
        times("per inference", "measured", 2e-5, 3e-5, 4e-5) | times("per step", "measured", 2e-6, 3e-6, 4e-6),
        {"synaptic operations": figure(1234.0, "operations", "measured")},
        {"footprint": figure(99.0, "B")},
        {"arithmetic": figure(7e-9, "J"), "dynamic": figure(7e-9, "J")},
        {"a": {"spikes": figure(3.0, "spikes")}, "b": {"spikes": figure(4.0, "spikes"), "busy": figure(1e-6, "s")}},
        break_even=priced,
        verdict="The ANN would take less.",
        equivalent={**ratios, **times("ANN per inference", "measured", 1e-5, 2e-5, 3e-5)},
        notes=("No counter here.", COST_ALONE),
    )
    return replace(profile, **changes)


def chip() -> Profile:
    core = {"population": "a", "neurons": figure(8.0, "neurons", conditions="a core has 9")}
    energy = {name: figure(value, "J", low=low, high=high) for name, (value, low, high) in TERMS.items()}
    energy |= {"dynamic": figure(7e-9, "J"), "static": figure(1e-6, "J"), "scaled": figure(8e-9, "J")}
    return replace(
        host("chip"),
        latency=times("per inference", "modelled", 5e-3, 6e-3, 7e-3),
        energy=energy,
        occupancy=(core, {**core, "population": "total"}),
        notes=("A core holds one population.", COST_ALONE),
        equivalent={"SNN / ANN energy": figure(1.0, "×")},
    )


def unbroken(html: str) -> str:
    return html.replace("\u00a0", " ")


def test_the_page_holds_everything() -> None:
    profiles = [host(), chip(), host("other")]
    page = unbroken(profiles_html(profiles, "<net>"))
    assert "&lt;net&gt;" in page and "<script" not in page and " src=" not in page and "<link" not in page
    for profile in profiles:
        for part in (profile.latency, profile.energy, profile.operations, profile.memory, profile.equivalent):
            assert all(name in page for name in part)
        assert profile.conditions in page and profile.verdict in page
        assert all(note.replace("'", "&#39;") in page for note in profile.notes)
    for value in ("20 µs", "40 µs", "5 ms", "7 nJ", "1,234 operations", "99 B", "8 neurons", "a core has 9"):
        assert value in page
    assert page.count("<svg") == 3
    for heading in ("Side by side", "Latency", "Energy, by terms", "chip, its cores", "chip, by layer", "Assumptions"):
        assert f"<h2>{heading}</h2>" in page


def test_every_constant_of_a_source_named_is_cited() -> None:
    rows = constant_rows([host()])
    expected = [name for name, row in constants().items() if row.source == HOROWITZ]
    assert [row["constant"] for row in rows] == expected
    page = unbroken(profiles_html([host()], "net"))
    for name in expected:
        row = constants()[name]
        assert name in page and row.source in page and row.conditions in page
    assert "davies" not in page
    assert all(f"{row.grade}: " in grades() for row in constants().values())


def test_what_several_targets_have_stands_side_by_side() -> None:
    rows = {row[""]: row for row in compared_rows([host(), chip()])}
    assert str(rows["latency per inference p50"]["host"].text) == "20\u00a0µs"
    assert rows["latency per inference p50"]["host"].hint == "measured"
    assert rows["latency per inference p50"]["chip"].hint == "modelled"
    assert rows["latency per step p50"]["chip"] == "–" and rows["energy, static"]["host"] == "–"
    assert rows["SNN / ANN latency p50"]["host"].hint == "measured; the ANN takes less"
    assert rows["SNN / ANN energy"]["host"].hint == "modelled; the SNN takes less"
    assert rows["SNN / ANN energy"]["chip"].hint == "modelled"
    assert "energy, total" not in rows
    assert next(label for label, _ in compared([chip()])) == "latency per inference p50"


def test_the_fullest_target_orders_the_ann_rows() -> None:
    names = [row[""] for row in part_rows([chip(), host()], "equivalent")]
    assert names == list(host().equivalent)


def test_a_source_that_repeats_is_said_once() -> None:
    rows = own_rows(host(), ("latency", "energy"))
    assert [row["part"] for row in rows].count("Latency") == 1
    assert rows[0]["source"] != "as above" and rows[1]["source"] == "as above"
    assert rows[6]["part"] == "Energy per inference" and rows[6]["source"] != "as above"
    assert rows[0]["band"] == "10\u00a0µs\u00a0to\u00a060\u00a0µs" and rows[6]["band"] == "–"


def test_another_source_is_never_said_to_be_the_one_above() -> None:
    mixed = host(energy={"a": figure(1.0, "J"), "b": figure(1.0, "J", source="a meter"), "dynamic": figure(2.0, "J")})
    assert [str(getattr(row["source"], "text", row["source"])) for row in own_rows(mixed, ("energy",))] == [
        HOROWITZ,
        "a meter",
        HOROWITZ,
    ]


def test_bars_end_where_their_figures_do(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(plots, "figure_svg", lambda figure, caption: drawn.append(figure) or "")
    latency_plot([host()])
    lines = [list(line.get_xdata()) for line in drawn[0].axes[0].lines]
    expected = [[1e-5, 6e-5], [2e-5, 4e-5], [2e-5], [5e-6, 3e-5], [1e-5, 3e-5], [1e-5]]
    assert [pytest.approx(line) for line in expected] == lines
    terms_plot([replace(chip(), energy={"messages": figure(2e-9, "J"), **chip().energy})])
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn[1].axes[0].patches]
    assert [x for bar in bars for x in bar] == pytest.approx([0, 2e-9, 2e-9, 8e-9, 8e-9, 9e-9])


def test_only_what_the_page_has_is_said_of_energies() -> None:
    alone = host("alone", break_even={}, verdict="")
    for profiles, said in (
        ([alone, replace(alone, target="twin")], [ENERGY]),
        ([host(), host("twin")], [ENERGY, ALIKE]),
        ([host(), chip()], [ENERGY, DIFFERENT, ALIKE]),
        ([Profile("bare", "nowhere")], []),
    ):
        page = profiles_html(profiles, "net").replace("&#39;", "'")
        assert [s for s in (ENERGY, DIFFERENT, ALIKE) if s in page] == said


def test_layers_or_their_figures_go_down_whichever_are_more() -> None:
    few, many = ({str(i): {"spikes": figure(i, "spikes"), "x": figure(1, "B")} for i in range(n)} for n in (2, 3))
    assert [list(row) for row in layer_rows(few)] == [["per inference", "0", "1"]] * 2
    assert [list(row) for row in layer_rows(many)] == [["layer", "spikes", "x"]] * 3
    assert layer_rows(host().layers)[1] == {"per inference": "busy", "a": "–", "b": "1\u00a0µs"}


def test_assumptions_stand_once_without_the_constants_they_list() -> None:
    listed = figure(1.0, "J", conditions="priced low; davies.synop_j = 2e-11 J, more")
    rows = {r["assumed"]: r["target"] for r in assumption_rows([host(), replace(chip(), energy={"dynamic": listed})])}
    assert rows[COST_ALONE] == "host, chip" and rows["No counter here."] == "host"
    assert rows["priced low"] == "chip" and rows["assumed here; mean over 2"] == "host, chip"
    assert not any("davies" in sentence for sentence in rows)


def test_equal_comparisons_are_shown_once() -> None:
    other = replace(host("third"), break_even={"SNN": figure(1.0, "J")})
    groups = different([host(), chip(), other, host("none", break_even={})], "break_even")
    assert [[p.target for p in group] for group in groups] == [["host", "chip"], ["third"]]
    assert alike_plot(other) == ""


def test_plots_are_left_out_where_there_is_nothing_to_draw() -> None:
    bare = Profile("bare", "nowhere")
    assert latency_plot([bare]) == terms_plot([bare]) == alike_plot(bare) == ""
    page = profiles_html([bare], "net")
    assert "<svg" not in page and "<h2>Latency</h2>" not in page and "nowhere" in page


@pytest.mark.parametrize("spread", [1.0, 1e4])
def test_one_target_or_many_decades_are_drawn(spread: float) -> None:
    slow = host("slow", latency=times("per inference", "simulated", 2e-5 * spread, 3e-5 * spread, 4e-5 * spread))
    assert "<svg" in latency_plot([slow, host()]) and "<svg" in terms_plot([slow])


def test_targets_with_equal_terms_share_a_bar_and_terms_end_where_their_sum_stands() -> None:
    """Labels are drawn as paths, so axes and bars are counted."""
    for profiles, axes in (([chip()], 1), ([chip(), host()], 2), ([chip(), host(), host("b")], 2)):
        assert terms_plot(profiles).count('<g id="axes_') == axes
    scaled = replace(chip(), energy={**chip().energy, "more": figure(9e-9, "J")})
    assert terms_plot([scaled]).count('<g id="patch_') == terms_plot([chip()]).count('<g id="patch_')
    longer = replace(chip(), energy={"another": figure(9e-9, "J"), **chip().energy})
    assert terms_plot([longer]).count('<g id="patch_') > terms_plot([chip()]).count('<g id="patch_')


def test_the_cores_are_a_table() -> None:
    rows = occupancy_rows(chip())
    assert rows[0]["population"] == "a" and rows[0]["neurons"].hint == "a core has 9"
    assert "  Cores\n    population  neurons\n    a           8 neurons\n    total       8 neurons" in profiles_text(
        [chip()]
    )


def test_lines_compare_targets_where_there_are_several() -> None:
    text = profiles_text([host(), chip()])
    first = text.splitlines()
    assert first[0].split() == ["host", "chip"]
    assert first[1].split("  ")[0] == "latency per inference p50" and "20 µs (measured)" in first[1]
    assert all(note in text for note in (*host().notes, *chip().notes))
    assert profiles_text([host()]).splitlines()[0] == "host: some processor"
