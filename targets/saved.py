"""An integer network in a target's folder: ``network.json`` and its arrays in ``network.npz``, no pickles.

Reading needs NumPy and the standard library alone, so that a device can load an artifact without NIR.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import BundleError, CortexCoreError
from cortexcore.export.network import (
    Conv1d,
    Dense,
    InputPort,
    IntegerNetwork,
    Operation,
    OutputPort,
    Population,
    Synapses,
)

FORMAT = "cortexcore-network-1"
_SCALARS = ("du", "dv", "vth", "bias_exp", "reset", "reset_delay")
_CONV = ("stride", "padding", "dilation", "groups")


def network_sha256(network: IntegerNetwork) -> str:
    """A digest of all that determines the arithmetic: ports, parameters, weights; not dt or metadata."""
    description, arrays = _describe(network)
    digest = hashlib.sha256(json.dumps(description["network"], sort_keys=True).encode())
    for key in sorted(arrays):
        digest.update(f"{key}{arrays[key].shape}".encode() + arrays[key].astype("<i4").tobytes())
    return digest.hexdigest()


def save_network(network: IntegerNetwork, folder: Path) -> None:
    """Write ``network.json`` and ``network.npz`` into ``folder``."""
    description, arrays = _describe(network)
    description["sha256"] = network_sha256(network)
    with (folder / "network.npz").open("wb") as file:
        np.savez_compressed(file, **arrays)
    (folder / "network.json").write_text(json.dumps(description, indent=1, sort_keys=True), encoding="utf-8")


def load_network(folder: Path) -> IntegerNetwork:
    """Read what :func:`save_network` wrote.

    Raises:
        BundleError: a file is missing, damaged, from another version, or does not hold what its digest says.
    """
    try:
        description = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise BundleError(f"{folder / 'network.json'} has format '{description['format']}', this is {FORMAT}")
        with np.load(folder / "network.npz", allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        network = _restore(description, arrays)
    except BundleError:
        raise
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename} is missing: the artifact in {folder} is incomplete") from error
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile, CortexCoreError) as error:
        raise BundleError(f"the network in {folder} cannot be read ({error}); lower it again") from error
    if network_sha256(network) != description["sha256"]:
        raise BundleError(f"the network in {folder} was changed after it was written; lower it again")
    return network


def _describe(network: IntegerNetwork) -> tuple[dict[str, Any], dict[str, NDArray[np.int32]]]:
    arrays: dict[str, NDArray[np.int32]] = {}
    populations = []
    for i, p in enumerate(network.populations):
        arrays[f"bias/{i}"] = np.asarray(p.bias, np.int32)
        synapses = []
        for j, s in enumerate(p.synapses):
            arrays[f"weight/{i}/{j}"] = np.asarray(s.operation.weight, np.int32)
            kind = {k: getattr(s.operation, k) for k in _CONV} if isinstance(s.operation, Conv1d) else {}
            row = {"name": s.name, "source": s.source, "recurrent": s.recurrent, "conv1d": kind or None}
            synapses.append({**row, "weight_exp": s.operation.weight_exp})
        row = {"name": p.name, "shape": list(p.shape), "synapses": synapses}
        populations.append({**row, **{k: getattr(p, k) for k in _SCALARS}})
    ports = [{"name": o.name, "shape": list(o.shape), "low": o.low, "high": o.high} for o in network.inputs]
    outputs = [{"name": o.name, "source": o.source} for o in network.outputs]
    body = {"inputs": ports, "populations": populations, "outputs": outputs}
    meta = {"format": FORMAT, "dt_s": network.dt_s, "metadata": dict(network.metadata)}
    return {**meta, "network": body}, arrays


def _restore(description: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> IntegerNetwork:
    body = description["network"]
    populations = []
    for i, p in enumerate(body["populations"]):
        synapses = []
        for j, s in enumerate(p["synapses"]):
            weight = arrays[f"weight/{i}/{j}"].astype(np.int32)
            operation: Operation = Dense(weight, s["weight_exp"])
            if s["conv1d"] is not None:
                operation = Conv1d(weight, s["weight_exp"], **s["conv1d"])
            synapses.append(Synapses(s["name"], s["source"], operation, s["recurrent"]))
        scalars = {k: p[k] for k in _SCALARS}
        bias = arrays[f"bias/{i}"].astype(np.int32)
        populations.append(Population(p["name"], tuple(p["shape"]), tuple(synapses), bias=bias, **scalars))
    return IntegerNetwork(
        tuple(InputPort(o["name"], tuple(o["shape"]), o["low"], o["high"]) for o in body["inputs"]),
        tuple(populations),
        tuple(OutputPort(o["name"], o["source"]) for o in body["outputs"]),
        description["dt_s"],
        description["metadata"],
    )
