"""A sweep's figures are those of the reports it is made of; pages and schemas hold for networks of any shape."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import cortexcore as cc
from cortexcore.errors import BundleError, CortexCoreError, QuantizationError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Conv2d, Flatten, Input, Linear, Node, Output, Threshold
from cortexcore.export.quantize import QuantizationConfig
from cortexcore.export.quantize import quantize as quantize_graph
from cortexcore.export.quantize.config import usual
from cortexcore.export.report.points import Sweep
from cortexcore.targets.energy.bits import PRICING

WIDTHS = (8, 5, 2)


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def lif(*shape: int, tau: float = 5e-3) -> LIF:
    return LIF(shape, num(tau), num(5.0), num(0), num(1.0), "zero")


def li(*shape: int) -> LI:
    return LI(shape, num(5e-3), num(5.0), num(0))


def chain(nodes: dict[str, Node], **metadata: Any) -> Graph:
    names = list(nodes)
    return Graph(nodes, tuple(pairwise(names)), 1e-3, "euler", metadata)


def small() -> Graph:
    rng = np.random.default_rng(0)
    return chain(
        {
            "x": Input((6,)),
            "fc": Linear(rng.normal(size=(8, 6))),
            "n": lif(8),
            "out": Linear(rng.normal(size=(3, 8))),
            "r": li(3),
            "y": Output((3,)),
        },
        classes=["N", "S", "V"],
    )


def deep(layers: int = 30) -> Graph:
    rng = np.random.default_rng(1)
    nodes: dict[str, Node] = {"x": Input((6,))}
    for k in range(layers):
        nodes[f"a_layer_with_a_long_name_{k}"] = Linear(rng.normal(0.25, 0.5, (6, 6)))
        nodes[f"neuron_{k}"] = lif(6)
    return chain({**nodes, "y": Output((6,))})


def picture() -> Graph:
    rng = np.random.default_rng(2)
    conv = Conv2d(rng.normal(size=(3, 2, 3, 3)), np.zeros(3), (5, 4), padding=(1, 1))
    return chain(
        {
            "x": Input((2, 5, 4)),
            "conv": conv,
            "n": lif(3, 5, 4),
            "flat": Flatten((3, 5, 4)),
            "out": Linear(rng.normal(size=(2, 60))),
            "s": lif(2),
            "y": Output((2,)),
        }
    )


def two_outputs() -> Graph:
    whole = small()
    return replace(whole, nodes={**whole.nodes, "spikes": Output((8,))}, edges=(*whole.edges, ("n", "spikes")))


def readouts_alone() -> Graph:
    return chain({"x": Input((6,)), "fc": Linear(np.eye(6)[:2]), "r": li(2), "y": Output((2,))})


def vectors() -> Graph:
    tau = np.array([2e-3, 5e-3, 9e-3, 20e-3])
    neuron = LIF((4,), tau, np.ones(4), np.zeros(4), np.array([0.2, 0.3, 0.5, 0.9]), "subtract")
    return chain({"x": Input((6,)), "fc": Linear(np.ones((4, 6)) / 3), "n": neuron, "y": Output((4,))})


def memoryless() -> Graph:
    threshold = Threshold((3,), np.full(3, 0.5))
    return chain({"x": Input((6,)), "fc": Linear(np.ones((3, 6)) / 3), "n": threshold, "y": Output((3,))})


def spikes(graph: Graph, steps: int = 12, batch: int = 70) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {name: rng.integers(0, 2, (steps, batch, *node.shape)) for name, node in graph.inputs.items()}


def test_points_are_what_each_network_does_alone() -> None:
    graph, inputs = small(), spikes(small())
    labels = np.random.default_rng(5).integers(0, 3, 70)
    sweep = cc.sweep(graph, WIDTHS, inputs, {"x": (0, 1)}, labels=labels)
    floats = reference.run(graph, inputs)
    decided = floats.outputs["y"][-1].argmax(-1)
    assert [p.bits for p in sweep.points] == list(WIDTHS) and sweep.accuracy_float == np.mean(decided == labels)
    for p in sweep.points:
        assert p.bits is not None
        network = quantize_graph(graph, replace(usual(calibrated=True), bits=p.bits), inputs, {"x": (0, 1)})
        assert network.report is not None
        trace = integer.run(network, inputs)
        mine = trace.outputs["y"][-1].argmax(-1)
        assert p.exact == pytest.approx(np.mean(trace.spikes["n"] == floats.spikes["n"]))
        assert p.decisions_equal == {"y": np.mean(mine == decided)} and p.accuracy == np.mean(mine == labels)
        assert p.bytes == network.report.bytes_after
        assert p.energy_uj == pytest.approx(1e6 * PRICING.joules(network, inputs, trace) / 70)
        layers = {layer.name: layer for each in network.report.populations for layer in each.layers}
        assert p.layer_sqnr_db == {name: layer.sqnr_db for name, layer in layers.items()}
        noise = sum(layer.weights * 10 ** (-(layer.sqnr_db or 0) / 10) for layer in layers.values())
        assert p.sqnr_db == pytest.approx(-10 * np.log10(noise / (48 + 24)))
    assert sweep.points[0].bytes > sweep.points[1].bytes > sweep.points[2].bytes
    assert sweep.points[0].energy_uj > sweep.points[2].energy_uj  # type: ignore[operator]


def test_layers_with_their_own_bits_keep_them() -> None:
    sweep = cc.sweep(small(), WIDTHS, spikes(small()), layer_bits={"out": 4})
    assert [p.layer_bits for p in sweep.points] == [{"fc": width, "out": 4} for width in WIDTHS]
    assert "With bits of their own: out 4." in sweep.to_html()


def test_the_network_that_was_asked_for_is_a_point_of_its_own() -> None:
    from cortexcore.calibration import from_arrays
    from cortexcore.study import Wish, quantized

    graph = small()
    samples = from_arrays(spikes(graph), graph, "spikes")
    wish = Wish(graph, QuantizationConfig(6, {"out": 3}), samples)
    network, report = quantized(wish, (8, 4))
    assert report.sweep is not None
    assert [(p.name, p.bits) for p in report.sweep.points] == [("8 bits", 8), ("4 bits", 4), ("chosen", None)]
    assert report.sweep.points[2].layer_bits == {"fc": 6, "out": 3}
    assert "“chosen”: fc 6, out 3." in report.to_html()
    _, among = quantized(replace(wish, config=QuantizationConfig(8)), (8, 4))
    assert among.sweep is not None and [p.name for p in among.sweep.points] == ["8 bits", "4 bits"]
    assert among.bytes_after == among.sweep.points[0].bytes
    assert network.metadata["quantization"]["judged"] == "spikes"


@pytest.mark.parametrize(
    ("widths", "says"),
    [((), "no bit widths"), ((8, 9), "widths 9, they must"), ((4, 1), "widths 1"), ((4, 4, 8), "widths 4 twice")],
)
def test_widths_that_cannot_be(widths: tuple[int, ...], says: str) -> None:
    with pytest.raises(QuantizationError, match=says):
        cc.sweep(small(), widths, spikes(small()))


def test_what_else_is_refused() -> None:
    inputs = spikes(small())
    refused: dict[str, Callable[[], Any]] = {
        "no layer fcc": lambda: cc.quantize(small(), 8, inputs, layer_bits={"fcc": 3}),
        "either bytes or energy": lambda: cc.quantize(small(), 8, inputs, max_bytes=9, max_energy_uj=1.0),
        "budget is 0 bytes": lambda: cc.quantize(small(), 8, inputs, max_bytes=0),
        "budget is nan µJ": lambda: cc.quantize(small(), 8, inputs, max_energy_uj=float("nan")),
        "budget needs calibration": lambda: cc.quantize(small(), 8, None, {"x": (0, 1)}, max_bytes=50),
        "one class index for each inference": lambda: cc.quantize(small(), 8, inputs, labels=np.zeros(3, int)),
        "labels were given without inputs": lambda: cc.quantize(small(), 8, None, {"x": (0, 1)}, labels=np.zeros(3)),
        r"input 'x' has shape \(12, 70, 5\)": lambda: cc.quantize(small(), 8, inputs["x"][..., :5]),
        "this one has 2": lambda: cc.sweep(two_outputs(), (4,), spikes(small()), labels=np.zeros(70, int)),
    }
    for says, call in refused.items():
        with pytest.raises(CortexCoreError, match=says):
            call()


def test_a_budget_of_bytes_is_kept_with_biases_counted() -> None:
    full = cc.quantize(small(), 8, spikes(small())).report
    assert full is not None and full.bytes_after == 72 + 4
    network = cc.quantize(small(), 8, spikes(small()), max_bytes=50)
    assert network.report is not None and network.report.bytes_after <= 50
    assert network.metadata["quantization"]["mixed"]["budget"] == 50
    with pytest.raises(QuantizationError, match="still costs 22"):
        cc.quantize(small(), 8, spikes(small()), max_bytes=21)


def test_a_budget_of_energy_saves_energy() -> None:
    inputs = spikes(small())
    full = cc.quantize(small(), 8, inputs).report
    assert full is not None and full.energy_uj is not None
    budget = 0.97 * full.energy_uj
    report = cc.quantize(small(), 8, inputs, max_energy_uj=budget).report
    assert report is not None and report.energy_uj is not None and report.energy_uj < full.energy_uj
    assert report.energy_uj <= budget or any("above the" in sentence for sentence in report.warnings)


def test_populations_that_never_fire_are_told() -> None:
    silent = replace(small(), nodes={**small().nodes, "n": LIF((8,), num(5e-3), num(5.0), num(0), num(1e3), "zero")})
    report = cc.quantize(silent, 8, spikes(silent)).report
    assert report is not None and "1 of 2 populations never fire on these inputs (n)" in report.warnings[-1]


def test_words_tell_what_judged() -> None:
    graph, inputs = small(), spikes(small())
    same = cc.quantize(graph, 8, inputs).report
    other = cc.quantize(graph, 8, inputs, judge=inputs["x"][:, :9], labels=np.zeros(9, int)).report
    blind = cc.quantize(graph, 8, None, {"x": (0, 1)}).report
    assert same is not None and other is not None and blind is not None
    assert [s.split(" ", 3)[:3] for s in same.warnings] == [["Judged", "on", "the"], ["The", "judged", "inputs"]]
    assert other.warnings == () and other.inferences == 9 and other.accuracy is not None
    assert "without data" in blind.warnings[0] and blind.accuracy is None


def schema(name: str) -> dict[str, Any]:
    text = files("cortexcore.export.report").joinpath(f"schema/{name}").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


KINDS: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
KNOWN = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
}
KNOWN |= {"enum", "const", "anyOf", "$ref", "$defs", "$schema", "$id", "title", "description"}


def problems(value: Any, rule: dict[str, Any], root: dict[str, Any], path: str = "") -> list[str]:
    """What of ``value`` breaks a JSON schema of the keywords above; any other keyword is an error of the schema."""
    assert rule.keys() <= KNOWN, rule.keys() - KNOWN
    if "$ref" in rule:
        if rule["$ref"].startswith("#/$defs/"):
            return problems(value, root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root, path)
        other = schema(rule["$ref"])
        return problems(value, other, other, path)
    if "anyOf" in rule:
        tries = [problems(value, each, root, path) for each in rule["anyOf"]]
        return [] if any(not found for found in tries) else tries[-1]
    if "const" in rule:
        return [] if value == rule["const"] else [f"{path} is {value!r}"]
    if "enum" in rule:
        return [] if value in rule["enum"] else [f"{path} is {value!r}"]
    kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    if value is None:
        return [] if "null" in kinds else [f"{path} is null"]
    if isinstance(value, bool) or not any(isinstance(value, KINDS[kind]) for kind in kinds if kind != "null"):
        return [f"{path} is a {type(value).__name__}"]
    found = []
    if isinstance(value, dict):
        named, rest = rule.get("properties", {}), rule.get("additionalProperties", True)
        found += [f"{path} lacks {key}" for key in rule.get("required", ()) if key not in value]
        for key, each in value.items():
            if key in named or isinstance(rest, dict):
                found += problems(each, named.get(key, rest), root, f"{path}/{key}")
            elif rest is False:
                found.append(f"{path} has {key}")
    elif isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            found.append(f"{path} has {len(value)} items")
        for index, each in enumerate(value):
            found += problems(each, rule["items"], root, f"{path}/{index}")
    elif isinstance(value, int | float) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        found.append(f"{path} is {value}")
    return found


@pytest.mark.parametrize("build", [small, deep, picture, two_outputs, readouts_alone, vectors, memoryless])
@pytest.mark.parametrize("shape", [(12, 70), (1, 1)])
def test_reports_of_any_network_keep_their_schemas_and_make_pages(
    build: Callable[[], Graph], shape: tuple[int, int]
) -> None:
    from cortexcore.calibration import from_arrays
    from cortexcore.study import Wish, quantized

    graph = build()
    inputs = spikes(graph, *shape)
    if build is small:
        labels = np.zeros(shape[1], int)
        wish = Wish(graph, QuantizationConfig(), from_arrays(inputs, graph, "spikes", labels), None, {"x": (0, 1)})
    else:
        wish = Wish(graph, QuantizationConfig(), from_arrays(inputs, graph, "spikes"), None, {"x": (0, 1)})
    _, report = quantized(wish, (8, 2))
    plain = json.loads(json.dumps(report.to_json(), allow_nan=False))
    rules = schema("quantization-report-2.json")
    assert problems(plain, rules, rules) == []
    assert type(report).from_json(plain).to_json() == plain
    html = report.to_html()
    assert html.startswith("<!DOCTYPE html>") and "nan" not in re.sub(r"<[^>]*>", "", html).lower().split()
    assert "8 bits" in report.to_text()


@pytest.mark.parametrize("name", ["$\\frac{$", "_hidden", "<b>x", "%s{}"])
def test_names_are_drawn_as_they_are(name: str) -> None:
    plain = small()
    graph = replace(
        plain,
        nodes={{"fc": name, "n": f"{name}n"}.get(key, key): node for key, node in plain.nodes.items()},
        edges=(("x", name), (name, f"{name}n"), (f"{name}n", "out"), ("out", "r"), ("r", "y")),
        metadata={"classes": [name, "b", "c"]},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's, of names that it leaves out
        html = cc.sweep(graph, (8, 4), spikes(graph), labels=np.zeros(70, int)).to_html()
        network = cc.quantize(graph, calibration=spikes(graph), labels=np.zeros(70, int))
        assert network.report is not None
        html += network.report.to_html()
    assert "<b>x" not in html


def test_the_schema_sees_what_is_wrong() -> None:
    rules = schema("quantization-sweep-1.json")
    plain = cc.sweep(small(), (4,), spikes(small())).to_json()
    assert problems(plain, rules, rules) == []
    for change in ({"points": []}, {"version": 2}, {"bytes_float": -1}, {"more": 1}, {"data": None}):
        assert len(problems({**plain, **change}, rules, rules)) == 1
    assert problems({k: v for k, v in plain.items() if k != "steps"}, rules, rules) == [" lacks steps"]


def test_a_sweep_comes_back_from_json_or_says_what_is_wrong() -> None:
    sweep = cc.sweep(small(), (4, 3), spikes(small()))
    plain = json.loads(json.dumps(sweep.to_json()))
    assert Sweep.from_json(plain).to_json() == plain
    with pytest.raises(BundleError, match="no quantization sweep of version 1"):
        Sweep.from_json({**plain, "version": 7})
    with pytest.raises(BundleError, match="incomplete"):
        Sweep.from_json({k: v for k, v in plain.items() if k != "points"})


def test_the_text_has_a_line_for_each_width() -> None:
    lines = cc.sweep(small(), WIDTHS, spikes(small())).to_text().splitlines()
    assert [line.split("  ")[0].strip() for line in lines[:5]] == ["bits", "float32", "8 bits", "5 bits", "2 bits"]
    assert len({len(line) for line in lines[:5]}) == 1 and "modelled" in lines[5]
