"""From the integer network to Lava processes: what runs at which step.

Each Lava connection delivers one step later. A population ``depth`` connections from the inputs therefore computes
its step t of inference b at Lava's step b·T + t + depth + 1 (counted from 1), if the inputs that feed it directly
are sent at b·T + t + depth. Inferences follow each other without a gap: at its own t = 0 a population returns to
rest (Lava's ``LIFReset``) and its recurrent connections drop their buffers, and what arrives in its window comes
from its sources' windows of the same inference alone.
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

from cortexcore.errors import GraphError
from cortexcore.export.bounds import sent_ranges
from cortexcore.export.integer import Array, apply
from cortexcore.export.network import (
    THRESHOLD_LIMIT,
    THRESHOLD_SHIFT,
    Convolution,
    IntegerNetwork,
    Population,
    Synapses,
)
from cortexcore.targets.base import Result
from cortexcore.targets.bounds import guards
from cortexcore.targets.loihi.check import depths, message_bits, sign_mode

ONE_WRAP = 2**24
"""Lava wraps u once: a drive Σ a·2^6 beyond this leaves 24 bits even then."""
CONVOLUTION_NOTE = (
    "convolutions are unrolled into Sparse connections: Lava's fixed-point Conv ignores weight_exp and clamps its sums"
)


@dataclass(frozen=True, eq=False)
class Lowered:
    """The part of a plan that no input changes.

    Attributes:
        populations: per population ``name``, ``neurons``, ``du``, ``dv``, ``vth``, ``bias_exp``, ``depth``.
        synapses: per connection ``name``, ``kind`` ("dense" | "sparse"), ``shape``, ``weight_exp``,
            ``sign_mode``, ``message_bits`` (0 for plain spikes), ``source``, ``branch`` ("port@depth" for an
            input, else None), ``target``, ``recurrent``.
        arrays: ``bias/<population>``; ``weight/<synapses>`` or, sparse, its ``/data``, ``/indices``, ``/indptr``.
    """

    populations: tuple[dict[str, Any], ...]
    synapses: tuple[dict[str, Any], ...]
    arrays: Mapping[str, NDArray[np.int32]]

    @cached_property
    def sha256(self) -> str:
        digest = hashlib.sha256(json.dumps([self.populations, self.synapses], sort_keys=True).encode())
        for key in sorted(self.arrays):
            digest.update(key.encode() + np.ascontiguousarray(self.arrays[key], "<i4").tobytes())
        return digest.hexdigest()


def lower(network: IntegerNetwork) -> Lowered:
    """Lava's processes for a network that passed the check."""
    depth = depths(network)
    arrays: dict[str, NDArray[np.int32]] = {}
    populations, connections = [], []
    for p in network.populations:
        vth = THRESHOLD_LIMIT if p.vth is None else int(p.vth)
        arrays[f"bias/{p.name}"] = np.broadcast_to(p.bias, p.shape).reshape(-1).astype(np.int32)
        scalars = {"du": int(p.du), "dv": int(p.dv), "vth": vth, "bias_exp": p.bias_exp, "depth": depth[p.name]}
        populations.append({"name": p.name, "neurons": p.size, **scalars})
        for i, s in enumerate(p.synapses):
            connections.append(_connection(network, p, s, f"{p.name}/{i}", depth, arrays))
    return Lowered(tuple(populations), tuple(connections), arrays)


def _connection(
    network: IntegerNetwork,
    p: Population,
    s: Synapses,
    name: str,
    depth: Mapping[str, int],
    arrays: dict[str, NDArray[np.int32]],
) -> dict[str, Any]:
    shape = network.shape_of(s.source)
    sources = int(np.prod(shape))
    key = f"weight/{name}"
    if isinstance(s.operation, Convolution):
        arrays[f"{key}/data"], arrays[f"{key}/indices"], arrays[f"{key}/indptr"] = unroll(s.operation, shape[1:])
    else:
        arrays[key] = s.operation.weight.astype(np.int32)
    branch = None
    if s.source not in depth:
        branch = f"{s.source}@{depth[p.name]}{'+1' if s.recurrent else ''}"
    return {
        "name": name,
        "kind": "sparse" if isinstance(s.operation, Convolution) else "dense",
        "shape": [p.size, sources],
        "weight_exp": s.operation.weight_exp,
        "sign_mode": sign_mode(s.operation.weight),
        "message_bits": message_bits(*sent_ranges(network)[s.source]),
        "source": s.source,
        "branch": branch,
        "target": p.name,
        "recurrent": s.recurrent,
    }


