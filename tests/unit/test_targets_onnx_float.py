"""Float graphs on ONNX Runtime: what the models hold, what is refused, and what is kept in a folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cortexcore.errors import BundleError, DataError, GraphError
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    Conv2d,
    Delay,
    Flatten,
    Input,
    Linear,
    Output,
    Scale,
    Subgraph,
    Threshold,
)
from cortexcore.targets.onnx.config import OnnxConfig
from cortexcore.targets.onnx.floating import check as checking
from cortexcore.targets.onnx.floating.check import check
from cortexcore.targets.onnx.floating.lower import lower
from cortexcore.targets.onnx.floating.profile import profile
from cortexcore.targets.onnx.floating.run import run
from cortexcore.targets.onnx.floating.stepper import FloatStepper
from cortexcore.targets.onnx.folder import load, save
from cortexcore.targets.onnx.models import MODELS
from cortexcore.targets.reference.saved import graph_sha256, load_graph, save_graph
from cortexcore.targets.registry import get_target

onnx = pytest.importorskip("onnx")
DT = 1e-3


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def small(seed: int = 0, **changes: Any) -> Graph:
    """Two layers, the second recurrent and delayed, a readout, and a neuron that no output needs."""
    rng = np.random.default_rng(seed)
    lif = LIF((4,), num(6e-3), num(4.0), num(0.0), num(0.5), "zero")
    nodes = {
        "x": Input((5,)),
        "fc1": Affine(rng.normal(size=(4, 5)), rng.normal(size=4)),
        "lif1": lif,
        "fc2": Linear(rng.normal(size=(4, 4))),
        "lif2": replace(lif, reset="subtract", reset_delay=True),
        "late": Delay(num(2 * DT)),
        "back": Linear(rng.normal(size=(4, 4))),
        "unread": lif,
        "li": LI((4,), num(8e-3), num(1.0), num(0.0)),
        "y": Output((4,)),
    }
    edges = [("x", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "late"), ("late", "back")]
    edges += [("back", "lif2"), ("lif2", "li"), ("li", "y"), ("lif1", "unread")]
    graph = Graph(nodes, tuple(edges), DT, "euler", {"classes": ["N", "V"], "frontend": {"rate_hz": 250}})
    return replace(graph, **changes)


X = {"x": np.random.default_rng(1).normal(size=(12, 3, 5))}


def parsed(graph: Graph, form: str) -> Any:
    return onnx.load_from_string(getattr(lower(graph, OnnxConfig()), form))


def every_node(graph: Any) -> list[Any]:
    """The nodes of a GraphProto, those of loops' bodies among them."""
    found = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += every_node(attribute.g)
    return found


@pytest.mark.parametrize("form", ["sequence", "traced", "step"])
def test_models_are_standard_and_say_what_they_are(form: str) -> None:
    model = parsed(small(), form)
    onnx.checker.check_model(model, full_check=True)
    assert [o.domain for o in model.opset_import] == [""]
    about = json.loads({p.key: p.value for p in model.metadata_props}["cortexcore"])
    assert about["sha256"] == graph_sha256(small()) and about["model"] == form and about["precision"] == "float32"
    assert about["metadata"] == {"classes": ["N", "V"], "frontend": {"rate_hz": 250}}
    assert about["dt_s"] == DT and about["inputs"] == [{"name": "x", "shape": [5]}]
    leading = {"sequence": ["T", "B"], "traced": ["T", "B"], "step": ["B"]}[form]
    ports = {v.name: v.type.tensor_type for v in [*model.graph.input, *model.graph.output]}
    for name in ("x", "y"):
        assert [d.dim_param for d in ports[name].shape.dim][: len(leading)] == leading
        assert ports[name].elem_type == onnx.TensorProto.FLOAT


def test_what_a_step_keeps_is_what_outlives_it() -> None:
    model = parsed(small(), "step")
    names = {v.name for v in model.graph.input} - {"x"}
    kept = {"v/lif1", "v/lif2", "spikes/lif2", "waiting/late/lif2", "v/li"}
    assert names == {f"previous/{name}" for name in kept}
    assert {v.name for v in model.graph.output} == {"y", *(f"next/{name}" for name in kept)}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim][1:] for v in model.graph.input}
    assert shapes["previous/waiting/late/lif2"] == [2, 4] and shapes["previous/spikes/lif2"] == [4]


