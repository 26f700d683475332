"""The report says what happened: its figures against hand-computed ones, its JSON, its page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from cortexcore.errors import BundleError, DataError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Input, Linear, Node, Output
from cortexcore.export.quantize import QuantizationConfig, quantize
from cortexcore.export.report import QuantizationReport, evaluate_report, static_report
from cortexcore.export.report.accuracy import accuracy
from cortexcore.export.report.agreement import decisions
from cortexcore.export.report.html import (
    Fact,
    Section,
    facts,
    figure_svg,
    new_figure,
    page,
    percent,
    shown,
    table,
)


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def graph() -> Graph:
    rng = np.random.default_rng(0)
    gain = num(5.0)
    nodes: dict[str, Node] = {
        "x": Input((6,)),
        "fc": Linear(rng.normal(size=(8, 6))),
        "n": LIF((8,), gain * 1e-3, gain, num(0), num(1.0), "zero"),
        "out": Linear(rng.normal(size=(3, 8))),
        "r": LI((3,), gain * 2e-3, gain * 2, num(0)),
        "y": Output((3,)),
        "s": Output((8,)),
    }
    edges = (("x", "fc"), ("fc", "n"), ("n", "out"), ("out", "r"), ("r", "y"), ("n", "s"))
    return Graph(nodes, edges, 1e-3, "euler", {"classes": ["N", "S", "V"]})


def only_y() -> Graph:
    whole = graph()
    nodes = {name: node for name, node in whole.nodes.items() if name != "s"}
    return replace(whole, nodes=nodes, edges=whole.edges[:-1])


def data(batch: int = 150) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(1).integers(0, 2, (20, batch, 6))}


def test_figures_are_those_of_a_whole_run() -> None:
    """150 inferences are compared in slices; the figures are those of one run over all."""
    network = quantize(graph(), QuantizationConfig(bits=3), data(), {"x": (0, 1)})
    report = evaluate_report(graph(), network, data())
    floats, integers = reference.run(graph(), data()), integer.run(network, data())
    n, r = report.populations
    a, b = floats.spikes["n"], integers.spikes["n"]
    assert n.agreement is not None and r.agreement is not None
    assert n.agreement.exact == np.mean(a == b) < 1
    assert n.agreement.rate_float == pytest.approx(a.mean()) and n.agreement.rate_integer == pytest.approx(b.mean())
    assert n.agreement.first_divergence == int(np.flatnonzero((a != b).any(axis=(1, 2)))[0])
    cosine = np.sum(a * b, dtype=float) / np.sqrt(np.sum(a, dtype=float) * np.sum(b, dtype=float))
    assert n.agreement.cosine == pytest.approx(cosine)
    assert r.agreement.exact is None and r.agreement.rate_float is None and 0.9 < (r.agreement.cosine or 0) <= 1
    same = floats.outputs["y"][-1].argmax(-1) == integers.outputs["y"][-1].argmax(-1)
    counts = floats.outputs["s"].sum(0).argmax(-1) == integers.outputs["s"].sum(0).argmax(-1)
    assert report.decisions_equal == {"y": same.mean(), "s": counts.mean()}
    assert (report.steps, report.inferences) == (20, 150)


def test_agreement_over_time_is_the_share_at_each_step() -> None:
    network = quantize(graph(), QuantizationConfig(bits=3), data(), {"x": (0, 1)})
    n = evaluate_report(graph(), network, data()).populations[0].agreement
    same = reference.run(graph(), data()).spikes["n"] == integer.run(network, data()).spikes["n"]
    assert n is not None and n.span == 1
    np.testing.assert_allclose(n.over_time, same.mean(axis=(1, 2)))
    assert len(set(n.over_time)) > 1


def test_long_runs_are_averaged_over_time() -> None:
    inputs = {"x": np.random.default_rng(3).integers(0, 2, (1001, 2, 6))}
    network = quantize(graph(), QuantizationConfig(bits=2), inputs, {"x": (0, 1)})
    n = evaluate_report(graph(), network, inputs).populations[0].agreement
    same = reference.run(graph(), inputs).spikes["n"] == integer.run(network, inputs).spikes["n"]
    assert n is not None and n.span == 3 and len(n.over_time) == 334
    assert n.over_time[1] == pytest.approx(same[3:6].mean()) and n.over_time[-1] == pytest.approx(same[999:].mean())


def test_histograms_hold_every_weight_between_the_right_edges() -> None:
    whole = only_y()
    network = quantize(whole, QuantizationConfig(bits=4), data(), {"x": (0, 1)})
    assert network.report is not None
    (layer,) = network.report.populations[0].layers
    assert layer.before is not None and layer.after is not None
    wanted = whole.nodes["fc"].weight  # type: ignore[union-attr]
    counts, edges = np.histogram(wanted, 14)
    np.testing.assert_array_equal(layer.before.counts, counts)
    np.testing.assert_allclose(layer.before.edges, edges)
    operation = network.population("n").synapses[0].operation
    got = operation.weight * 2.0**operation.weight_exp * network.report.populations[0].unit
    np.testing.assert_array_equal(layer.after.counts, np.histogram(got, layer.after.edges)[0])
    assert sum(layer.after.counts) == 48
    step = 2 ** (9 - 4) * 2.0**operation.weight_exp * network.report.populations[0].unit
    assert len(layer.after.counts) <= 14
    np.testing.assert_allclose(np.diff(layer.after.edges) / step, 2)
    np.testing.assert_allclose((np.array(layer.after.edges) / step) % 1, 0.5)


def test_a_report_of_version_1_still_reads() -> None:
    plain = full_report().to_json()
    for key in ("calibration", "warnings", "energy_uj", "energy", "sweep"):
        del plain[key]
    for population in plain["populations"]:
        del population["helper"], population["agreement"]["over_time"], population["agreement"]["span"]
        for layer in population["layers"]:
            del layer["before"], layer["after"]
    report = QuantizationReport.from_json({**plain, "version": 1})
    assert report.populations[0].layers[0].before is None and report.sweep is None and report.warnings == ()
    parsed(report.to_html())


def test_warnings_stand_first_and_in_the_text() -> None:
    report = replace(full_report(), warnings=("Judged <on> itself.",))
    html = report.to_html()
    assert html.index("Judged &lt;on&gt; itself.") < html.index("Parameters")
    assert "note: Judged <on> itself." in report.to_text()


def test_layer_figures_by_hand() -> None:
    whole = only_y()
    weight = whole.nodes["fc"].weight  # type: ignore[union-attr]
    network = quantize(whole, QuantizationConfig(bits=4), None, {"x": (0, 1)})
    (layer,) = static_report(network).populations[0].layers
    operation = network.population("n").synapses[0].operation
    unit = static_report(network).populations[0].unit
    got = operation.weight * 2.0**operation.weight_exp * unit
    assert layer.sqnr_db == pytest.approx(10 * np.log10(np.sum(weight**2) / np.sum((weight - got) ** 2)))
    assert layer.underflowed == np.count_nonzero(operation.weight == 0) > 0 and layer.clipped == 0
    assert (layer.weights, layer.bits, layer.bytes_before, layer.bytes_after) == (48, 4, 192, 24)
    report = static_report(network)
    assert report.bytes_before == 4 * (48 + 24 + 2) and report.bytes_after == 24 + 12 + 2 * 2


def test_the_network_brings_its_report() -> None:
    blind, seen = quantize(only_y(), None, None, {"x": (0, 1)}), quantize(only_y(), None, data())
    assert blind.report is not None and blind.report.inferences == 0 and blind.report.populations[0].agreement is None
    assert seen.report is not None and seen.report.inferences == 150 and seen.report.data == "the calibration inputs"


def test_accuracy_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    before, after = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 0, 1, 1])
    found = accuracy(labels, before, after, ["N", "S", "V", "F"])
    assert found.accuracy_float == 5 / 6 and found.accuracy_integer == 4 / 6
    n, s, v, f = found.classes
    assert (n.cases, n.sensitivity_float, n.predictivity_float) == (3, 2 / 3, 1.0)
    assert (n.sensitivity_integer, n.predictivity_integer) == (1.0, 3 / 4)
    assert (s.sensitivity_integer, s.predictivity_integer) == (1 / 2, 1 / 2)
    assert (v.sensitivity_integer, v.predictivity_integer) == (0.0, None)
    assert (f.cases, f.sensitivity_float, f.predictivity_float) == (0, None, None)
    assert found.macro_f1_float == pytest.approx(np.mean([4 / 5, 4 / 5, 1]))
    assert found.macro_f1_integer == pytest.approx(np.mean([6 / 7, 1 / 2, 0]))


def test_decisions() -> None:
    spikes = np.array([[[1, 0], [0, 1]], [[0, 1], [0, 1]], [[1, 0], [1, 0]]])
    assert decisions(spikes, spiking=True).tolist() == [0, 1]
    assert decisions(np.array([[[5.0, 1.0]], [[-2.0, -1.0]]]), spiking=False).tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.zeros(3, int), "one class index for each"),
        (np.full(150, 0.5), "one class index for each"),
        (np.full(150, 7), "there are 3 classes"),
    ],
)
def test_unfit_labels_are_refused(labels: np.ndarray, says: str) -> None:
    network = quantize(only_y(), None, None, {"x": (0, 1)})
    with pytest.raises(DataError, match=says):
        evaluate_report(only_y(), network, data(), labels)


def test_labels_need_one_output_and_a_quantized_network() -> None:
    network = quantize(graph(), None, None, {"x": (0, 1)})
    with pytest.raises(DataError, match="one output"):
        evaluate_report(graph(), network, data(), np.zeros(150, int))
    with pytest.raises(QuantizationError, match="does not say how it was quantized"):
        static_report(replace(network, metadata={}))


def full_report() -> QuantizationReport:
    network = quantize(only_y(), None, data())
    labels = reference.run(only_y(), data()).outputs["y"][-1].argmax(-1)
    return evaluate_report(only_y(), network, data(), labels, data="coin tosses <b>&")


def test_json_comes_back() -> None:
    for report in (full_report(), static_report(quantize(only_y(), None, None, {"x": (0, 1)}))):
        plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
        assert plain["schema"] == "cortexcore.quantization-report" and plain["version"] == 2
        assert QuantizationReport.from_json(plain).to_json() == plain
    with pytest.raises(BundleError, match="no quantization report"):
        QuantizationReport.from_json({**plain, "version": 3})
    with pytest.raises(BundleError, match="incomplete"):
        QuantizationReport.from_json({k: v for k, v in plain.items() if k != "populations"})


class Tags(HTMLParser):
    """Checks that tags nest, and collects what a page would load from elsewhere."""

    VOID = frozenset({"meta", "link", "br", "img", "hr", "use", "path", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [
            v or "" for k, v in attrs if k in ("src", "href", "xlink:href") and not (v or "").startswith("#")
        ]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert not tags.open
    return tags


def test_the_page_is_whole_and_loads_nothing() -> None:
    html = full_report().to_html()
    tags = parsed(html)
    text = " ".join(tags.text)
    assert not tags.loads and "@import" not in html and "url(http" not in html
    for wanted in ("Quantization report", "SQNR dB", "Classes before and after", "coin tosses <b>&", "150 inferences"):
        assert wanted in text
    assert html.count("<svg") == 4 and "<b>" not in html
    assert html == full_report().to_html()


def test_a_report_without_data_has_no_comparison() -> None:
    html = static_report(quantize(only_y(), None, None, {"x": (0, 1)})).to_html()
    assert "spike by spike" not in html and "Weights" in html
    parsed(html)


def test_text_names_layers_and_losses() -> None:
    text = full_report().to_text()
    assert re.search(r"fc +8 .* n +9\d\.\d\d %|fc +8 .* n +100 %", text) and "accuracy: 100 %" in text
    worst = quantize(only_y(), None, None, {"x": (0, 1)}).report
    assert worst is not None and "parameters: " in worst.to_text()


def test_wraps_and_clips_are_told() -> None:
    report = full_report()
    n = report.populations[0]
    assert n.agreement is not None
    bad = replace(n, agreement=replace(n.agreement, wraps=3, clips=2))
    text = replace(report, populations=(bad, *report.populations[1:])).to_text()
    assert "3 currents wrapped, 2 voltages clipped" in text


def test_values_are_shown_with_sense() -> None:
    assert [shown(v) for v in (None, True, 1234567, 0.0, 1.5, 12345.678, 1e-9, "a")] == [
        "–", "yes", "1\u202f234\u202f567", "0", "1.5", "12\u202f346", "1e-09", "a",
    ]  # fmt: skip
    assert [percent(v) for v in (None, 1.0, 0.999999, 0.5)] == ["–", "100 %", "99.99 %", "50.00 %"]


def test_building_blocks_escape_and_align() -> None:
    figure, axes = new_figure()
    axes.plot([0, 1], [0, 1])
    axes.set_xlabel("time (s)")
    body = table([{"name": "<a>", "n": 1}, {"name": "b", "n": None}], caption="c") + figure_svg(figure, "a <caption>")
    html = page(
        "T & T", [Section("h", body, "note"), Section("k", facts([Fact("label", "1 ms", "hint")]))], "sub", "foot"
    )
    tags = parsed(html)
    assert "<a>" in tags.text and '<td class="cell number">1</td>' in html and '<td class="cell">&lt;a&gt;</td>' in html
    assert 'aria-label="a &lt;caption&gt;"' in html
