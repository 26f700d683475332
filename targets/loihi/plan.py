"""From the integer network to the Lava processes it becomes, as plain data.

Populations are Lava's LIFReset where a hardware LIF can be them, else our own MicrocodeLIF. One whose neurons differ in
du, dv or vth is not split into LIFs of equal ones: a connection from it shifts its sum right once, over all its
sources, and sums of shifted parts are other numbers. Connections are Lava's Dense, or Sparse where that stores fewer
numbers, with Lava's delays where branches differ in depth.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.network import (
    THRESHOLD_LIMIT,
    Convolution,
    Field,
    Int,
    IntegerNetwork,
    Population,
    Synapses,
    fan_in,
)
from cortexcore.targets.bounds import guards
from cortexcore.targets.loihi.check import message_bits, microcode, sign_mode
from cortexcore.targets.loihi.timing import Timing, timing

ONE_WRAP = 2**24
"""Lava's LIF wraps u once: a drive Σ a·2^6 beyond this leaves 24 bits even then."""
Arrays = dict[str, NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Lowered:
    """Everything that determines the Lava processes and their timing, as JSON values and arrays.

    Attributes:
        structure: ``every``, Lava steps per step of the network; ``inputs``: ``name``, ``shape``, ``low``, ``high``;
            ``outputs``: ``name``, ``source``; ``sources``, a process that sends an input at a depth: ``name``
            ("input@depth", "+1" behind it where ``late``), ``input``, ``size``, ``depth``, ``message_bits``;
            ``populations``: ``name``, ``shape``, ``neurons``, ``process``, ``du``, ``dv``, ``vth`` (None where each
            neuron has its own), ``bias_exp``, ``reset``, ``reset_delay``, ``spiking``, ``depth``, ``biased``, and
            ``watched`` where currents could leave what one wrap brings back; ``synapses``: ``name``, ``kind``
            ("dense" | "sparse"), ``shape``, ``weight_exp``, ``sign_mode``, ``message_bits`` (0 for plain spikes),
            ``fan_in`` (largest Σ|w|), ``source``, ``branch`` (the source process of an input, else None), ``target``,
            ``recurrent``, ``delay``.
        arrays: ``bias/<population>``; ``du/…``, ``dv/…``, ``vth/…`` of each neuron's own; ``weight/<synapses>`` or,
            sparse, its ``/data``, ``/indices``, ``/indptr``.
    """

    structure: Mapping[str, Any]
    arrays: Mapping[str, NDArray[np.int32]]

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256(json.dumps(self.structure, sort_keys=True).encode())
        for key in sorted(self.arrays):
            digest.update(key.encode() + np.ascontiguousarray(self.arrays[key], "<i4").tobytes())
        return digest.hexdigest()


def lower(network: IntegerNetwork) -> Lowered:
    """Lava's processes for a network that passed the check."""
    times = timing(network)
    arrays: Arrays = {}
    populations = [_population(network, p, times, arrays) for p in network.populations]
    sources: dict[str, dict[str, Any]] = {}
    synapses = [
        _connection(network, p, s, f"{p.name}/{i}", times, sources, arrays)
        for p in network.populations
        for i, s in enumerate(p.synapses)
    ]
    structure = {
        "every": times.every,
        "inputs": [{"name": x.name, "shape": list(x.shape), "low": x.low, "high": x.high} for x in network.inputs],
        "outputs": [{"name": o.name, "source": o.source} for o in network.outputs],
        "sources": list(sources.values()),
        "populations": populations,
        "synapses": synapses,
    }
    return Lowered(structure, arrays)


def _population(network: IntegerNetwork, p: Population, times: Timing, arrays: Arrays) -> dict[str, Any]:
    arrays[f"bias/{p.name}"] = np.broadcast_to(p.bias, p.shape).reshape(-1).astype(np.int32)
    own = bool(microcode(p, times))

    def field(name: str, value: Field) -> int | None:
        if isinstance(value, np.ndarray):
            arrays[f"{name}/{p.name}"] = value.reshape(-1).astype(np.int32)
            return None
        return int(value)

    return {
        "name": p.name,
        "shape": list(p.shape),
        "neurons": p.size,
        "process": "MicrocodeLIF" if own else "LIFReset",
        "du": field("du", p.du),
        "dv": field("dv", p.dv),
        "vth": field("vth", THRESHOLD_LIMIT if p.vth is None else p.vth),
        "bias_exp": p.bias_exp,
        "reset": p.reset,
        "reset_delay": p.reset_delay,
        "spiking": p.vth is not None,
        "depth": times.depth[p.name],
        "biased": bool(p.bias.any()),
        "watched": not own and guards(network, p).drive > ONE_WRAP,
    }


def _connection(
    network: IntegerNetwork,
    p: Population,
    s: Synapses,
    name: str,
    times: Timing,
    sources: dict[str, dict[str, Any]],
    arrays: Arrays,
) -> dict[str, Any]:
    shape = network.shape_of(s.source)
    size = math.prod(shape)
    bits = message_bits(*network.range_of(s.source))
    branch = None
    if s.source not in times.depth:
        depth = times.depth[p.name]
        branch = f"{s.source}@{depth}{'+1' if s.recurrent else ''}"
        sent = {"name": branch, "input": s.source, "size": size, "depth": depth, "late": s.recurrent}
        sources[branch] = {**sent, "message_bits": bits}
    return {
        "name": name,
        "kind": _store(s, f"weight/{name}", shape, arrays),
        "shape": [p.size, size],
        "weight_exp": s.operation.weight_exp,
        "sign_mode": sign_mode(s.operation.weight),
        "message_bits": bits,
        "fan_in": fan_in(s.operation),
        "source": s.source,
        "branch": branch,
        "target": p.name,
        "recurrent": s.recurrent,
        "delay": times.delay(p, s),
    }


def _store(s: Synapses, key: str, shape: tuple[int, ...], arrays: Arrays) -> str:
    """Put the weights into ``arrays``; a dense matrix as a sparse one where that takes fewer numbers."""
    weight = s.operation.weight
    if isinstance(s.operation, Convolution):
        parts = unroll(s.operation, shape[1:])
    elif 2 * np.count_nonzero(weight) + len(weight) + 1 < weight.size:
        parts = compress(weight)
    else:
        arrays[key] = weight.astype(np.int32)
        return "dense"
    for part, values in zip(("data", "indices", "indptr"), parts, strict=True):
        arrays[f"{key}/{part}"] = values
    return "sparse"


def compress(weight: Int) -> tuple[Int, Int, Int]:
    """A matrix [out, in] in CSR form: data, indices, indptr."""
    rows, columns = np.nonzero(weight)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(weight)))])
    return weight[rows, columns].astype(np.int32), columns.astype(np.int32), indptr.astype(np.int32)