def test_the_untraced_model_computes_and_stacks_what_is_read_alone() -> None:
    plain, traced = (parsed(small(), form) for form in ("sequence", "traced"))
    assert [v.name for v in plain.graph.output] == ["y"]
    assert not any(node.name.startswith("unread/") for node in every_node(plain.graph))
    assert any(node.name.startswith("unread/") for node in every_node(traced.graph))
    stacked = {node.name.partition("/")[0]: len(node.output) for node in plain.graph.node if node.op_type == "Scan"}
    assert stacked == {"lif1": 1 + 1, "lif2": 3 + 1, "li": 1 + 1}, "states, then the one signal that others read"
    assert {v.name for v in traced.graph.output} == {
        *("y", "spikes/lif1", "v/lif1", "spikes/lif2", "v/lif2", "spikes/unread", "v/unread", "v/li")
    }


def test_a_loop_stacks_what_is_read_outside_it_alone() -> None:
    """lif1 feeds lif2, which feeds it back and is the only one that others read."""
    graph = small()
    edges = [edge for edge in graph.edges if edge not in {("back", "lif2"), ("lif1", "unread")}]
    nodes = {name: node for name, node in graph.nodes.items() if name != "unread"}
    looped = replace(graph, nodes=nodes, edges=(*edges, ("back", "lif1")))
    plain = parsed(looped, "sequence")
    (loop,) = (n for n in plain.graph.node if n.op_type == "Scan" and n.name.startswith("lif1/"))
    states = {"v/lif1", "v/lif2", "spikes/lif2", "waiting/late/lif2"}
    assert {v.name for v in parsed(looped, "step").graph.input} == {
        *("x", "previous/v/li"),
        *(f"previous/{state}" for state in states),
    }
    assert len(loop.output) == len(states) + 1
    found, wanted = run(lower(looped, OnnxConfig(precision="float64")), X, trace=False), reference.run(looped, X)
    np.testing.assert_allclose(found.outputs["y"], wanted.outputs["y"], rtol=0, atol=1e-12)  # the same sums, reordered


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_membrane_at_its_threshold_does_not_fire(dtype: Any) -> None:
    """Whole numbers, which float32 holds: every comparison is exact, at the threshold and beside it."""
    gain = np.array([1.0, 2.0, 1.0, 3.0])
    neurons = {
        "if": IF((4,), gain / DT, num(3.0), "subtract"),
        "late": IF((4,), gain / DT, np.array([3.0, 3.0, 2.0, 1.0]), "subtract", True),
        "now": Threshold((4,), num(1.0)),
    }
    nodes = {"x": Input((4,)), **neurons, **{f"y {name}": Output((4,)) for name in neurons}}
    edges = tuple(edge for name in neurons for edge in (("x", name), (name, f"y {name}")))
    graph = Graph(nodes, edges, DT, "euler")
    x = {"x": np.random.default_rng(0).integers(-1, 3, (200, 2, 4)).astype(np.float64)}
    wanted, found = reference.run(graph, x), run(lower(graph, OnnxConfig(precision=dtype)), x, trace=True)
    at = [int((x["x"] == 1).sum()), int((wanted.v["if"] == 3).sum())]
    assert min(at) > 10
    for name in neurons:
        np.testing.assert_array_equal(found.spikes[name], wanted.spikes[name])
        np.testing.assert_array_equal(found.v[name], wanted.v[name])


def test_layers_outside_loops_take_all_steps_in_one_product() -> None:
    graph = parsed(small(), "sequence").graph
    outside = [node.name.partition("/")[0] for node in graph.node if node.op_type == "MatMul"]
    inside = {n.name.partition("/")[0] for n in every_node(graph) if n.op_type == "MatMul"} - {*outside}
    assert outside == ["fc1", "fc2"] and inside == {"back"}


def test_a_neuron_without_memory_needs_no_scan() -> None:
    lif = LIF((5,), num(DT), num(1.0), num(0.0), num(0.5), "zero")
    graph = Graph({"x": Input((5,)), "n": lif, "y": Output((5,))}, (("x", "n"), ("n", "y")), DT, "euler")
    assert not any(node.op_type == "Scan" for node in parsed(graph, "sequence").graph.node)
    np.testing.assert_array_equal(
        run(lower(graph, OnnxConfig()), X, trace=False).outputs["y"], reference.run(graph, X).outputs["y"]
    )


@pytest.mark.parametrize("form", ["sequence", "traced", "step"])
def test_every_node_is_named_after_the_graphs_node_that_it_computes(form: str) -> None:
    graph = small()
    scopes = {node.name.partition("/")[0] for node in every_node(parsed(graph, form).graph) if node.op_type != "Shape"}
    assert scopes <= {*graph.nodes} and {"fc1", "lif1", "fc2", "lif2", "late", "back", "li", "y"} <= scopes


