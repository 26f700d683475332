"""NIR files of other tools: what they leave out must be given or follows from what feeds a node; nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from torch.nn import functional

from cortexcore.errors import GraphError
from cortexcore.export import reference
from cortexcore.export.nir_io import read_nir, write_nir
from cortexcore.export.nodes import IF, LIF, AvgPool2d, Conv1d, Conv2d, CubaLI, CubaLIF, Flatten, Subgraph

RNG = np.random.default_rng(0)


def chain(path: Path, *nodes: Any, drop: tuple[str, ...] = ()) -> Path:
    """A file of ``nodes`` n0, n1, … one after another (an Input first, an Output last), without the fields ``drop``."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    edges = [(f"n{i}", f"n{i + 1}") for i in range(len(nodes) - 1)]
    nir.write(path, nir.NIRGraph(named, edges, type_check=False), compression=None)
    with h5py.File(path, "r+") as file:
        for field in drop:
            del file[f"node/nodes/{field}"]
    return path


def port(*shape: int) -> nir.Input:
    return nir.Input(np.array(shape))


def out(*shape: int) -> nir.Output:
    return nir.Output(np.array(shape))


def lif(shape: tuple[int, ...] = (2,), **changes: Any) -> nir.LIF:
    fields = {k: np.full(shape, v) for k, v in {"tau": 0.01, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0}.items()}
    return nir.LIF(**{**fields, **changes})


def test_a_foreign_file_must_be_told_what_it_does_not_say(data_dir: Path) -> None:
    path = data_dir / "nir_paper" / "lif" / "lif_norse.nir"
    with pytest.raises(GraphError, match=r"(?s)--dt.*--discretization.*--reset"):
        read_nir(path)
    with pytest.raises(GraphError, match=r"does not say what a spike resets \(--reset\)"):
        read_nir(path, dt_s=1e-4, discretization="euler")
    graph = read_nir(path, 1e-4, "zero", "euler")
    assert graph.metadata["assumed"] == {"dt_s": 1e-4, "discretization": "euler", "reset": "zero", "v_reset": 0.0}
    node = graph.nodes["1"]
    assert isinstance(node, LIF) and float(node.tau) == pytest.approx(2.5e-3) and not node.reset_delay


@pytest.mark.parametrize("node", [nir.LI, nir.I, nir.Threshold, nir.CubaLI])
def test_what_does_not_reset_needs_no_reset(node: Any, tmp_path: Path) -> None:
    names = {nir.LI: "tau r v_leak", nir.I: "r", nir.Threshold: "threshold", nir.CubaLI: "tau_syn tau_mem r v_leak"}
    path = chain(tmp_path / "f.nir", port(2), node(**{n: np.full(2, 0.5) for n in names[node].split()}), out(2))
    graph = read_nir(path, 1e-3, None, "euler")
    leaks = node in (nir.LI, nir.CubaLI)
    assert graph.metadata["assumed"] == {"dt_s": 1e-3} | ({"discretization": "euler"} if leaks else {})
    with pytest.raises(GraphError, match=r"--dt.*--discretization\)" if leaks else r"the time step \(--dt\): give"):
        read_nir(path)


@pytest.mark.parametrize("node", ["IF", "I", "Threshold"])
def test_neurons_without_leak_need_no_discretization(node: str, tmp_path: Path) -> None:
    fields = {"IF": ("r", "v_threshold"), "I": ("r",), "Threshold": ("threshold",)}[node]
    path = chain(tmp_path / "n.nir", port(2), getattr(nir, node)(**{field: np.ones(2) for field in fields}), out(2))
    graph = read_nir(path, 1e-3, "zero")
    assert graph.discretization == "euler" and "discretization" not in graph.metadata["assumed"]
    given = read_nir(path, 1e-3, "zero", "exponential")
    assert given.metadata["assumed"] == graph.metadata["assumed"]
    write_nir(replace(graph, discretization="exponential"), path)
    assert read_nir(path).discretization == "exponential"
    chain(path, port(2), lif(), out(2))
    with pytest.raises(GraphError, match="--discretization"):
        read_nir(path, 1e-3, "zero")