def unroll(op: Convolution, sizes: tuple[int, ...]) -> tuple[Int, Int, Int]:
    """A convolution over axes of ``sizes`` as a sparse matrix [out·positions, in·sizes] in CSR form.

    Returns:
        data, indices, indptr; the rows in C order of (out, *positions), the columns of (in, *sizes).
    """
    window = op.window
    out, per_group, *kernel = op.weight.shape
    positions = window.positions(sizes)
    axes = len(sizes)
    grid = np.ogrid[tuple(slice(n) for n in (out, *positions, per_group, *kernel))]
    o, c = grid[0], grid[1 + axes]
    column = o // (out // op.groups) * per_group + c
    kept = np.ones((1,) * (2 + 2 * axes), np.bool_)
    for axis, size in enumerate(sizes):
        tap = grid[2 + axes + axis] * window.dilation[axis]
        sample = grid[1 + axis] * window.stride[axis] + tap - window.padding[axis]
        kept = kept & (sample >= 0) & (sample < size)
        column = column * size + sample
    weight = op.weight.reshape(out, *(1,) * axes, per_group, *kernel)
    full = (out, *positions, per_group, *kernel)
    kept = np.broadcast_to(kept & (weight != 0), full)
    counts = kept.reshape(out * math.prod(positions), -1).sum(axis=1)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    data, indices = (np.broadcast_to(x, full)[kept].astype(np.int32) for x in (weight, column))
    return data, indices, indptr.astype(np.int32)