def test_steps_and_batch_are_free() -> None:
    artifact = lower(small(), OnnxConfig())
    for steps, batch in ((1, 1), (30, 2), (3, 7)):
        x = {"x": np.random.default_rng(0).normal(size=(steps, batch, 5))}
        found, wanted = run(artifact, x, trace=False).outputs["y"], reference.run(small(), x).outputs["y"]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)  # float32, sums of five products


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "the graph's inputs are"),
        ({"x": np.zeros((3, 5))}, "input 'x' has shape"),
        ({"x": np.full((3, 1, 5), np.nan)}, "input 'x' holds values that are not finite"),
        ({"x": [["a"]]}, "input 'x' does not hold numbers"),
        ({"x": np.full((3, 1, 5), 1e39)}, "input 'x' holds values beyond float32: scale it down, or lower the graph"),
    ],
)
def test_unfit_inputs_are_named(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        run(lower(small(), OnnxConfig()), inputs, trace=False)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "the graph's inputs are"),
        ({"x": np.zeros((3, 5))}, "input 'x' holds 3 inferences, the stepper was started for 2"),
        ({"x": [[1.0], [1.0, 2.0]]}, "input 'x' does not hold numbers"),
        ({"x": np.full((2, 5), np.inf)}, "not finite"),
        ({"x": np.full((2, 5), 1e39)}, "beyond float32"),
    ],
)
def test_a_step_refuses_unfit_inputs_and_goes_on(inputs: dict[str, Any], said: str) -> None:
    stepper = FloatStepper(lower(small(), OnnxConfig()))
    stepper.start(2)
    wanted = reference.run(small(), {"x": X["x"][:, :2]}).outputs["y"]
    for t in range(4):
        with pytest.raises(DataError, match=said):
            stepper.step(inputs)
        np.testing.assert_allclose(stepper.step({"x": X["x"][t, :2]})["y"], wanted[t], rtol=0, atol=1e-5)


def test_outputs_of_a_step_outlive_the_next() -> None:
    stepper = FloatStepper(lower(small(), OnnxConfig()))
    stepper.start(3)
    kept = [stepper.step({"x": x})["y"] for x in X["x"]]
    np.testing.assert_allclose(np.stack(kept), reference.run(small(), X).outputs["y"], rtol=0, atol=1e-5)


def test_everything_that_cannot_be_done_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small()
    nodes = {
        **graph.nodes,
        "fc1": Affine(np.full((4, 5), 1e39), np.zeros(4)),
        "late": Delay(num(DT * 2**30)),
        "unread": IF((4,), num(1e41), num(1e-50), "zero"),
    }
    found = {(p.node, p.reason): p.remedy for p in check(replace(graph, nodes=nodes)).problems}
    assert found == {
        ("fc1", "needs a value of 1e+39, beyond float32"): "scale it down, or use float64",
        ("late", f"{2**32} values would wait in its longest delay, above {2**28}"): "shorten the delay",
        ("unread", "has a threshold of 1e-50, which is 0 in float32"): "scale it up, or use float64",
    }
    assert [p.node for p in check(replace(graph, nodes=nodes), "float64").problems] == ["late"]
    with pytest.raises(GraphError, match=r"'onnx' cannot take .* 'fc1': .*; 'late': .*; 'unread': "):
        lower(replace(graph, nodes=nodes), OnnxConfig())
    assert check(graph).ok and check(graph, "float64").ok
    monkeypatch.setattr(checking, "MAX_PARAMETERS_BYTES", 200)
    (problem,) = check(graph).problems
    assert problem.node == "fc1" and problem.reason.endswith("bytes, above 200") and problem.remedy == "split the graph"
    assert check(graph, "float64").problems[0].remedy == "split the graph, or use float32"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(GraphError, match="precision is 'float16', use one of float32, float64"):
        lower(small(), OnnxConfig(precision="float16"))  # type: ignore[arg-type]


def test_metadata_that_is_not_json_is_refused() -> None:
    with pytest.raises(GraphError, match="the network's metadata cannot be written, it must hold JSON values"):
        lower(small(metadata={"classes": {1}}), OnnxConfig())


