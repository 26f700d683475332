"""Float graphs as NIR files: ours come back whole and open in plain nir; what a file does not say must be given."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError
from cortexcore.export import reference
from cortexcore.export.graph import Graph
from cortexcore.export.nir_io import load_graph_file, read_nir, write_nir
from cortexcore.export.nodes import (
    IF,
    LI,
    LIF,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
    Input,
    Linear,
    Node,
    Output,
    Scale,
    Subgraph,
    SumPool2d,
    Threshold,
)

FIRST = Path(__file__).parents[1] / "golden" / "nir" / "float.nir"
"""``first_graph()`` as the first release wrote it (``write_nir``, CortexCore 0.1 at e8c90af, nir 1.0.8)."""


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def first_graph() -> Graph:
    rng = np.random.default_rng(0)
    nodes: dict[str, Node] = {
        "window": Input((4, 12)),
        "rhythm": Input((3,)),
        "gain": Scale(num(0.25)),
        "z_conv": Conv1d(rng.normal(size=(6, 2, 3)), rng.normal(size=6), 12, 2, 1, 1, 2),
        "a_lif": LIF((6, 6), num(5e-3), num(2.0), num(0.1), num(0.3), "zero"),
        "flat": Flatten((6, 6)),
        "fc": Affine(rng.normal(size=(5, 36)), rng.normal(size=5)),
        "r": Linear(rng.normal(size=(5, 3))),
        "rec": Linear(rng.normal(size=(5, 5))),
        "lif": LIF((5,), rng.uniform(2e-3, 9e-3, 5), num(1.0), num(0.0), rng.uniform(0.2, 0.6, 5), "subtract", True),
        "cuba": CubaLIF((5,), num(3e-3), num(6e-3), num(4.0), num(0.0), num(0.4), num(2.5), "subtract"),
        "out": Linear(rng.normal(size=(2, 5))),
        "li": LI((2,), num(2e-2), num(1.0), rng.normal(size=2)),
        "y": Output((2,)),
    }
    edges = [("window", "gain"), ("gain", "z_conv"), ("z_conv", "a_lif"), ("a_lif", "flat"), ("flat", "fc")]
    edges += [("fc", "lif"), ("rhythm", "r"), ("r", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "cuba")]
    edges += [("cuba", "out"), ("out", "li"), ("li", "y")]
    return Graph(nodes, tuple(edges), 1e-3, "euler", {"classes": ["N", "V"], "input_ranges": {"rhythm": [-1, 1]}})


def everything() -> Graph:
    """Every primitive of NIR 1.0.8, subgraphs two deep, a loop, two inputs, two outputs, a neuron nobody reads."""
    rng = np.random.default_rng(0)
    deep = {
        "from": Input((8,)),
        "wait": Delay(num(2e-3)),
        "w": Linear(rng.normal(size=(8, 8))),
        "lif": LIF((8,), num(5e-3), num(9.0), num(0.0), rng.uniform(0.1, 0.9, 8), "zero", v_reset=num(-0.1)),
        "rec": Linear(rng.normal(size=(8, 8))),
        "to": Output((8,)),
    }
    links = (("from", "wait"), ("wait", "w"), ("w", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "to"))
    around: dict[str, Node] = {"z": Input((8,)), "deep": Subgraph(deep, links), "s": Scale(num(2.0)), "a": Output((8,))}
    nodes: dict[str, Node] = {
        "z": Input((2, 12, 10)),
        "side": Input((8,)),
        "conv": Conv2d(rng.normal(size=(4, 1, 3, 5)), rng.normal(size=4), (12, 10), (2, 1), (1, 0), (1, 1), 2),
        "sum": SumPool2d((2, 2), (2, 1)),
        "if": IF((4, 3, 5), num(1e3), num(1.0), "subtract", True),
        "avg": AvgPool2d((2, 3), (1, 1), (1, 0)),
        "part": Flatten((4, 4, 3), 1, -1),
        "line": Conv1d(rng.normal(size=(2, 2, 3)), rng.normal(size=2), 12, 2, 1, 1, 2),
        "ü": CubaLIF((2, 6), num(3e-3), num(6e-3), num(4.0), num(0.0), num(0.4), np.full((2, 6), 2.5), "none"),
        "flat": Flatten((2, 6)),
        "fc": Affine(rng.normal(size=(8, 12)), rng.normal(size=8)),
        "net": Subgraph(around, (("z", "deep"), ("deep", "s"), ("s", "a"))),
        "each": Scale(rng.normal(size=8)),
        "late": Delay(np.arange(8) * 1e-3),
        "step": Threshold((8,), rng.uniform(0, 1, 8)),
        "cuba": CubaLI((8,), num(2e-3), num(4e-3), num(1.0), num(0.0), rng.normal(size=8)),
        "i": I((8,), num(1.0)),
        "unread": LI((8,), num(1e-2), num(1.0), num(0.0)),
        "y": Output((8,)),
        "x": Output((8,)),
    }
    path = [
        "z",
        "conv",
        "sum",
        "if",
        "avg",
        "part",
        "line",
        "ü",
        "flat",
        "fc",
        "net",
        "each",
        "late",
        "step",
        "cuba",
        "y",
    ]
    edges = [*itertools.pairwise(path), ("net", "i"), ("side", "i"), ("i", "x"), ("net", "unread")]
    return Graph(nodes, tuple(edges), 1e-3, "exponential", {"classes": ["N"]})


def same(one: Any, two: Any, where: str) -> None:
    """Two graphs, subgraphs or nodes are equal in every field, arrays in shape and type too."""
    assert type(one) is type(two), where
    for key, value in vars(one).items():
        other = getattr(two, key)
        if key == "nodes":
            assert list(value) == list(other), where
            for name in value:
                same(value[name], other[name], f"{where}.{name}")
        elif isinstance(value, np.ndarray):
            assert (value.shape, value.dtype) == (other.shape, other.dtype), (where, key)
            np.testing.assert_array_equal(value, other, err_msg=f"{where}.{key}")
        elif not isinstance(value, dict) or key == "metadata":
            assert value == other, (where, key)


def back(graph: Graph, path: Path) -> Graph:
    write_nir(graph, path)
    again = load_graph_file(path)
    assert isinstance(again, Graph)
    return again


@pytest.mark.parametrize("make", [first_graph, everything])
def test_a_float_graph_comes_back_whole(make: Any, tmp_path: Path) -> None:
    graph, rng = make(), np.random.default_rng(1)
    again = back(graph, tmp_path / "g.nir")
    same(graph, again, "graph")
    x = {name: 2.0 * rng.integers(-2, 4, (40, 2, *port.shape)) for name, port in graph.inputs.items()}
    before, after = reference.run(graph, x), reference.run(again, x)
    assert all(np.array_equal(before.outputs[n], after.outputs[n]) and before.outputs[n].any() for n in before.outputs)
    assert all(np.array_equal(before.spikes[n], after.spikes[n]) and before.spikes[n].any() for n in before.spikes)


def random_graph(seed: int) -> Graph:
    """Branches, sums, loops through neurons and subgraphs, of nodes that all send three numbers."""
    rng = np.random.default_rng(seed)

    def some(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, 3) if rng.random() < 0.5 else np.array(rng.uniform(low, high))

    def reset() -> dict[str, Any]:
        kind = rng.choice(["zero", "subtract", "none"])
        return {"reset": str(kind), "reset_delay": bool(rng.random() < 0.5)} | (
            {"v_reset": some(-1, 0)} if kind == "zero" else {}
        )

    def neuron() -> Node:
        tau, r, leak = some(2e-3, 9e-3), some(0.5, 2), some(-0.1, 0.1)
        made: list[Node] = [
            LIF((3,), tau, r, leak, some(0.1, 0.5), **reset()),
            CubaLIF((3,), some(2e-3, 9e-3), tau, r, leak, some(0.1, 0.5), some(1, 2), **reset()),
            IF((3,), some(100, 900), some(0.1, 0.5), **reset()),
            LI((3,), tau, r, leak),
            CubaLI((3,), some(2e-3, 9e-3), tau, r, leak, some(1, 2)),
            I((3,), r),
            Threshold((3,), some(-1, 1)),
        ]
        return made[rng.integers(len(made))]

    def layer() -> Node:
        weight = rng.normal(size=(3, 3))
        delay = np.array(3e-3) if rng.random() < 0.5 else rng.integers(0, 4, 3) * 1e-3
        made: list[Node] = [Linear(weight), Affine(weight, rng.normal(size=3)), Scale(some(0.5, 2)), Delay(delay)]
        return made[rng.integers(len(made))]

    def network(depth: int) -> tuple[dict[str, Node], tuple[tuple[str, str], ...]]:
        ids = iter(rng.permutation(100).astype(str))
        names = [next(ids) for _ in range(rng.integers(4, 9))]
        nodes: dict[str, Node] = {names[0]: Input((3,))}
        edges: set[tuple[str, str]] = set()
        for i, name in enumerate(names[1:], 1):
            for source in rng.choice(names[:i], min(i, int(rng.integers(1, 4))), replace=False):
                edges.add((str(source), name))
            nested = depth < 2 and rng.random() < 0.3
            nodes[name] = Subgraph(*network(depth + 1)) if nested else neuron() if rng.random() < 0.6 else layer()
            if isinstance(nodes[name], LIF | CubaLIF | IF) and rng.random() < 0.5:
                back_ = next(ids)
                nodes[back_] = layer()
                edges |= {(name, back_), (back_, name)}
        nodes["y"] = Output((3,))
        edges |= {(name, "y") for name in nodes if name != "y" and not any(a == name for a, _ in edges)}
        return nodes, tuple(edges)

    nodes, edges = network(0)
    return Graph(nodes, edges, 1e-3, "euler" if rng.random() < 0.5 else "exponential", {"seed": seed})


@pytest.mark.parametrize("seed", range(12))
def test_random_topologies_come_back_whole_and_open_in_plain_nir(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed)
    again = back(graph, tmp_path / "g.nir")
    same(graph, again, "graph")
    nir.read(tmp_path / "g.nir")
    x = {name: np.random.default_rng(seed).normal(size=(20, 2, 3)) for name in graph.inputs}
    np.testing.assert_array_equal(reference.run(graph, x).outputs["y"], reference.run(again, x).outputs["y"])


def test_a_file_of_the_first_release_reads_the_same() -> None:
    same(first_graph(), read_nir(FIRST), str(FIRST))


def test_plain_nir_opens_ours(tmp_path: Path) -> None:
    graph = everything()
    write_nir(graph, tmp_path / "g.nir")
    opened = nir.read(tmp_path / "g.nir")
    kinds = {type(n).__name__ for n in [*opened.nodes.values(), *opened.nodes["net"].nodes["deep"].nodes.values()]}
    assert kinds == {*nir.ir.__all__} - {"NIRNode", "str2NIRNode", "dict2NIRNode"}
    assert opened.nodes["each"].scale.shape == (8,) and opened.nodes["net"].nodes["s"].scale.shape == (8,)
    for name, node in opened.nodes.items():
        if name in graph.nodes and name not in ("z", "side"):
            assert tuple(*node.output_type.values()) == graph.shapes[name], name
    ours = json.loads(opened.metadata["cortexcore"])["nodes"]
    assert ours["if"] == {"shared": ["r", "v_threshold", "v_reset"], "reset": "subtract", "reset_delay": True}


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "groups", "written"),
    [
        ((3, 3), (2, 1), (1, 0), (1, 2), 1, ((3, 3), "as it is")),
        ((3, 3), (1, 1), (1, 1), (1, 1), 2, ((3, 3), "as it is")),
        ((1, 5), (1, 1), (0, 2), (1, 1), 1, ((1, 5), "same")),
        ((5, 3), (1, 1), (4, 1), (2, 1), 2, ((5, 3), "same")),
        ((1, 3), (1, 2), (0, 1), (1, 1), 4, ((3, 3), "square")),
        ((4, 2), (1, 1), (0, 0), (2, 3), 1, ((4, 4), "square")),
        ((1, 4), (1, 1), (0, 0), (1, 1), 1, ((1, 4), "refused by nir's own check")),
    ],
)
def test_convolutions_that_nir_would_mistype(
    kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int, written: Any, tmp_path: Path
) -> None:
    """Grouped and oblong kernels are written so that nir's type check passes, and come back as they were."""
    rng = np.random.default_rng(3)
    weight, size = rng.normal(size=(4, 4 // groups, *kernel)), (13, 14)
    conv = Conv2d(weight, rng.normal(size=4), size, stride, padding, dilation, groups)
    shape = (4, *conv.output_size)
    nodes = {"x": Input((4, *size)), "c": conv, "n": IF(shape, num(1e3), num(1.0), "zero"), "y": Output(shape)}
    graph = Graph(nodes, (("x", "c"), ("c", "n"), ("n", "y")), 1e-3, "euler")
    same(graph, back(graph, tmp_path / "g.nir"), "graph")
    larger, how = written
    if how.startswith("refused"):
        with pytest.raises(ValueError, match="type mismatch"):
            nir.read(tmp_path / "g.nir")
    opened = nir.read(tmp_path / "g.nir", type_check=not how.startswith("refused"))
    assert opened.nodes["c"].weight.shape == (4, 4, *larger)
    assert isinstance(opened.nodes["c"].padding, str) is (how == "same")
    opened.metadata = {}
    nir.write(tmp_path / "plain.nir", opened)
    plain = read_nir(tmp_path / "plain.nir", 1e-3, "zero", "euler")
    x = {"x": rng.integers(0, 2, (9, 2, 4, *size)).astype(float)}
    one, two = reference.run(graph, x), reference.run(plain, x)
    np.testing.assert_allclose(one.v["n"], two.v["n"], rtol=0, atol=1e-12)  # sums of zeros in another order
    assert np.count_nonzero(one.v["n"])


def test_a_dilated_oblong_kernel_keeps_its_padding(tmp_path: Path) -> None:
    conv = Conv2d(np.ones((1, 1, 1, 5)), np.zeros(1), (9, 30), (1, 1), (2, 3), (3, 2))
    shape = (1, *conv.output_size)
    graph = Graph({"x": Input((1, 9, 30)), "c": conv, "y": Output(shape)}, (("x", "c"), ("c", "y")), 1e-3, "euler")
    same(graph, back(graph, tmp_path / "g.nir"), "graph")
    written = nir.read(tmp_path / "g.nir").nodes["c"]
    assert written.weight.shape == (1, 1, 5, 5) and tuple(written.padding) == (2 + 2 * 3, 3)


def test_options_that_agree_are_fine_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.nir"
    write_nir(first_graph(), path)
    read_nir(path, dt_s=1e-3, discretization="euler")
    for options, says in (
        ({"dt_s": 2e-3}, "--dt is 0.002, the file says 0.001"),
        ({"discretization": "exponential"}, "--discretization is exponential"),
        ({"reset": "zero"}, "--reset is zero, the file says subtract, zero"),
    ):
        with pytest.raises(GraphError, match=says):
            read_nir(path, **options)
    write_nir(everything(), path)
    with pytest.raises(GraphError, match="the file says none, subtract, zero"):
        read_nir(path, reset="none")


def test_names_that_a_file_cannot_keep(tmp_path: Path) -> None:
    graph = everything()
    net = graph.nodes["net"]
    assert isinstance(net, Subgraph)
    for name in ("a\tb", "\ud800", "\x7f"):
        nodes = {**graph.nodes, "net": replace(net, nodes={**net.nodes, name: LI((8,), *[num(1.0)] * 3)})}
        edges = (*net.edges, ("z", name))
        nodes["net"] = replace(nodes["net"], edges=edges)
        with pytest.raises(GraphError, match="NIR cannot keep the node names") as refused:
            write_nir(replace(graph, nodes=nodes), tmp_path / "g.nir")
        assert repr(name) in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_nodes_that_another_tool_added_come_last(tmp_path: Path) -> None:
    """nir itself puts an output behind every node that feeds nothing, and keeps our metadata as it was."""
    write_nir(everything(), tmp_path / "g.nir")
    nir.write(tmp_path / "n.nir", nir.read(tmp_path / "g.nir"))
    again = read_nir(tmp_path / "n.nir")
    assert list(again.nodes) == [*everything().nodes, "output_unread"]


def edit_metadata(path: Path, change: object) -> None:
    with h5py.File(path, "r+") as file:
        ours = json.loads(file["node/metadata/cortexcore"][()])
        del file["node/metadata/cortexcore"]
        file["node/metadata/cortexcore"] = json.dumps(change(ours)) if callable(change) else change


def said_of(name: str, **fields: object) -> Any:
    return lambda o: {**o, "nodes": {**o["nodes"], name: {**o["nodes"].get(name, {}), **fields}}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        (lambda o: {**o, "version": 99}, "format version 99"),
        (lambda o: [o], "format version None"),
        (lambda o: {k: v for k, v in o.items() if k != "dt_s"}, "lacks 'dt_s'"),
        (lambda o: {**o, "dt_s": "soon"}, "not a single number"),
        (lambda o: {**o, "discretization": ["euler"]}, r"discretization '\['euler'\]' is unknown"),
        (lambda o: {**o, "nodes": [1]}, "lacks part of its metadata"),
        (lambda o: {**o, "nodes": {**o["nodes"], "lif": 1}}, "'lif' .* lacks part of its metadata"),
        (lambda o: {**o, "metadata": None}, "lacks part of its metadata"),
        (lambda o: {**o, "nodes": {k: v for k, v in o["nodes"].items() if k != "lif"}}, "'lif' says no kind of reset"),
        (said_of("lif", reset={}), r"'lif' \(LIF\) has the reset {}"),
        (said_of("lif", reset="soft"), "the reset 'soft'"),
        (said_of("lif", reset_delay="no"), "reset_delay 'no'"),
        (said_of("lif", shared=["tau"]), "different values in 'tau', which all neurons share"),
        (said_of("lif", shared=7), "shared parameters 7"),
        (said_of("z_conv", groups=5), "5 groups"),
        (said_of("z_conv", groups=-2), "-2 groups"),
        (said_of("z_conv", kernel=[1]), "weights where its groups and kernel leave zeros"),
        (said_of("z_conv", kernel=[2]), "which no kernel of"),
        (said_of("z_conv", kernel=[0.5]), "must be whole numbers"),
    ],
)
def test_changed_metadata_is_noticed(tmp_path: Path, change: object, says: str) -> None:
    path = tmp_path / "g.nir"
    write_nir(first_graph(), path)
    edit_metadata(path, change)
    with pytest.raises(GraphError, match=says):
        read_nir(path)


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="folder must exist"):
        write_nir(first_graph(), tmp_path / "no" / "g.nir")
    write_nir(first_graph(), tmp_path / "g.nir")
    before = (tmp_path / "g.nir").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="No space left"):
        write_nir(first_graph(), tmp_path / "g.nir")
    assert (tmp_path / "g.nir").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_metadata_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="cannot be kept as JSON"):
        write_nir(replace(first_graph(), metadata={"a": np.zeros(2)}), tmp_path / "g.nir")
    assert not list(tmp_path.iterdir())
