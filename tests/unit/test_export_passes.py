"""Passes change a graph's form and not its spikes; what the normal form cannot express is refused."""

from __future__ import annotations

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Input, Linear, Node, Output, Scale
from cortexcore.export.passes import rewrite
from cortexcore.export.passes.identities import write_identities
from cortexcore.export.passes.populations import PASSES, normal_form
from cortexcore.export.passes.scales import fold_scales, scales_past_flattens
from cortexcore.export.passes.split import split_shared


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def lif(*shape: int, reset: str = "zero", **changes: object) -> LIF:
    fields = {"tau": num(5e-3), "r": num(2.0), "v_leak": num(0.0), "v_threshold": num(0.3), "reset": reset, **changes}
    return LIF(shape, **fields)  # type: ignore[arg-type]


def li(*shape: int) -> LI:
    return LI(shape, num(2e-2), num(1.0), num(0.0))


def graph_of(nodes: dict[str, Node], *paths: str) -> Graph:
    """``"x a b y"`` are the edges x→a→b→y."""
    edges = [pair for path in paths for pair in zip(path.split(), path.split()[1:], strict=False)]
    return Graph(nodes, tuple(edges), 1e-3, "euler")


def branched() -> Graph:
    """A shared scale and layer, a sum before a layer, scales before, behind and between, an identity branch."""
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "x": Input((4, 10)),
        "z": Input((3,)),
        "norm": Scale(num(0.5)),
        "conv": Conv1d(rng.normal(size=(4, 2, 3)), rng.normal(size=4) * 0.1, 10, 1, 1, 1, 2),
        "post": Scale(np.repeat(rng.uniform(0.5, 2, (4, 1)), 10, axis=1)),
        "a": lif(4, 10),
        "pre": Scale(np.repeat(rng.uniform(0.5, 2, (4, 1)), 10, axis=1)),
        "conv2": Conv1d(rng.normal(size=(4, 4, 3)), rng.normal(size=4) * 0.1, 10, 1, 1),
        "b": lif(4, 10, reset="subtract"),
        "flat_scale": Scale(rng.uniform(0.5, 2, (4, 10))),
        "flat": Flatten((4, 10)),
        "fc": Affine(rng.normal(size=(5, 40)) * 0.4, rng.normal(size=5) * 0.1),
        "twice": Scale(num(2.0)),
        "half": Scale(num(0.25)),
        "zfc": Linear(rng.normal(size=(5, 3))),
        "c": lif(5),
        "d": lif(5),
        "mix": Affine(rng.normal(size=(2, 5)), rng.normal(size=2) * 0.1),
        "r": li(2),
        "q": li(5),
        "skip": Scale(np.linspace(1, 2, 5)),
        "y": Output((2,)),
        "w": Output((5,)),
    }
    paths = ("x norm conv post a pre conv2 b", "a b", "b flat_scale flat fc c", "fc d", "z twice half zfc c")
    return graph_of(nodes, *paths, "c mix r y", "d mix", "c skip q w")


def random_inputs(graph: Graph, steps: int = 50) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=(steps, 3, *node.shape)) for name, node in graph.inputs.items()}


def test_passes_keep_the_spikes_and_reach_the_normal_form() -> None:
    graph = branched()
    before = reference.run(graph, random_inputs(graph))
    step = graph
    for change in PASSES:
        step = change(step)
        after = reference.run(step, random_inputs(graph))
        for name, spikes in before.spikes.items():
            np.testing.assert_array_equal(after.spikes[name], spikes, err_msg=f"{change.__name__}: {name}")
            assert spikes.any()
        np.testing.assert_allclose(after.outputs["y"], before.outputs["y"], atol=1e-12)
    assert not any(isinstance(node, Scale) for node in step.nodes.values())
    normal = normal_form(graph)
    assert [p.name for p in normal.populations] == ["a", "b", "c", "d", "r", "q"]
    assert {p.name: len(p.synapses) for p in normal.populations} == {"a": 1, "b": 2, "c": 2, "d": 1, "r": 2, "q": 1}
    assert dict(normal.outputs) == {"y": "r", "w": "q"}
    c = normal.populations[2]
    assert {s.source for s in c.synapses} == {"b", "z"} and c.bias.shape == (5,)
    assert normal.populations[0].bias.shape == (4, 10)


def test_a_split_sum_keeps_its_bias_once() -> None:
    bias = np.array([0.7])
    nodes: dict[str, Node] = {
        "x": Input((1,)),
        "z": Input((1,)),
        "fc": Affine(np.ones((1, 1)), bias),
        "n": lif(1),
        "y": Output((1,)),
    }
    split = split_shared(graph_of(nodes, "x fc n y", "z fc"))
    assert sorted(split.nodes) == ["fc", "fc_copy2", "n", "x", "y", "z"]
    (population,) = normal_form(split).populations
    np.testing.assert_array_equal(population.bias, bias)


def test_unread_layers_are_dropped() -> None:
    nodes: dict[str, Node] = {"x": Input((1,)), "n": lif(1), "dead": Linear(np.ones((4, 1))), "y": Output((1,))}
    assert "dead" not in split_shared(graph_of(nodes, "x n y", "x dead")).nodes


def test_branches_that_multiply_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "MAX_NODES", 200)
    nodes: dict[str, Node] = {"x": Input((1,)), "n": lif(1), "y": Output((1,))}
    paths, last = ["n y"], "x"
    for i in range(12):
        nodes |= {f"a{i}": Scale(num(1.5)), f"b{i}": Scale(num(0.5)), f"s{i}": Scale(num(1.0))}
        paths += [f"{last} a{i} s{i}", f"{last} b{i} s{i}"]
        last = f"s{i}"
    with pytest.raises(GraphError, match="multiply to more than 200"):
        split_shared(graph_of(nodes, *paths, f"{last} n"))