def test_shapes_may_hold_numpys_integers() -> None:
    graph, whole = shaped(), np.int64
    conv = replace(graph.nodes["c"], input_size=(whole(3), whole(5)), stride=(whole(1), whole(2)), groups=whole(2))
    nodes = {**graph.nodes, "x": Input((whole(2), 3, 5)), "c": conv, "n": IF((whole(36),), num(500), num(1), "zero")}
    spiking = replace(graph, nodes=nodes, edges=(*graph.edges[:-1], ("f", "n"), ("n", "y")), dt_s=np.float64(DT))
    x = {"x": np.random.default_rng(0).normal(size=(9, 2, 2, 3, 5))}
    for dtype in ("float32", "float64"):
        found = run(lower(spiking, OnnxConfig(precision=dtype)), x, trace=False)
        np.testing.assert_array_equal(found.outputs["y"], reference.run(spiking, x).outputs["y"])


def varied() -> list[Graph]:
    """Graphs that differ in one thing each that the arithmetic depends on, down to a last digit."""
    graph = small()

    def node(name: str, **fields: Any) -> Graph:
        return replace(graph, nodes={**graph.nodes, name: replace(graph.nodes[name], **fields)})

    weight = graph.nodes["back"].weight  # type: ignore[union-attr]
    digit = weight.copy()
    digit[1, 2] = np.nextafter(digit[1, 2], 9)
    renamed = {("lif3" if n == "unread" else n): each for n, each in graph.nodes.items()}
    return [
        graph,
        replace(graph, dt_s=DT * 2),
        replace(graph, discretization="exponential"),
        replace(graph, edges=graph.edges[::-1]),
        replace(graph, edges=(*graph.edges, ("lif1", "li"))),
        replace(graph, nodes=dict(reversed(graph.nodes.items()))),
        replace(graph, nodes=renamed, edges=tuple((a, "lif3" if b == "unread" else b) for a, b in graph.edges)),
        node("back", weight=digit),
        node("lif2", reset_delay=False),
        node("lif2", reset="none", reset_delay=False),
        node("lif1", tau=np.full(4, 6e-3)),
        node("lif1", v_reset=num(-0.1)),
    ]


def test_the_digest_tells_graphs_apart_by_what_they_compute() -> None:
    graphs = varied()
    assert len({graph_sha256(graph) for graph in graphs}) == len(graphs)
    assert graph_sha256(small(metadata={})) == graph_sha256(small())
    inner = {"i": Input((4,)), "back": small().nodes["back"], "o": Output((4,))}
    block = Subgraph(inner, (("i", "back"), ("back", "o")))
    nested = {"x": Input((4,)), "b": block, "y": Output((4,))}
    flat = {"x": Input((4,)), "b.back": small().nodes["back"], "y": Output((4,))}
    outer = Graph(nested, (("x", "b"), ("b", "y")), DT, "euler")
    assert (
        graph_sha256(outer)
        == graph_sha256(Graph(flat, (("x", "b.back"), ("b.back", "y")), DT, "euler"))
        == graph_sha256(outer.flat)
    )


def shaped() -> Graph:
    """Layers that a NIR file writes otherwise than they are: groups, an oblong kernel, axes from the end."""
    rng = np.random.default_rng(2)
    conv = Conv2d(rng.normal(size=(4, 1, 1, 3)), rng.normal(size=4), (3, 5), (1, 2), (0, 1), groups=2)
    nodes = {"x": Input((2, 3, 5)), "c": conv, "s": Scale(np.float64(0.5)), "f": Flatten((4, 3, 3), -3, -1)}
    return Graph({**nodes, "y": Output((36,))}, (("x", "c"), ("c", "s"), ("s", "f"), ("f", "y")), DT, "euler")


@pytest.mark.parametrize("graph", [*varied(), shaped()])
def test_the_digest_survives_the_file(graph: Graph, tmp_path: Any) -> None:
    save_graph(graph, tmp_path)
    assert graph_sha256(load_graph(tmp_path)) == graph_sha256(graph)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip(dtype: Any, tmp_path: Any) -> None:
    artifact = lower(small(), OnnxConfig(threads=2, precision=dtype))
    save(artifact, tmp_path)
    assert {f.name for f in tmp_path.iterdir()} == {
        *("graph.nir", "sequence.onnx", "traced.onnx", "step.onnx", "config.json")
    }
    loaded = load(tmp_path)
    assert loaded.sha256 == artifact.sha256 and loaded.config == artifact.config
    for kind in ("outputs", "spikes", "u", "v"):
        found, wanted = (getattr(run(each, X, trace=True), kind) for each in (loaded, artifact))
        assert found.keys() == wanted.keys()
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])