def test_fields_that_older_files_lack(tmp_path: Path) -> None:
    two = np.full(2, 0.5)
    cuba, cuba_li = nir.CubaLIF(two, two, two, two, two, None, two), nir.CubaLI(two, two, two, two, two)
    if_ = nir.IF(two, two)
    drop = ("n1/w_in", "n1/v_reset", "n2/w_in", "n3/v_reset")
    path = chain(tmp_path / "f.nir", port(2), cuba, cuba_li, if_, out(2), drop=drop)
    graph = read_nir(path, 1e-3, "zero", "euler")
    one, two_, three = (graph.nodes[f"n{i}"] for i in (1, 2, 3))
    assert isinstance(one, CubaLIF) and one.w_in == 1.0 and one.v_reset == 0.0 and one.w_in.shape == ()
    assert isinstance(two_, CubaLI) and two_.w_in == 1.0 and isinstance(three, IF) and three.v_reset == 0.0
    assert graph.metadata["assumed"]["v_reset"] == 0.0 and graph.metadata["assumed"]["w_in"] == 1.0


def test_a_v_reset_is_kept_and_needs_a_reset_that_uses_it(tmp_path: Path) -> None:
    path = chain(tmp_path / "f.nir", port(2), lif(v_reset=np.array([-0.5, 0.25])), out(2))
    node = read_nir(path, 1e-3, "zero", "euler").nodes["n1"]
    assert isinstance(node, LIF)
    np.testing.assert_array_equal(node.v_reset, [-0.5, 0.25])
    with pytest.raises(GraphError, match="'n1' has a v_reset, which the reset 'subtract' does not use"):
        read_nir(path, 1e-3, "subtract", "euler")


def test_ports_in_their_older_forms(tmp_path: Path) -> None:
    path = chain(tmp_path / "f.nir", port(2), lif(), out(2), drop=("n0/shape", "n2/shape"))
    with pytest.raises(GraphError, match=r"'n0' \(Input\) does not say its shape.*'n2' \(Output\) does not"):
        read_nir(path, 1e-3, "zero", "euler")
    with h5py.File(path, "r+") as file:
        file["node/nodes/n0/shape/input"] = [2]
        file["node/nodes/n2/output_type/output"] = [2]
    assert read_nir(path, 1e-3, "zero", "euler").shapes["n2"] == (2,)


def test_single_numbers_take_the_shape_of_what_feeds_them(tmp_path: Path) -> None:
    numbers = {k: np.float64(v) for k, v in {"tau": 0.01, "r": 1, "v_leak": 0, "v_threshold": 1}.items()}
    path = chain(tmp_path / "f.nir", port(2), nir.Linear(np.ones((3, 2))), nir.LIF(**numbers), out(3))
    graph = read_nir(path, 1e-3, "subtract", "euler")
    assert graph.shapes["n2"] == (3,) and graph.nodes["n2"].tau.shape == ()