def test_scales_that_no_kernel_takes_up() -> None:
    uneven = Scale(np.arange(1.0, 9.0).reshape(2, 4))
    nodes: dict[str, Node] = {
        "x": Input((2, 4)),
        "s": uneven,
        "conv": Conv1d(np.ones((2, 2, 1)), np.zeros(2), 4),
        "t": uneven,
        "n": lif(2, 4),
        "y": Output((2, 4)),
    }
    with pytest.raises(GraphError, match="'s' scales a convolution's positions differently"):
        fold_scales(graph_of(nodes, "x s conv n y"[:-2].replace(" n", " t n") + " y"))
    bare = {name: node for name, node in nodes.items() if name not in ("conv", "t")}
    with pytest.raises(GraphError, match=r"'s' of shape \(2, 4\)"):
        write_identities(graph_of(bare, "x s n y"))


def test_a_scale_behind_a_layer_takes_its_bias_along() -> None:
    scale, bias = np.array([2.0, -3.0]), np.array([5.0, 7.0])
    dense: dict[str, Node] = {
        "x": Input((2,)),
        "fc": Affine(np.ones((2, 2)), bias),
        "s": Scale(scale),
        "n": lif(2),
        "y": Output((2,)),
    }
    folded = fold_scales(graph_of(dense, "x fc s n y")).nodes["fc"]
    assert isinstance(folded, Affine)
    np.testing.assert_array_equal(folded.weight, [[2, 2], [-3, -3]])
    np.testing.assert_array_equal(folded.bias, [10, -21])
    conv = Conv1d(np.ones((2, 2, 1)), bias, 4)
    shaped = {"x": Input((2, 4)), "fc": conv, "s": Scale(np.repeat(scale[:, None], 4, 1))}
    folded = fold_scales(graph_of({**shaped, "n": lif(2, 4), "y": Output((2, 4))}, "x fc s n y")).nodes["fc"]
    assert isinstance(folded, Conv1d)
    np.testing.assert_array_equal(folded.weight[:, :, 0], [[2, 2], [-3, -3]])
    np.testing.assert_array_equal(folded.bias, [10, -21])


def test_scales_move_past_flattens() -> None:
    nodes: dict[str, Node] = {
        "x": Input((2, 4)),
        "s": Scale(np.arange(1.0, 9.0).reshape(2, 4)),
        "f": Flatten((2, 4)),
        "fc": Linear(np.ones((1, 8))),
        "n": lif(1),
        "y": Output((1,)),
    }
    folded = fold_scales(scales_past_flattens(graph_of(nodes, "x s f fc n y")))
    (layer,) = [node for node in folded.nodes.values() if isinstance(node, Linear)]
    np.testing.assert_array_equal(layer.weight, np.arange(1.0, 9.0)[None])


def test_large_identities_are_refused() -> None:
    nodes: dict[str, Node] = {"x": Input((5000,)), "n": lif(5000), "y": Output((5000,))}
    with pytest.raises(GraphError, match="too large for a diagonal"):
        normal_form(graph_of(nodes, "x n y"))


FC = Linear(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("nodes", "path", "says"),
    [
        ({"a": FC, "b": FC, "n": lif(2)}, "x a b n y", "'b' follows another layer"),
        ({"a": FC}, "x a y", "output 'y' is not what one neuron node sends"),
        ({"r": li(2), "a": FC, "n": lif(2)}, "x r a n y", "'a' reads the membrane"),
        ({"n": lif(2, tau=np.array([1e-2, 2e-2]))}, "x n y", "has one tau per neuron"),
        ({"n": lif(2, v_threshold=np.array([1.0, 2.0]))}, "x n y", "has one v_threshold per neuron"),
        ({"n": lif(2, reset="none")}, "x n y", "fires without a reset"),
        ({"n": lif(2, v_threshold=num(-1))}, "x n y", "threshold of -1"),
        (
            {
                "a": Affine(np.ones((2, 2)), np.ones(2)),
                "n": CubaLIF((2,), *(num(v) for v in (1e-2, 1e-2, 1, 0, 1, 1)), "zero"),  # type: ignore[misc]
            },
            "x a n y",
            "'a' has a bias",
        ),
        (
            {"a": Conv1d(np.ones((2, 2, 1)), np.zeros(2), 4), "f": Flatten((2, 4)), "n": lif(8)},
            "x24 a f n y8",
            "flattens a layer",
        ),
    ],
)
def test_what_the_normal_form_cannot_express(nodes: dict[str, Node], path: str, says: str) -> None:
    rims: dict[str, Node] = {"x": Input((2,)), "y": Output((2,)), "x24": Input((2, 4)), "y8": Output((8,))}
    used = {name: node for name, node in {**rims, **nodes}.items() if name in path.split()}
    with pytest.raises(GraphError, match=says):
        normal_form(graph_of(used, path))


def test_every_reason_is_given_at_once() -> None:
    nodes: dict[str, Node] = {
        "x": Input((2,)),
        "a": FC,
        "b": FC,
        "n": lif(2, reset="none", tau=np.array([1e-2, 2e-2])),
        "y": Output((2,)),
    }
    with pytest.raises(GraphError, match=r"(?s)'b' follows.*'n' has one tau.*'n' fires without"):
        normal_form(graph_of(nodes, "x a b n y"))
