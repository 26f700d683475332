"""Hostile and damaged NIR files: one clear error each, in bounded time and memory."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export.nir_io import load_graph_file, read_nir
from cortexcore.export.nir_io.hdf import read_tree

WHOLE = Path(__file__).parents[1] / "golden" / "nir" / "float.nir"
HANGS = (3329, 8)
"""Byte and bits of WHOLE that, flipped, make libhdf5 2.0 (h5py 3.16) loop for ever."""
INTEGER = WHOLE.with_name("integer.nir")


def _soft(file: h5py.File) -> None:
    file["node/nodes/x"] = h5py.SoftLink("/node")


def _external_link(file: h5py.File) -> None:
    file["node/nodes/x"] = h5py.ExternalLink("/etc/passwd", "/node")


def _external_data(file: h5py.File) -> None:
    file.create_dataset("node/nodes/x", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "node", (4,))
    file.create_virtual_dataset("node/nodes/x", layout)


def _reference(file: h5py.File) -> None:
    file["node/x"] = 1.0
    file.create_dataset("node/nodes/x", data=file["node/x"].ref, dtype=h5py.ref_dtype)


def _compound(file: h5py.File) -> None:
    file["node/nodes/x"] = np.zeros(2, [("a", "f8"), ("b", "S3")])


def _complex(file: h5py.File) -> None:
    file["node/nodes/x"] = np.zeros(2, complex)


def _opaque(file: h5py.File) -> None:
    file["node/nodes/x"] = np.void(b"\x80\x04cos\nsystem\n")


def _ring(file: h5py.File) -> None:
    file.create_group("node/a")
    file["node/a/b"] = file["node"]


def _deep(file: h5py.File) -> None:
    file.create_group("node/" + "a/" * 60)


def _bomb(file: h5py.File) -> None:
    file.create_dataset("node/nodes/x/weight", (2**20, 2**20), "f4", chunks=True, compression="gzip")


def _small_numbers(file: h5py.File) -> None:
    file.create_dataset("node/nodes/x/weight", (2**28,), "i1", chunks=(2**20,), compression="gzip")


def _chunk(file: h5py.File) -> None:
    file.create_dataset("node/nodes/x/weight", (4,), "f8", chunks=(2**28,), maxshape=(None,), compression="gzip")


def _texts(file: h5py.File) -> None:
    file.create_dataset("node/edges", (2**18, 2), "S1", compression="gzip")


def _long_texts(file: h5py.File) -> None:
    file.create_dataset("node/edges", (2**14, 2), "S100000", chunks=(1, 2), compression="gzip")


def _unprintable(file: h5py.File) -> None:
    file["node/nodes/a\nb/type"] = "LIF"


def _not_utf8(file: h5py.File) -> None:
    file.create_group(b"node/\xff\xfe")


def _no_node(file: h5py.File) -> None:
    file["data"] = np.zeros(3)


def _node_is_data(file: h5py.File) -> None:
    file["node"] = np.zeros(3)


def _untyped(file: h5py.File) -> None:
    file["node/type"] = "NIRGraph"
    file["node/nodes/x/shape"] = [1]


def _type_is_a_number(file: h5py.File) -> None:
    file["node/type"] = 7
    file.create_group("node/nodes")


def _metadata_is_a_number(file: h5py.File) -> None:
    file["node/type"] = "NIRGraph"
    file.create_group("node/nodes")
    file["node/metadata/cortexcore"] = np.arange(4)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_soft, "links 'x' to another place"),
        (_external_link, "links 'x' to another place"),
        (_external_data, "keeps 'x' outside the file"),
        (_virtual, "keeps 'x' outside the file"),
        (_reference, "keeps 'x' as object"),
        (_compound, "keeps 'x' as .*'a'"),
        (_complex, "keeps 'x' as complex128"),
        (_opaque, r"keeps 'x' as \|V"),
        (_ring, "deeper than"),
        (_deep, "deeper than"),
        (_bomb, "unpacks to more than the limit of 1073741824 bytes"),
        (_small_numbers, "unpacks to more"),
        (_chunk, "unpacks to more"),
        (_texts, "more than 200000 objects"),
        (_long_texts, "unpacks to more"),
        (_unprintable, r"unprintable name 'a\\nb'"),
        (_not_utf8, "unprintable name"),
        (_no_node, "no group 'node'"),
        (_node_is_data, "no group 'node'"),
        (_untyped, "without a type: x"),
        (_type_is_a_number, "holds no NIRGraph"),
        (_metadata_is_a_number, "no JSON"),
    ],
)
def test_hdf5_that_is_no_network(make: Any, says: str, tmp_path: Path) -> None:
    path = tmp_path / "h.nir"
    with h5py.File(path, "w") as file:
        make(file)
    started = time.monotonic()
    with pytest.raises(GraphError, match=says):
        load_graph_file(path, 1e-3, "zero", "euler")
    assert time.monotonic() - started < 20


def test_paths_that_hold_no_hdf5(tmp_path: Path) -> None:
    whole = WHOLE.read_bytes()
    (tmp_path / "half.nir").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nir").write_text("no network")
    (tmp_path / "empty.nir").touch()
    for name, says in {
        "gone.nir": "does not exist",
        ".": "is not a file",
        "a\0b": "does not exist",
        "half.nir": "damaged",
        "text.nir": "is no HDF5 file",
        "empty.nir": "is no HDF5 file",
    }.items():
        with pytest.raises(GraphError, match=says):
            load_graph_file(tmp_path / name, 1e-3, "zero", "euler")
    with pytest.raises(GraphError, match="more than the limit"):
        read_nir(WHOLE, max_bytes=100)


def graph_of(path: Path, nodes: dict[str, Any], edges: list[tuple[str, str]]) -> Path:
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False), compression=None)
    return path


def line(path: Path, node: Any, shape: tuple[int, ...] = (2,)) -> Path:
    nodes = {"x": nir.Input(np.array(shape)), "n": node, "y": nir.Output(np.array(shape))}
    return graph_of(path, nodes, [("x", "n"), ("n", "y")])


def test_values_that_are_no_network(tmp_path: Path) -> None:
    path, two = tmp_path / "v.nir", np.ones(2)
    nan, many = np.array([1.0, np.nan]), np.array([1e300])
    for node, says in (
        (nir.LI(nan, two, two), "'n' holds values in tau that are not finite"),
        (nir.Linear(np.full((2, 2), np.inf)), "'n' holds values in weight that are not finite"),
        (nir.LIF(two, two, two, -two), "'n' has a threshold of -1"),
        (nir.Linear(np.zeros((0, 2))), r"'n' \(Linear\) has a weight of shape \(0, 2\)"),
        (nir.I(np.zeros((0, 3))), r"'n' \(I\) has parameters of the shape \(0, 3\), which is empty"),
        (nir.SumPool2d(np.array([0, 1]), two, two), r"'n' \(SumPool2d\) needs a kernel"),
        (nir.SumPool2d(two, many, two), r"'n' \(SumPool2d\) holds no whole numbers in 'stride'"),
        (nir.Conv1d(2, np.ones((1, 1, 1)), 1, 0, 0, 1, np.zeros(1)), "needs stride, dilation and groups"),
        (nir.Conv1d(2, np.ones((1, 1, 1)), 1, 0, 1, 0, np.zeros(1)), "needs stride, dilation and groups"),
        (nir.Conv1d(2, np.ones((1, 1, 1)), 1, -1, 1, 1, np.zeros(1)), "a padding of at least 0"),
        (nir.Delay(np.array([1e-3, -1e-3])), "'n' has a delay of"),
    ):
        with pytest.raises(GraphError, match=says):
            read_nir(line(path, node), 1e-3, "zero", "euler")
    with pytest.raises(GraphError, match="sends more than 268435456 numbers a step from 'x'"):
        read_nir(line(path, nir.Scale(np.ones(())), (2**30,)), 1e-3, "zero", "euler")


def test_subgraphs_nested_for_ever(tmp_path: Path) -> None:
    """As deep as subgraphs may be is read, one more is not; HDF5 groups nest twice as deep."""
    node: Any = nir.Scale(np.ones(2))
    for depth in range(1, 20):
        nodes = {"x": nir.Input(np.array([2])), "n": node, "y": nir.Output(np.array([2]))}
        node = nir.NIRGraph(nodes, [("x", "n"), ("n", "y")], type_check=False)
        if depth in (16, 18):
            path = line(tmp_path / f"{depth}.nir", node)
            if depth == 16:
                assert read_nir(path, 1e-3, None, "euler").shapes["n"] == (2,)
            else:
                with pytest.raises(GraphError, match="deeper than"):
                    read_nir(path, 1e-3, None, "euler")


def test_a_file_with_as_many_edges_as_allowed_is_answered_in_seconds(tmp_path: Path) -> None:
    path = line(tmp_path / "e.nir", nir.Scale(np.ones(2)))
    with h5py.File(path, "r+") as file:
        del file["node/edges"]
        file.create_dataset("node/edges", data=np.array([(b"x", b"n")] * 90_000), compression="gzip")
    started = time.monotonic()
    with pytest.raises(GraphError, match="edge x → n stands twice"):
        read_nir(path, 1e-3, None, "euler")
    assert time.monotonic() - started < 20


def test_subgraphs_that_would_multiply_are_refused_at_once(tmp_path: Path) -> None:
    """Two subgraphs of 1,500 parallel paths, one after the other, would be 2 million edges."""
    names = [f"n{i}" for i in range(1500)]
    scale = nir.Scale(np.ones(1))
    nodes = {"in": nir.Input(np.array([1])), "out": nir.Output(np.array([1])), **dict.fromkeys(names, scale)}
    edges = [("in", name) for name in names] + [(name, "out") for name in names]
    wide = nir.NIRGraph(nodes, edges, type_check=False)
    ports = {"x": nir.Input(np.array([1])), "y": nir.Output(np.array([1]))}
    path = graph_of(tmp_path / "w.nir", {**ports, "a": wide, "b": wide}, [("x", "a"), ("a", "b"), ("b", "y")])
    started = time.monotonic()
    with pytest.raises(GraphError, match="wires its subgraphs to more than can be written out"):
        read_nir(path, 1e-3, None, "euler")
    assert time.monotonic() - started < 60


def test_metadata_of_absurd_size(tmp_path: Path) -> None:
    for source, ours, says in (
        (WHOLE, "[" + "0," * 2**24 + "0]", "metadata of CortexCore of more than 16777216 characters"),
        (WHOLE, "x" * (2**26 + 1), "more than 67108864 bytes of names and texts"),
        (INTEGER, PARTS, "names 20003 ports, populations and synapses"),
    ):
        path = tmp_path / "m.nir"
        path.write_bytes(source.read_bytes())
        with h5py.File(path, "r+") as file:
            del file["node/metadata/cortexcore"]
            file["node/metadata/cortexcore"] = ours
        with pytest.raises(GraphError, match=says):
            load_graph_file(path)


PARTS = json.dumps(
    {
        "version": 1,
        "format": "integer",
        "inputs": [{}] * 3,
        "outputs": [],
        "populations": [{"synapses": [{}]}] * 10_000,
    }
)


def test_what_makes_libhdf5_loop_is_stopped(tmp_path: Path) -> None:
    content = bytearray(WHOLE.read_bytes())
    content[HANGS[0]] ^= HANGS[1]
    (tmp_path / "h.nir").write_bytes(content)
    started = time.monotonic()
    with pytest.raises(GraphError, match="damaged"):
        read_tree(tmp_path / "h.nir", seconds=2)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("source", [WHOLE, INTEGER])
def test_any_damage_is_a_graph_error_or_harmless(source: Path, tmp_path: Path) -> None:
    """Truncated, flipped and overwritten files, 30 of each source; 1,200 were tried once, with other seeds."""
    whole, rng = source.read_bytes(), np.random.default_rng(7)

    def damaged(i: int) -> bytes:
        content = bytearray(whole)
        if i % 3 == 0:
            return bytes(content[: rng.integers(0, len(content))])
        if i % 3 == 1:
            for at in rng.integers(0, len(content), rng.integers(1, 9)):
                content[at] ^= 1 << int(rng.integers(0, 8))
        else:
            at, junk = int(rng.integers(0, len(content) - 64)), rng.bytes(int(rng.integers(1, 64)))
            content[at : at + len(junk)] = junk
        return bytes(content)

    paths = []
    for i in range(30):
        paths.append(tmp_path / f"{i}.nir")
        paths[-1].write_bytes(damaged(i))

    def outcome(path: Path) -> str:
        try:
            load_graph_file(path)
        except GraphError as error:
            return str(error).removeprefix(str(path))
        return "read"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, paths))
    assert all("\n" not in text for text in outcomes)
    assert sum("damaged" in text for text in outcomes) >= 15
