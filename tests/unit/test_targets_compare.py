"""compile and compare: thin, and honest about what they compare."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cortexcore.errors import CortexCoreError, DataError, GraphError, TargetUnavailable
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nir_io import write_integer_nir, write_nir
from cortexcore.export.nodes import LI, LIF, Input, Linear, Output
from cortexcore.runtime.bundle import save_bundle
from cortexcore.targets.compare import compare
from cortexcore.targets.compiled import Compiled, compile
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.registry import get_target
from cortexcore.targets.report import profiles_html, profiles_text, quantity


def graph() -> Graph:
    rng = np.random.default_rng(0)
    one = np.ones(())
    nodes = {
        "x": Input((5,)),
        "w": Linear(rng.normal(size=(4, 5))),
        "a": LIF((4,), 0.01 * one, 10 * one, 0 * one, one, "zero"),
        "o": Linear(rng.normal(size=(2, 4))),
        "r": LI((2,), 0.02 * one, one, 0 * one),
        "y": Output((2,)),
    }
    edges = (("x", "w"), ("w", "a"), ("a", "o"), ("o", "r"), ("r", "y"))
    return Graph(nodes, edges, 1e-3, "euler", {})


def network(flip: bool = False) -> IntegerNetwork:
    rng = np.random.default_rng(0)
    weight = (rng.integers(-128, 128, (4, 5)) * 2).astype(np.int32)
    out = (rng.integers(-128, 128, (2, 4)) * 2).astype(np.int32)
    zero = np.zeros((), np.int32)
    a = Population("a", (4,), (Synapses("w", "x", Dense(-weight if flip else weight)),), 4095, 400, 500, zero)
    r = Population("r", (2,), (Synapses("o", "a", Dense(out)),), 4095, 200, None, zero)
    return IntegerNetwork((InputPort("x", (5,), -9, 9),), (a, r), (OutputPort("y", "r"),), 1e-3)


X = np.random.default_rng(2).integers(-9, 10, (6, 3, 5))


def test_equal_targets():
    comparison = compare(network(), ["integer", "onnx"], X)
    assert comparison.equal and comparison.differing_spikes == 0
    assert (comparison.yardstick, comparison.steps, comparison.batch) == ("integer", 6, 3)
    spikes = next(row for row in comparison.rows if row.kind == "spikes")
    assert (spikes.target, spikes.name, spikes.compared, spikes.first_step) == ("onnx", "a", 6 * 3 * 4, None)
    assert {(row.kind, row.name) for row in comparison.rows} == {
        ("spikes", "a"),
        ("u", "a"),
        ("u", "r"),
        ("v", "a"),
        ("v", "r"),
        ("output", "y"),
    }
    assert json.loads(json.dumps(comparison.to_json()))["equal"] is True
    assert "0 differing spikes" in comparison.to_text()


def test_differences_are_counted_and_placed():
    inputs = {"x": X.copy()}
    inputs["x"][:2] = 0
    comparison = compare({"integer": network(), "onnx": network(flip=True)}, ["integer", "onnx"], inputs)
    assert not comparison.equal
    row = next(row for row in comparison.rows if row.kind == "spikes")
    ours, theirs = (compile(network(flip), "integer").run(inputs, trace=True).spikes["a"] for flip in (False, True))
    assert row.differing == np.count_nonzero(ours != theirs) == comparison.differing_spikes > 0
    assert row.first_step == 2
    assert f"{row.differing} differing spikes" in comparison.to_text()


def test_float_against_integer_informs_about_spikes_alone():
    forms = {"reference": graph(), "integer": network(), "onnx": network()}
    comparison = compare(forms, ["reference", "integer", "onnx"], X)
    assert {(row.target, row.kind, row.exact) for row in comparison.rows} == {
        ("integer", "spikes", False),
        ("onnx", "spikes", False),
    }
    assert comparison.equal and comparison.differing_spikes == 0
    assert "(float)" in comparison.to_text()
    floats = sum(row.differing for row in comparison.rows if not row.exact)
    last = comparison.to_text().splitlines()[-1]
    assert f"{floats} spikes differ between float and integer" in last and "0 differing spikes" not in last


def test_compare_needs_two_different_targets():
    for targets in (["integer"], ["integer", "integer"], []):
        with pytest.raises(CortexCoreError, match="at least two different targets"):
            compare(network(), targets, X)


def test_reference_is_the_float_graph(tmp_path):
    compiled = compile(graph(), "reference")
    x = np.random.default_rng(3).normal(size=(8, 2, 5))
    whole, result = reference.run(graph(), {"x": x}), compiled.run(x, trace=True)
    assert np.array_equal(result.outputs["y"], whole.outputs["y"])
    assert np.array_equal(result.spikes["a"], whole.spikes["a"])
    target = get_target("reference")
    target.save(compiled.artifact, tmp_path)
    loaded = target.load(tmp_path)
    assert np.array_equal(target.run(loaded, {"x": x}).outputs["y"], whole.outputs["y"])
    profile = compiled.profile(x)
    assert profile.operations["dense MACs"].value == (4 * 5 + 2 * 4) * 8
    assert profile.operations["spikes"].value == whole.spikes["a"].sum() / 2
    with pytest.raises(GraphError, match="whole sequences"):
        compiled.stepper()


def test_the_wrong_kind_of_network_or_options_is_refused():
    with pytest.raises(GraphError, match="target 'tflite' runs an integer network: quantize the graph first"):
        compile(graph(), "tflite")
    with pytest.raises(GraphError, match="target 'reference' runs a float graph"):
        compile(network(), "reference")
    with pytest.raises(GraphError, match="takes the options of IntegerConfig, got OnnxConfig"):
        compile(network(), "integer", OnnxConfig())


def test_a_bare_array_needs_a_single_input():
    two = IntegerNetwork(
        (*network().inputs, InputPort("z", (1,), 0, 1)), network().populations, network().outputs, 1e-3
    )
    with pytest.raises(DataError, match=r"inputs \['x', 'z'\]: give a dict"):
        compile(two, "integer").run(X)


@pytest.mark.parametrize("target", ["integer", "onnx"])
def test_unfit_inputs_are_named(target):
    compiled = compile(network(), target)
    with pytest.raises(DataError, match="'x' holds values in"):
        compiled.run(X * 100)
    with pytest.raises(DataError, match="must be"):
        compiled.run(X[0])
    stepper = compiled.stepper()
    with pytest.raises(DataError, match="holds 3 inferences, the stepper was started for 1"):
        stepper.step({"x": X[0]})


def test_reports_show_every_figure():
    profile = compile(network(), "integer").profile(X)
    text = profiles_text([profile])
    try:
        html = profiles_html([profile], "<a network>")
    except TargetUnavailable:
        pytest.skip("jinja2 is not installed")
    for section in (profile.latency, profile.energy, profile.operations, profile.memory, profile.break_even):
        for name, figure in section.items():
            assert name in text and name in html
            assert figure.source in text and quantity(figure.value, figure.unit) in html.replace("\u00a0", " ")
    assert profile.verdict in text and "&lt;a network&gt;" in html and "<script" not in html
    assert isinstance(compile(network(), "integer"), Compiled)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(2.5e-6, "J", "2.5 µJ"), (0.0, "s", "0 s"), (3e-15, "J", "0.003 pJ"), (1234567, "MAC", "1,234,567 MAC")],
)
def test_quantities_read_well(value, unit, shown):
    assert quantity(value, unit) == shown


def test_what_is_no_network_is_refused(tmp_path):
    for wrong in (None, np.zeros(3), "net.nir"):
        with pytest.raises(GraphError, match="runs a float graph or an integer network, not"):
            compile(wrong, "integer")
        with pytest.raises(GraphError, match="runs a float graph or an integer network, not"):
            compare(wrong, ["integer", "native"], X)
    with pytest.raises(GraphError, match="give the one that was quantized"):
        compile(network(), "reference")
    with pytest.raises(CortexCoreError, match="no network was given for the target native"):
        compare({"integer": network()}, ["integer", "native"], X)
    with pytest.raises(GraphError, match=r"write_nir takes a float graph, not IntegerNetwork"):
        write_nir(network(), tmp_path / "a.nir")
    with pytest.raises(GraphError, match=r"takes an integer network, not Graph; quantize"):
        write_integer_nir(graph(), tmp_path / "a.nir")
    with pytest.raises(GraphError, match=r"made of an integer network, not of Graph: quantize"):
        save_bundle(graph(), tmp_path / "b")
    with pytest.raises(GraphError, match=r"graph is of the type IntegerNetwork: give the float graph"):
        save_bundle(network(), tmp_path / "b", graph=network())
    assert not list(tmp_path.iterdir())