@pytest.fixture
def folder(tmp_path: Any) -> Any:
    save(lower(small(), OnnxConfig()), tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["graph.nir", "config.json", *(f"{form}.onnx" for form in MODELS)])
def test_a_missing_or_damaged_file_is_one_sentence(name: str, folder: Any) -> None:
    (folder / name).write_bytes(b"nothing of ours")
    with pytest.raises(BundleError):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load(folder)


@pytest.mark.parametrize("form", MODELS)
def test_models_of_another_graph_form_or_precision_are_refused(form: str, folder: Any, tmp_path: Any) -> None:
    other = tmp_path / "other"
    other.mkdir()
    own = (folder / f"{form}.onnx").read_bytes()
    said = rf"{form}\.onnx is not the {form} model of the network beside it: lower the network again"
    for graph, dtype in ((small(1), "float32"), (small(), "float64")):
        model = getattr(lower(graph, OnnxConfig(precision=dtype)), form)  # type: ignore[arg-type]
        (folder / f"{form}.onnx").write_bytes(model)
        with pytest.raises(BundleError, match=r"\.onnx is not the \w+ model of the network beside it"):
            load(folder)
    shutil.copy(folder / f"{MODELS[MODELS.index(form) - 1]}.onnx", folder / f"{form}.onnx")
    with pytest.raises(BundleError, match=said):
        load(folder)
    foreign = onnx.load_from_string(own)
    del foreign.metadata_props[:]
    (folder / f"{form}.onnx").write_bytes(foreign.SerializeToString())
    with pytest.raises(BundleError, match=rf"{form}\.onnx was not made by CortexCore"):
        load(folder)
    (folder / f"{form}.onnx").write_bytes(own)
    assert load(folder).sha256 == graph_sha256(small())


def test_a_saved_artifact_runs_without_the_onnx_package(folder: Any) -> None:
    np.save(folder / "x.npy", X["x"])
    code = f"""
import sys
sys.modules["onnx"] = None
import numpy as np
from pathlib import Path
from cortexcore.errors import TargetUnavailable
from cortexcore.targets.onnx.floating.check import check
from cortexcore.targets.onnx.floating.lower import lower
from cortexcore.targets.onnx.folder import load
from cortexcore.targets.onnx.floating.profile import profile
from cortexcore.targets.onnx.floating.run import run
from cortexcore.targets.onnx.floating.stepper import FloatStepper
folder = Path({str(folder)!r})
x = np.load(folder / "x.npy")
artifact = load(folder)
np.save(folder / "y.npy", run(artifact, {{"x": x}}, trace=True).outputs["y"])
stepper = FloatStepper(artifact)
stepper.start(3)
np.save(folder / "y0.npy", stepper.step({{"x": x[0]}})["y"])
profile(artifact, {{"x": x}})
assert check(artifact.network).ok
try:
    lower(artifact.network, artifact.config)
except TargetUnavailable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "lowering to ONNX needs the package 'onnx'" in done.stdout
    wanted = reference.run(small(), X).outputs["y"]
    np.testing.assert_allclose(np.load(folder / "y.npy"), wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.load(folder / "y0.npy"), wanted[0], rtol=0, atol=1e-5)


def test_the_profile_counts_as_the_references_does() -> None:
    artifact, target = lower(small(), OnnxConfig(precision="float64")), get_target("reference")
    found, wanted = profile(artifact, X), target.profile(target.lower(small(), target.config()), X)
    assert found.target == "onnx" and "float64, threads: 1" in found.conditions
    assert found.operations.keys() == wanted.operations.keys() and wanted.operations["spikes"].value > 0
    for name, figure in wanted.operations.items():
        assert found.operations[name].value == pytest.approx(figure.value, rel=1e-12), name
    assert {n: f["spikes"].value for n, f in found.layers.items() if "spikes" in f} == {
        n: f["spikes"].value for n, f in wanted.layers.items()
    }
    assert all(found.layers[node]["time in nodes"].value > 0 for node in ("lif1", "lif2"))
    assert found.memory["sequence model"].value == len(artifact.sequence)
    assert found.memory["state"].value == wanted.memory["state"].value == 8 * (4 * 4 + 2 * 4)
    assert profile(lower(small(), OnnxConfig()), X).memory["state"].value == 4 * (4 * 4 + 2 * 4)
    for label in ("per inference p50", "per step p50"):
        assert found.latency[label].kind == "measured" and found.latency[label].value > 0
