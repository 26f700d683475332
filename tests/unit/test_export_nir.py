"""NIR files: ours come back whole and open in plain nir; foreign and hostile ones are told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest

from cortexcore.errors import DataError, GraphError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.network import Conv1d as IntConv1d
from cortexcore.export.network import (
    Dense,
    InputPort,
    IntegerNetwork,
    OutputPort,
    Population,
    Synapses,
)
from cortexcore.export.nir_io import load_graph_file, read_integer_nir, read_nir, write_integer_nir, write_nir
from cortexcore.export.nodes import LI, LIF, Affine, Conv1d, CubaLIF, Flatten, Input, Linear, Node, Output, Scale


def num(value: float) -> np.ndarray:
    return np.array(value, np.float64)


def everything() -> Graph:
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


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {"window": rng.integers(-9, 10, (30, 2, 4, 12)), "rhythm": rng.integers(-1, 2, (30, 2, 3))}


def test_a_float_graph_comes_back_whole(tmp_path: Path) -> None:
    graph = everything()
    write_nir(graph, tmp_path / "g.nir")
    again = load_graph_file(tmp_path / "g.nir")
    assert isinstance(again, Graph)
    assert list(again.nodes) == list(graph.nodes) and again.edges == graph.edges
    assert (again.dt_s, again.discretization, again.metadata) == (graph.dt_s, graph.discretization, graph.metadata)
    for name, node in graph.nodes.items():
        assert type(again.nodes[name]) is type(node)
        for key, value in vars(node).items():
            np.testing.assert_array_equal(getattr(again.nodes[name], key), value, err_msg=f"{name}.{key}")
    before, after = reference.run(graph, inputs()), reference.run(again, inputs())
    np.testing.assert_array_equal(before.outputs["y"], after.outputs["y"])
    assert all(np.array_equal(before.spikes[n], after.spikes[n]) and before.spikes[n].any() for n in before.spikes)


def test_plain_nir_opens_ours(tmp_path: Path) -> None:
    write_nir(everything(), tmp_path / "g.nir")
    opened = nir.read(tmp_path / "g.nir")
    assert type(opened.nodes["cuba"]).__name__ == "CubaLIF" and opened.nodes["z_conv"].weight.shape == (6, 4, 3)
    assert opened.nodes["gain"].scale.shape == (4, 12)
    assert json.loads(opened.metadata["cortexcore"])["nodes"]["lif"] == {"reset": "subtract", "reset_delay": True}


def test_options_that_agree_are_fine_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.nir"
    write_nir(everything(), path)
    read_nir(path, dt_s=1e-3, discretization="euler")
    for options, says in (
        ({"dt_s": 2e-3}, "--dt is 0.002, the file says 0.001"),
        ({"discretization": "exponential"}, "--discretization is exponential"),
        ({"reset": "zero"}, "--reset is zero, the file says subtract, zero"),
    ):
        with pytest.raises(GraphError, match=says):
            read_nir(path, **options)


def foreign(path: Path, nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]]) -> Path:
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False), compression=None)
    return path


def test_a_foreign_file_must_be_told_what_it_does_not_say(data_dir: Path) -> None:
    path = data_dir / "nir_paper" / "lif" / "lif_norse.nir"
    with pytest.raises(GraphError, match=r"(?s)--dt.*--discretization.*--reset"):
        read_nir(path)
    with pytest.raises(GraphError, match=r"does not say what a spike resets \(--reset\)"):
        read_nir(path, dt_s=1e-4, discretization="euler")
    graph = read_nir(path, 1e-4, "zero", "euler")
    assert graph.metadata["assumed"] == {"dt_s": 1e-4, "discretization": "euler", "reset": "zero"}
    node = graph.nodes["1"]
    assert isinstance(node, LIF) and float(node.tau) == pytest.approx(2.5e-3) and not node.reset_delay
    spikes = reference.run(graph, {"input": np.ones((1000, 1, 1))}).spikes["1"]
    interval = -2.5e-3 / 1e-4 * np.log(1 - 0.1)
    assert np.diff(np.flatnonzero(spikes)).mean() == pytest.approx(np.ceil(interval), abs=1)


def test_every_unsupported_node_is_named(data_dir: Path) -> None:
    with pytest.raises(GraphError, match="no counterpart") as refused:
        read_nir(data_dir / "nir_paper" / "cnn" / "cnn_sinabs.nir", 1e-3, "zero", "euler")
    named = [f"'{n}' (Conv2d)" for n in (0, 2, 5)] + [f"'{n}' (IF)" for n in (1, 3, 6, 10, 12)]
    assert all(name in str(refused.value) for name in [*named, "'4' (SumPool2d)", "'7' (SumPool2d)"])


def one_lif(**changes: np.ndarray) -> nir.LIF:
    fields = {"tau": np.ones(2), "r": np.ones(2), "v_leak": np.zeros(2), "v_threshold": np.ones(2)}
    return nir.LIF(**{**fields, **changes})


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (one_lif(v_reset=np.full(2, -0.5)), "v_reset other than 0"),
        (nir.Conv1d(2, np.ones((2, 2, 2)), 1, "same", 1, 1, np.zeros(2)), "unequally"),
        (nir.Flatten({"input": np.array([2, 3])}, 1, -1), "flattens only"),
        (nir.Delay(np.ones(2)), r"'n' \(Delay\)"),
    ],
)
def test_nodes_that_cannot_be_kept(tmp_path: Path, node: nir.NIRNode, says: str) -> None:
    nodes = {"input": nir.Input(np.array([2])), "n": node, "output": nir.Output(np.array([2]))}
    path = foreign(tmp_path / "f.nir", nodes, [("input", "n"), ("n", "output")])
    with pytest.raises(GraphError, match=says):
        read_nir(path, 1e-3, "zero", "euler")


def test_single_numbers_take_the_shape_of_what_feeds_them(tmp_path: Path) -> None:
    scalar = {k: np.float64(v) for k, v in {"tau": 0.01, "r": 1, "v_leak": 0, "v_threshold": 1}.items()}
    nodes = {
        "input": nir.Input(np.array([2])),
        "fc": nir.Linear(np.ones((3, 2))),
        "n": nir.LIF(**scalar),
        "output": nir.Output(np.array([3])),
    }
    path = foreign(tmp_path / "f.nir", nodes, [("input", "fc"), ("fc", "n"), ("n", "output")])
    assert read_nir(path, 1e-3, "subtract", "euler").shapes["n"] == (3,)


def test_missing_fields_are_named(tmp_path: Path) -> None:
    node = nir.Conv1d(8, np.ones((1, 1, 3)), 1, 0, 1, 1, np.zeros(1))
    nodes = {"input": nir.Input(np.array([1, 8])), "n": node, "m": node, "output": nir.Output(np.array([1, 6]))}
    path = foreign(tmp_path / "f.nir", nodes, [("input", "n"), ("n", "output")])
    with h5py.File(path, "r+") as file:
        del file["node/nodes/n/input_shape"], file["node/nodes/m/weight"]
    with pytest.raises(GraphError, match=r"(?s)'m' \(Conv1d\) lacks the field 'weight'.*'n' .* input_shape"):
        read_nir(path, 1e-3, "zero", "euler")


def test_same_and_valid_padding(tmp_path: Path) -> None:
    for padding, wanted in (("same", 2), ("valid", 0)):
        node = nir.Conv1d(8, np.ones((1, 1, 3)), 1, padding, 2, 1, np.zeros(1))
        length = 8 if padding == "same" else 4
        nodes = {"input": nir.Input(np.array([1, 8])), "n": node, "output": nir.Output(np.array([1, length]))}
        path = foreign(tmp_path / "f.nir", nodes, [("input", "n"), ("n", "output")])
        conv = read_nir(path, 1e-3, None, "euler").nodes["n"]
        assert isinstance(conv, Conv1d) and conv.padding == wanted


def test_damaged_and_hostile_files_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "g.nir"
    write_nir(everything(), path)
    whole = path.read_bytes()
    (tmp_path / "half.nir").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nir").write_text("no network")
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["data"] = np.zeros(3)
    with h5py.File(tmp_path / "bomb.nir", "w") as file:
        file.create_dataset("node/nodes/x/weight", shape=(2**20, 2**20), dtype="f4", chunks=True, compression="gzip")
    with h5py.File(tmp_path / "link.nir", "w") as file:
        file["node/nodes/x"] = h5py.ExternalLink("g.nir", "/node")
    with h5py.File(tmp_path / "ring.nir", "w") as file:
        file.create_group("node/a")
        file["node/a/b"] = file["node"]
    with h5py.File(tmp_path / "untyped.nir", "w") as file:
        file["node/type"] = "NIRGraph"
        file["node/nodes/x/shape"] = [1]
    with h5py.File(tmp_path / "list.nir", "w") as file:
        file["node"] = np.zeros(3)
    for name, says in {
        "gone": "does not exist",
        "half": "damaged",
        "text": "damaged or no HDF5",
        "other": "no group 'node'",
        "bomb": "unpacks to more",
        "link": "links 'x' to another place",
        "ring": "deeper than",
        "untyped": "without a type",
        "list": "no group 'node'",
    }.items():
        with pytest.raises(GraphError, match=says):
            load_graph_file(tmp_path / f"{name}.nir", 1e-3, "zero", "euler")
    with pytest.raises(GraphError, match="more than the limit"):
        read_nir(path, max_bytes=100)


def edit_metadata(path: Path, change: object) -> None:
    with h5py.File(path, "r+") as file:
        ours = json.loads(file["node/metadata/cortexcore"][()])
        del file["node/metadata/cortexcore"]
        file["node/metadata/cortexcore"] = json.dumps(change(ours)) if callable(change) else change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("{", "no JSON"),
        (lambda o: {**o, "version": 99}, "format version 99"),
        (lambda o: [o], "format version None"),
        (lambda o: {k: v for k, v in o.items() if k != "dt_s"}, "lacks 'dt_s'"),
        (lambda o: {**o, "dt_s": "soon"}, "not a single number"),
        (lambda o: {**o, "nodes": [1]}, "lacks part of its metadata"),
        (lambda o: {**o, "nodes": {"lif": 1}}, "lacks part of its metadata"),
        (lambda o: {**o, "metadata": None}, "lacks part of its metadata"),
        (lambda o: {**o, "nodes": {**o["nodes"], "lif": {"reset": {}}}}, "no kind of reset for lif"),
        (lambda o: {**o, "nodes": {**o["nodes"], "z_conv": {"groups": 5}}}, "5 groups"),
        (lambda o: {**o, "nodes": {**o["nodes"], "lif": {"reset": "soft", "reset_delay": False}}}, "'soft'"),
    ],
)
def test_changed_metadata_is_noticed(tmp_path: Path, change: object, says: str) -> None:
    path = tmp_path / "g.nir"
    write_nir(everything(), path)
    edit_metadata(path, change)
    with pytest.raises(GraphError, match=says):
        read_nir(path)


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="folder must exist"):
        write_nir(everything(), tmp_path / "no" / "g.nir")
    write_nir(everything(), tmp_path / "g.nir")
    before = (tmp_path / "g.nir").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nir, "write", full)
    with pytest.raises(DataError, match="No space left"):
        write_nir(everything(), tmp_path / "g.nir")
    assert (tmp_path / "g.nir").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_metadata_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="cannot be kept as JSON"):
        write_nir(replace(everything(), metadata={"a": np.zeros(2)}), tmp_path / "g.nir")
    with pytest.raises(GraphError, match="cannot be kept as JSON"):
        write_integer_nir(replace(integer_network(), metadata={"a": float("nan")}), tmp_path / "i.nir")
    assert not list(tmp_path.iterdir())


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.integers(-128, 128, shape) * 2).astype(np.int32)


def integer_network() -> IntegerNetwork:
    rng = np.random.default_rng(3)
    conv = IntConv1d(weights(rng, 4, 1, 3), -1, 2, 1, 1, 2)
    populations = (
        Population("c", (4, 5), (Synapses("conv", "x", conv),), 4095, 400, 300, np.array(7, np.int32), 3),
        Population(
            "h",
            (3,),
            (
                Synapses("ch", "c", Dense(weights(rng, 3, 20), -3)),
                Synapses("hh", "h", Dense(weights(rng, 3, 3), 2), True),
            ),
            1000,
            0,
            900,
            rng.integers(-4095, 4096, 3).astype(np.int32),
            0,
            "subtract",
            True,
        ),
        Population("r", (2,), (Synapses("hr", "h", Dense(weights(rng, 2, 3))),), 4095, 41, None, np.array(0, np.int32)),
        Population("q", (2,), (Synapses("hq", "h", Dense(weights(rng, 2, 3))),), 800, 41, None, np.array(0, np.int32)),
    )
    outputs = (OutputPort("y", "r"), OutputPort("z", "q"), OutputPort("s", "h"))
    return IntegerNetwork((InputPort("x", (2, 9), -9, 9),), populations, outputs, 1e-3, {"classes": ["N"], "n": 1})


def test_an_integer_network_comes_back_bit_for_bit(tmp_path: Path) -> None:
    network = integer_network()
    write_integer_nir(network, tmp_path / "i.nir")
    again = load_graph_file(tmp_path / "i.nir")
    assert isinstance(again, IntegerNetwork)
    assert again.dt_s == network.dt_s and again.metadata == network.metadata
    assert [vars(p) for p in again.inputs] == [vars(p) for p in network.inputs]
    assert [vars(p) for p in again.outputs] == [vars(p) for p in network.outputs]
    for a, b in zip(again.populations, network.populations, strict=True):
        np.testing.assert_array_equal(a.bias, b.bias)
        assert a.bias.shape == b.bias.shape and a.bias.dtype == np.int32
        assert {**vars(a), "bias": 0, "synapses": 0} == {**vars(b), "bias": 0, "synapses": 0}
        for s, t in zip(a.synapses, b.synapses, strict=True):
            np.testing.assert_array_equal(s.operation.weight, t.operation.weight)
            assert s.operation.weight.dtype == np.int32
            assert {**vars(s.operation), "weight": 0} == {**vars(t.operation), "weight": 0}
            assert (s.name, s.source, s.recurrent) == (t.name, t.source, t.recurrent)
    x = {"x": np.random.default_rng(4).integers(-9, 10, (40, 3, 2, 9))}
    one, two = integer.run(network, x), integer.run(again, x)
    assert all(np.array_equal(one.v[n], two.v[n]) and np.array_equal(one.u[n], two.u[n]) for n in one.v)
    assert all(np.array_equal(one.spikes[n], two.spikes[n]) and one.spikes[n].any() for n in one.spikes)


def test_any_reader_runs_an_integer_file_as_a_close_float_network(tmp_path: Path) -> None:
    """Without our metadata the file is a float network in units of v: the same spikes up to rounding."""
    rng = np.random.default_rng(5)
    network = IntegerNetwork(
        (InputPort("x", (4,), 0, 1),),
        (
            Population(
                "h", (6,), (Synapses("a", "x", Dense(weights(rng, 6, 4), 1)),), 4095, 400, 500, np.int32([3] * 6)
            ),
            Population(
                "r", (2,), (Synapses("b", "h", Dense(weights(rng, 2, 6))),), 4095, 200, None, np.array(0, np.int32)
            ),
        ),
        (OutputPort("y", "r"),),
        1e-3,
    )
    write_integer_nir(network, tmp_path / "i.nir")
    opened = nir.read(tmp_path / "i.nir")
    opened.metadata = {}
    nir.write(tmp_path / "f.nir", opened)
    graph = read_nir(tmp_path / "f.nir", 1e-3, "zero", "euler")
    x = {"x": rng.integers(0, 2, (50, 8, 4))}
    floats, integers = reference.run(graph, x), integer.run(network, x)
    assert np.mean(floats.spikes["h"] == integers.spikes["h"]) > 0.995 and integers.spikes["h"].any()
    error = np.abs(floats.outputs["y"] - integers.outputs["y"]).max()
    assert error < 0.02 * np.abs(integers.outputs["y"]).max()


def test_a_tampered_integer_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "i.nir"
    write_integer_nir(integer_network(), path)
    with h5py.File(path, "r+") as file:
        file["node/nodes/ch/weight"][0, 0] += 0.3
    with pytest.raises(GraphError, match="weights of 'ch' are not the integers"):
        read_integer_nir(path)
    write_integer_nir(integer_network(), path)
    edit_metadata(path, lambda o: {**o, "populations": [{**o["populations"][0], "du": -5}, *o["populations"][1:]]})
    with pytest.raises(GraphError, match="du of 'c' is -5"):
        read_integer_nir(path)
    write_integer_nir(integer_network(), path)
    edit_metadata(path, lambda o: {k: v for k, v in o.items() if k != "populations"})
    with pytest.raises(GraphError, match="lacks part of its integer network"):
        read_integer_nir(path)


def test_float_and_integer_readers_send_each_other_on(tmp_path: Path) -> None:
    write_integer_nir(integer_network(), tmp_path / "i.nir")
    write_nir(everything(), tmp_path / "g.nir")
    with pytest.raises(GraphError, match="integer network, not a float graph"):
        read_nir(tmp_path / "i.nir")
    with pytest.raises(GraphError, match="quantize it first"):
        read_integer_nir(tmp_path / "g.nir")


def test_names_that_a_file_cannot_keep_twice(tmp_path: Path) -> None:
    network = integer_network()
    clash = IntegerNetwork(network.inputs, network.populations, (OutputPort("h", "r"),), 1e-3)
    with pytest.raises(GraphError, match="names 'h' twice"):
        write_integer_nir(clash, tmp_path / "i.nir")
    assert not list(tmp_path.iterdir())