def test_shapes_follow_through_layers_pools_and_subgraphs(tmp_path: Path) -> None:
    conv = nir.Conv2d((9, 9), np.ones((4, 2, 3, 3)), 2, 1, 1, 1, np.zeros(4))
    small = nir.Conv2d((1, 1), np.ones((3, 4, 1, 1)), 1, 0, 1, 1, np.zeros(3))
    inner_conv = nir.Conv1d(1, np.ones((2, 3, 2)), 1, 0, 1, 1, np.zeros(2))
    flatten = nir.Flatten({"input": np.array([2, 3])}, 0, -1)
    inner = nir.NIRGraph(
        {"in": port(3, 4), "c": inner_conv, "f": flatten, "out": out(6)},
        [("in", "c"), ("c", "f"), ("f", "out")],
        type_check=False,
    )
    numbers = nir.Threshold(np.float64(0.5))
    pool = nir.AvgPool2d(np.int64(2), np.int64(2), np.int64(0))
    nodes = [port(2, 9, 9), conv, nir.Scale(np.float64(2)), pool, small, nir.Flatten({"input": np.ones(3)}, 1, 2)]
    lacking = (
        *("n1/input_shape", "n4/input_shape", "n5/input_type"),
        *("n6/nodes/c/input_shape", "n6/nodes/f/input_type"),
    )
    path = chain(tmp_path / "f.nir", *nodes, inner, numbers, out(6), drop=lacking)
    graph = read_nir(path, 1e-3, None, "euler")
    assert [graph.shapes[f"n{i}"] for i in range(1, 8)] == [
        *((4, 5, 5), (4, 5, 5), (4, 2, 2), (3, 2, 2), (3, 4), (6,), (6,)),
    ]
    pooled, sub = graph.nodes["n3"], graph.nodes["n6"]
    assert isinstance(pooled, AvgPool2d) and pooled.kernel == (2, 2) and isinstance(sub, Subgraph)
    first, second = sub.nodes["c"], sub.nodes["f"]
    assert isinstance(first, Conv1d) and first.input_length == 4 and isinstance(second, Flatten)
    assert second.input_shape == (2, 3)


def test_a_shape_that_cannot_be_told_is_refused_by_name(tmp_path: Path) -> None:
    conv = nir.Conv1d(8, np.ones((1, 1, 3)), 1, 0, 1, 1, np.zeros(1))
    path = chain(tmp_path / "f.nir", port(1, 8), conv, out(1, 6), drop=("n1/input_shape",))
    with h5py.File(path, "r+") as file:
        del file["node/edges"]
        file["node/edges"] = [("n1", "n2")]
    with pytest.raises(GraphError, match="'n1' does not say its input_shape, nor does anything that feeds it"):
        read_nir(path, 1e-3, None, "euler")
    path = chain(tmp_path / "g.nir", port(2, 8), conv, out(1, 6), drop=("n1/input_shape",))
    with pytest.raises(GraphError, match=r"'n1' takes \[1, length\], but \(2, 8\) arrives"):
        read_nir(path, 1e-3, None, "euler")


def test_missing_and_unknown_parts_are_named_all_at_once(tmp_path: Path) -> None:
    inner = nir.NIRGraph({"in": port(2), "n": lif(), "out": out(2)}, [("in", "n"), ("n", "out")], type_check=False)
    nodes = (port(2), lif(), inner, nir.Linear(np.ones((2, 2))), out(2))
    path = chain(tmp_path / "f.nir", *nodes, drop=("n1/r", "n2/nodes/n/tau", "n3/type"))
    with h5py.File(path, "r+") as file:
        file["node/nodes/n3/type"] = "Sigmoid"
    with pytest.raises(GraphError) as refused:
        read_nir(path, 1e-3, "zero", "euler")
    for says in ("'n1' (LIF) lacks the field 'r'", "'n2.n' (LIF) lacks the field 'tau'", "for 'n3' (Sigmoid)"):
        assert says in str(refused.value)