def unroll(op: Convolution, sizes: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
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


def plan_run(
    network: IntegerNetwork, lowered: Lowered, inputs: Mapping[str, Array], trace: bool
) -> tuple[dict[str, Any], dict[str, NDArray[np.int32]]]:
    """The worker's request for checked inputs [T, B, *shape]: the plan and its arrays."""
    steps, batch = next(iter(inputs.values())).shape[:2]
    last = steps * batch + max(p["depth"] for p in lowered.populations)
    depth = {p["name"]: p["depth"] for p in lowered.populations}
    arrays = dict(lowered.arrays)
    branches = {s["branch"]: s for s in lowered.synapses if s["branch"] is not None}
    for branch, s in branches.items():
        values = inputs[s["source"]]
        if s["recurrent"]:
            values = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
        start = depth[s["target"]] - 1
        data = np.zeros((s["shape"][1], last), np.int32)
        data[:, start : start + steps * batch] = (
            values.reshape(steps, batch, -1).transpose(2, 1, 0).reshape(-1, steps * batch)
        )
        arrays[f"source/{branch}"] = data
    offsets = {name: (d + 1) % steps for name, d in depth.items()}
    plan = {
        "steps": last,
        "interval": steps,
        "sources": sorted(branches),
        "populations": [{**p, "offset": offsets[p["name"]]} for p in lowered.populations],
        "synapses": [
            {**s, "forget_offset": offsets[s["target"]] if s["recurrent"] and s["branch"] is None else None}
            for s in lowered.synapses
        ],
        "record": _wanted(network, trace),
    }
    return plan, arrays


def _wanted(network: IntegerNetwork, trace: bool) -> list[list[str]]:
    """(kind, population) to record: outputs, what proves that the run was sound, and all of it for a trace."""
    wanted = set()
    for p in network.populations:
        if trace or p.vth is None or any(o.source == p.name for o in network.outputs):
            wanted.add(("spikes", p.name))
        if trace or p.vth is None:
            wanted.add(("v", p.name))
        if trace:
            wanted.add(("u", p.name))
        if guards(network, p).drive > ONE_WRAP:
            sources = {s.source for s in p.synapses} - {port.name for port in network.inputs}
            wanted |= {("spikes", source) for source in sources}
    return [list(pair) for pair in sorted(wanted)]


def align(
    network: IntegerNetwork,
    lowered: Lowered,
    inputs: Mapping[str, Array],
    found: Mapping[str, NDArray[np.int32]],
    trace: bool,
) -> Result:
    """What the worker recorded, back on the network's own steps.

    Raises:
        GraphError: a state left the range in which Lava's neuron and the integer network are the same.
    """
    steps, batch = next(iter(inputs.values())).shape[:2]
    depth = {p["name"]: p["depth"] for p in lowered.populations}
    shaped: dict[tuple[str, str], NDArray[np.int32]] = {}
    for key, recorded in found.items():
        kind, _, name = key.partition("/")
        window = recorded[depth[name] : depth[name] + steps * batch].reshape(batch, steps, -1)
        shaped[kind, name] = window.transpose(1, 0, 2).reshape(steps, batch, *network.population(name).shape)
    _require_sound(network, inputs, shaped)
    outputs = {o.name: _sent(network.population(o.source), shaped) for o in network.outputs}
    if not trace:
        return Result(outputs)
    names = [p.name for p in network.populations]
    spikes = {p.name: _sent(p, shaped) for p in network.populations if p.vth is not None}
    return Result(outputs, spikes, {n: shaped["u", n] for n in names}, {n: shaped["v", n] for n in names})


def _sent(p: Population, shaped: Mapping[tuple[str, str], NDArray[np.int32]]) -> Array:
    """Spikes as uint8, or v of a leaky integrator."""
    return shaped["v", p.name] if p.vth is None else shaped["spikes", p.name].astype(np.uint8)


def _require_sound(
    network: IntegerNetwork, inputs: Mapping[str, Array], shaped: Mapping[tuple[str, str], NDArray[np.int32]]
) -> None:
    """A leaky integrator must not have fired, and no current may have left what one wrap brings back."""
    for p in network.populations:
        if guards(network, p).drive > ONE_WRAP:
            peak = _peak_drive(network, p, inputs, shaped)
            if peak > ONE_WRAP:
                raise GraphError(
                    f"target 'loihi': the current into '{p.name}' reached {peak}, beyond the {ONE_WRAP} that Lava's "
                    "24-bit wrap can bring back; lower its weight_exp"
                )
        if p.vth is None and shaped["spikes", p.name].any():
            raise GraphError(
                f"target 'loihi': the leaky integrator '{p.name}' exceeded {THRESHOLD_LIMIT << THRESHOLD_SHIFT}, "
                "Loihi's highest threshold, and fired; lower the weight_exp of what feeds it, or give it more leak"
            )


def _peak_drive(
    network: IntegerNetwork,
    p: Population,
    inputs: Mapping[str, Array],
    shaped: Mapping[tuple[str, str], NDArray[np.int32]],
) -> int:
    """Largest |Σ a·2^6| that the recorded spikes sent into a population."""
    total: Any = 0
    for s in p.synapses:
        values = inputs[s.source] if s.source in inputs else shaped["spikes", s.source]
        if s.recurrent:
            values = np.concatenate([np.zeros_like(values[:1]), values[:-1]])
        shape = network.shape_of(s.source)
        total = total + apply(s.operation, values.reshape(-1, *shape), shape).reshape(len(values[0]) * len(values), -1)
    return int(np.abs(total).max(initial=0)) << THRESHOLD_SHIFT
