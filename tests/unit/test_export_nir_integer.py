"""Integer networks as NIR files: back bit for bit, and a close float network to any other reader."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export import integer, reference
from cortexcore.export.graph import Graph
from cortexcore.export.network import Conv1d, Conv2d, Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.export.nir_io import load_graph_file, read_integer_nir, read_nir, write_integer_nir, write_nir
from cortexcore.export.nodes import LI, Input, Output

FIRST = Path(__file__).parents[1] / "golden" / "nir" / "integer.nir"
"""``integer_network()`` as the first release wrote it (``write_integer_nir``, CortexCore 0.1 at e8c90af, nir 1.0.8)."""


def edit_metadata(path: Path, change: object) -> None:
    with h5py.File(path, "r+") as file:
        ours = json.loads(file["node/metadata/cortexcore"][()])
        del file["node/metadata/cortexcore"]
        file["node/metadata/cortexcore"] = json.dumps(change(ours)) if callable(change) else change


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.integers(-128, 128, shape) * 2).astype(np.int32)


def integer_network() -> IntegerNetwork:
    rng = np.random.default_rng(3)
    conv = Conv1d(weights(rng, 4, 1, 3), -1, 2, 1, 1, 2)
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


def wide_network() -> IntegerNetwork:
    """Conv2d, registers per neuron, no reset, dense into several axes."""
    rng = np.random.default_rng(8)

    def each(shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
        return rng.integers(low, high, shape).astype(np.int32)

    conv = Conv2d(weights(rng, 4, 1, 3, 5), -2, (1, 1), (1, 0), (1, 1), 2)
    small = Conv2d(weights(rng, 2, 4, 1, 3), -3, (2, 1), (0, 1), (1, 2))
    zero = np.array(0, np.int32)
    a, b, c, d = (4, 6, 4), (2, 3, 2), (3, 4), (3,)
    du, dv = each(b, 0, 4096), each(b, 0, 4097)
    du[0, 0], dv[0, 1], dv[1, 1] = 4095, 0, 4096
    populations = (
        Population("a", a, (Synapses("xa", "x", conv),), 4095, each(a, 0, 4097), each(a, 40, 200), zero, 0, "none"),
        Population("b", b, (Synapses("ab", "a", small),), du, dv, each(b, 0, 400), each(b, -4096, 4096), 5, "subtract"),
        Population(
            "c",
            c,
            (
                Synapses("ac", "a", Dense(weights(rng, 12, 96), -2)),
                Synapses("bc", "b", Dense(weights(rng, 12, 12), 1)),
                Synapses("cc", "c", Dense(weights(rng, 12, 12), -1), True),
            ),
            each(c, 4095, 4096),
            100,
            each(c, 90, 999),
            each(c, -9, 10),
            1,
        ),
        Population("d", d, (Synapses("cd", "c", Dense(weights(rng, 3, 12))),), each(d, 0, 4095), 9, None, zero),
    )
    outputs = (OutputPort("y", "d"), OutputPort("s", "c"), OutputPort("t", "b"))
    return IntegerNetwork((InputPort("x", (2, 6, 8), 0, 1),), populations, outputs, 1e-3)


def mixed_network() -> IntegerNetwork:
    """A population of several axes that both a convolution and a dense connection feed."""
    rng = np.random.default_rng(9)
    conv, dense = Conv1d(weights(rng, 2, 3, 3), -1, 1, 1), Dense(weights(rng, 10, 10), -1)
    synapses = (Synapses("xp", "x", conv), Synapses("pp", "p", dense, True))
    p = Population("p", (2, 5), synapses, 2000, 300, 300, np.array(0, np.int32), 0, "zero")
    return IntegerNetwork((InputPort("x", (3, 5), 0, 1),), (p,), (OutputPort("y", "p"),), 1e-3)


def same(again: IntegerNetwork, network: IntegerNetwork) -> None:
    """Equal in every field, arrays in shape and type too."""
    assert again.dt_s == network.dt_s and again.metadata == network.metadata
    assert [vars(p) for p in again.inputs] == [vars(p) for p in network.inputs]
    assert [vars(p) for p in again.outputs] == [vars(p) for p in network.outputs]
    pairs = list(zip(again.populations, network.populations, strict=True))
    synapses = [pair for a, b in pairs for pair in zip(a.synapses, b.synapses, strict=True)]
    for one, two in [*pairs, *synapses, *((a.operation, b.operation) for a, b in synapses)]:
        assert type(one) is type(two)
        for key, value in vars(two).items():
            other = getattr(one, key)
            if isinstance(value, np.ndarray):
                assert (other.shape, other.dtype) == (value.shape, value.dtype), key
                np.testing.assert_array_equal(other, value, err_msg=key)
            elif key not in ("synapses", "operation"):
                assert other == value and type(other) is type(value), key


@pytest.mark.parametrize("make", [integer_network, wide_network, mixed_network])
def test_an_integer_network_comes_back_bit_for_bit(make: Any, tmp_path: Path) -> None:
    network = make()
    write_integer_nir(network, tmp_path / "i.nir")
    again = load_graph_file(tmp_path / "i.nir")
    assert isinstance(again, IntegerNetwork)
    same(again, network)
    port = network.inputs[0]
    x = {"x": np.random.default_rng(4).integers(port.low, port.high + 1, (40, 3, *port.shape))}
    one, two = integer.run(network, x), integer.run(again, x)
    assert all(np.array_equal(one.v[n], two.v[n]) and np.array_equal(one.u[n], two.u[n]) for n in one.v)
    assert all(np.array_equal(one.spikes[n], two.spikes[n]) and one.spikes[n].any() for n in one.spikes)


def test_a_file_of_the_first_release_reads_the_same() -> None:
    same(read_integer_nir(FIRST), integer_network())


def test_what_a_convolution_reads_must_keep_its_axes(tmp_path: Path) -> None:
    network = mixed_network()
    (p,) = network.populations
    conv = Conv1d(np.ones((1, 2, 3), np.int32))
    q = Population("q", (1, 3), (Synapses("pq", "p", conv),), 4095, 0, 9, np.array(0, np.int32))
    with pytest.raises(GraphError, match=r"'pq' reads 'p' \(2, 5\)"):
        write_integer_nir(replace(network, populations=(p, q)), tmp_path / "i.nir")
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("make", [wide_network, mixed_network])
def test_plain_nir_opens_and_runs_the_wider_networks(make: Any, tmp_path: Path) -> None:
    """As above; no resets, and thresholds that a float graph takes, so that rounding cannot add up to other spikes."""
    made = make()
    neurons = (p if p.vth is None else replace(p, vth=np.maximum(p.vth, 50), reset="none") for p in made.populations)
    network = replace(made, populations=tuple(neurons))
    write_integer_nir(network, tmp_path / "i.nir")
    opened = nir.read(tmp_path / "i.nir")
    opened.metadata = {}
    nir.write(tmp_path / "f.nir", opened)
    graph = read_nir(tmp_path / "f.nir", 1e-3, "none", "euler")
    port = network.inputs[0]
    x = {"x": np.random.default_rng(5).integers(port.low, port.high + 1, (20, 4, *port.shape))}
    floats, integers = reference.run(graph, x), integer.run(network, x)
    for name, sent in integers.spikes.items():
        assert np.mean(floats.spikes[name].reshape(sent.shape) == sent) > 0.99 and 0.01 < sent.mean() < 0.99, name
    for name, v in integers.v.items():
        assert np.mean(np.abs(floats.v[name].reshape(v.shape) - v)) < 0.01 * np.abs(v).max(), name


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
    write_integer_nir(wide_network(), path)
    with h5py.File(path, "r+") as file:
        file["node/nodes/b/r"][0, 0, 0] = 3.001
    with pytest.raises(GraphError, match="dv of 'b' are not the integers"):
        read_integer_nir(path)
    write_integer_nir(wide_network(), path)
    edit_metadata(path, lambda o: {**o, "populations": [{**p, "dv": "all"} for p in o["populations"]]})
    with pytest.raises(GraphError, match="has the dv 'all', which is no whole number"):
        read_integer_nir(path)
    write_integer_nir(integer_network(), path)
    edit_metadata(path, lambda o: {k: v for k, v in o.items() if k != "populations"})
    with pytest.raises(GraphError, match="lacks part of its integer network"):
        read_integer_nir(path)


def test_float_and_integer_readers_send_each_other_on(tmp_path: Path) -> None:
    write_integer_nir(integer_network(), tmp_path / "i.nir")
    one = np.ones(())
    nodes = {"x": Input((2,)), "n": LI((2,), one, one, one), "y": Output((2,))}
    write_nir(Graph(nodes, (("x", "n"), ("n", "y")), 1e-3, "euler"), tmp_path / "g.nir")
    with pytest.raises(GraphError, match="integer network, not a float graph"):
        read_nir(tmp_path / "i.nir")
    with pytest.raises(GraphError, match="quantize it first"):
        read_integer_nir(tmp_path / "g.nir")


def test_integer_metadata_must_be_json(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="cannot be kept as JSON"):
        write_integer_nir(replace(integer_network(), metadata={"a": float("nan")}), tmp_path / "i.nir")
    assert not list(tmp_path.iterdir())


def test_names_that_a_file_cannot_keep_twice(tmp_path: Path) -> None:
    network = integer_network()
    clash = IntegerNetwork(network.inputs, network.populations, (OutputPort("h", "r"),), 1e-3)
    with pytest.raises(GraphError, match="names 'h' twice"):
        write_integer_nir(clash, tmp_path / "i.nir")
    assert not list(tmp_path.iterdir())