def test_subgraphs_have_one_input_and_one_output(tmp_path: Path) -> None:
    inner = nir.NIRGraph({"in": port(2), "b": port(2), "out": out(2)}, [("in", "out")], type_check=False)
    path = chain(tmp_path / "f.nir", port(2), inner, out(2))
    with pytest.raises(GraphError, match="'n1' is a subgraph with 2 Input nodes, it needs one"):
        read_nir(path, 1e-3, None, "euler")


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((3, 5), {"padding": "same"}),
        ((3, 5), {"padding": "same", "dilation": (2, 3)}),
        ((4, 2), {"padding": "same"}),
        ((3, 2), {"padding": "valid", "stride": 2}),
        ((3, 3), {"padding": 1, "stride": (2, 3), "dilation": 2, "groups": 2}),
        ((2, 3), {"padding": (2, 0), "groups": 4}),
        ((3,), {"padding": "same", "dilation": 3}),
        ((4,), {"padding": "same", "groups": 2}),
        ((3,), {"padding": 2, "stride": 2, "groups": 4}),
    ],
)
def test_convolutions_mean_what_torch_means(kernel: tuple[int, ...], options: dict[str, Any], tmp_path: Path) -> None:
    """Every way to say stride, padding, dilation and groups, against torch's own convolution in float64."""
    options = {"stride": 1, "dilation": 1, "groups": 1, **options}
    weight, bias = RNG.normal(size=(4, 4 // options["groups"], *kernel)), RNG.normal(size=4)
    size = (13, 11)[: len(kernel)]
    x = RNG.normal(size=(5, 4, *size))
    compute = functional.conv1d if len(kernel) == 1 else functional.conv2d
    wanted = compute(torch.tensor(x), torch.tensor(weight), torch.tensor(bias), **options).numpy()
    make = nir.Conv1d if len(kernel) == 1 else nir.Conv2d
    shape: Any = size[0] if len(kernel) == 1 else size
    node = make(None, weight, options["stride"], options["padding"], options["dilation"], options["groups"], bias)
    node.input_shape = shape
    path = chain(tmp_path / "f.nir", port(4, *size), node, out(*wanted.shape[1:]))
    graph = read_nir(path, 1e-3, None, "euler")
    assert isinstance(graph.nodes["n1"], Conv1d | Conv2d) and graph.nodes["n1"].groups == options["groups"]
    got = reference.run(graph, {"n0": x[:, None]}).outputs["n2"][:, 0]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-12)  # the sums run in another order


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "says"),
    [
        (2, 1, "same", 3, "pads 'same' unequally, by a dilated kernel"),
        (3, 2, "same", 1, "pads 'same' with a stride"),
        (3, 1, "full", 1, "pads 'full', it must be"),
        (3, [1, 2], 0, 1, "holds 2 numbers in 'stride', it takes one"),
    ],
)
def test_convolutions_that_cannot_be_kept(
    kernel: int, stride: Any, padding: str | int, dilation: int, says: str, tmp_path: Path
) -> None:
    node = nir.Conv1d(None, np.ones((2, 2, kernel)), stride, 0, dilation, 1, np.zeros(2))
    node.input_shape, node.padding = 8, padding
    path = chain(tmp_path / "f.nir", port(2, 8), node, out(2, 8))
    with pytest.raises(GraphError, match=says):
        read_nir(path, 1e-3, None, "euler")


def test_what_another_tool_noted_is_kept(tmp_path: Path) -> None:
    """Of the graph, its nodes and those of subgraphs; through our own file too."""
    ones, sizes = np.ones(3), np.array([3])

    def lif(**notes: object) -> nir.LIF:
        return nir.LIF(ones * 0.01, ones, ones * 0, ones, metadata=notes)

    links = [("input", "l"), ("l", "output")]
    inner = nir.NIRGraph(
        {"input": nir.Input(sizes), "l": lif(who="b"), "output": nir.Output(sizes)}, links, type_check=False
    )
    nodes = {"input": nir.Input(sizes), "l": lif(who="a", n=3), "s": inner, "output": nir.Output(sizes)}
    notes = {"author": "me", "lr": 0.1, "seeds": np.arange(3), "deep": {"worst": np.array([np.inf, 1.0])}}
    wires = [("input", "l"), ("l", "s"), ("s", "output")]
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, wires, metadata=notes, type_check=False))
    graph = read_nir(tmp_path / "a.nir", 1e-3, "zero", "euler")
    assert graph.metadata["foreign"] == {
        "graph": {"author": "me", "lr": 0.1, "seeds": [0, 1, 2], "deep": {"worst": ["inf", 1.0]}},
        "nodes": {"l": {"who": "a", "n": 3}, "s.l": {"who": "b"}},
    }
    write_nir(graph, tmp_path / "b.nir")
    assert read_nir(tmp_path / "b.nir").metadata == graph.metadata
    large = nir.NIRGraph(nodes, wires, metadata={"data": np.zeros(100_000)}, type_check=False)
    nir.write(tmp_path / "c.nir", large)
    assert "left out" in read_nir(tmp_path / "c.nir", 1e-3, "zero", "euler").metadata["foreign"]
