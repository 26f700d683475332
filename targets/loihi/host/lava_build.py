"""The Lava processes of a lowered network, connected.

Each Lava connection delivers one step later. A population ``depth`` connections from the inputs therefore computes
step t of inference b at step every·(b·T + t) + depth + 1 of a call, if inputs that feed it directly are sent one step
before; ``every`` is 1 but where a loop spans several populations. Inferences follow each other without a gap: at its
own t = 0 a population returns to rest and its recurrent connections drop what the inference before sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from lava_microcode import MicrocodeLIF  # type: ignore[import-not-found]  # neighbours of this file
from lava_windows import FileSink, FileSource  # type: ignore[import-not-found]
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

NEVER = 2**30
"""Steps between two resets of what is reset once."""
Arrays = Mapping[str, NDArray[Any]]


def build(structure: Mapping[str, Any], arrays: Arrays, folder: Path, adapters: Any = None) -> dict[str, Any]:
    """Population → its process, all of them connected, sources too and, on hardware, what reads the outputs."""

    def window(index: int, start: int) -> dict[str, Any]:
        return {"folder": str(folder), "index": index, "start": start, "every": structure["every"]}

    index = {p["name"]: i for i, p in enumerate(structure["populations"])}
    depth = {p["name"]: p["depth"] for p in structure["populations"]}
    populations = {p["name"]: _population(p, arrays) for p in structure["populations"]}
    for name, process in populations.items():
        process.proc_params["window"] = window(index[name], depth[name] + 1)
    branches = {}
    for i, s in enumerate(structure["sources"], len(populations)):
        branches[s["name"]] = FileSource(shape=(s["size"],), window=window(i, s["depth"]), late=s["late"]).s_out
        if adapters is not None:
            adapter = adapters.spike.PyToNxAdapter(shape=(s["size"],), num_message_bits=s["message_bits"])
            branches[s["name"]].connect(adapter.inp)
            branches[s["name"]] = adapter.out
    for s in structure["synapses"]:
        connection = _connection(s, arrays)
        connection.proc_params["window"] = window(-1, depth[s["target"]] + 1)
        sent = populations[s["source"]].s_out if s["branch"] is None else branches[s["branch"]]
        sent.connect(connection.s_in)
        connection.a_out.connect(populations[s["target"]].a_in)
    if adapters is not None:
        for name in {o["source"] for o in structure["outputs"]}:
            shape = populations[name].s_out.shape
            adapter = adapters.spike.NxToPyAdapter(shape=shape)
            sink = FileSink(shape=shape, window=window(index[name], depth[name] + 1))
            populations[name].s_out.connect(adapter.inp)
            adapter.out.connect(sink.a_in)
    return populations


def _population(p: Mapping[str, Any], arrays: Arrays) -> Any:
    du, dv, vth = (arrays.get(f"{field}/{p['name']}", p[field]) for field in ("du", "dv", "vth"))
    bias = {
        "bias_mant": arrays[f"bias/{p['name']}"].astype(np.int32),
        "bias_exp": np.full(p["neurons"], p["bias_exp"], np.int32),
    }
    shape = (p["neurons"],)
    if p["process"] == "MicrocodeLIF":
        how = {"reset": p["reset"], "reset_delay": p["reset_delay"], "spiking": p["spiking"]}
        return MicrocodeLIF(shape=shape, du=du, dv=dv, vth=vth, **bias, **how)
    # The simulation's model resets at each inference's start; hardware runs one inference, and this once.
    lif = LIFReset(shape=shape, du=du, dv=dv, vth=vth, **bias, reset_interval=NEVER, reset_offset=p["depth"] + 1)
    lif.proc_params["watched"] = p["watched"]
    return lif


def _connection(s: Mapping[str, Any], arrays: Arrays) -> Any:
    key = f"weight/{s['name']}"
    options: dict[str, Any] = {
        "weight_exp": s["weight_exp"],
        "num_weight_bits": 8,
        "num_message_bits": s["message_bits"],
        "sign_mode": SignMode[s["sign_mode"].upper()],
    }
    if s["delay"]:
        options["delays"] = s["delay"]
    if s["kind"] == "sparse":
        parts = (arrays[f"{key}/data"], arrays[f"{key}/indices"], arrays[f"{key}/indptr"])
        weights = csr_matrix(parts, shape=tuple(s["shape"]), dtype=np.int32)
        connection = (DelaySparse if s["delay"] else Sparse)(weights=weights, **options)
    else:
        connection = (DelayDense if s["delay"] else Dense)(weights=arrays[key].astype(np.int32), **options)
    connection.proc_params["delay"], connection.proc_params["recurrent"] = s["delay"], s["recurrent"]
    return connection
