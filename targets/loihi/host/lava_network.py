"""A lowered network as Lava processes, which stays built between calls.

Each Lava connection delivers one step later. A population ``depth`` connections from the inputs therefore computes
step t of inference b at step every·(b·T + t) + depth + 1 of a call, if inputs that feed it directly are sent one step
before; ``every`` is 1 but where a loop spans several populations. Inferences follow each other without a gap: at its
own t = 0 a population returns to rest and its recurrent connections drop what the inference before sent.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from lava_processes import (  # type: ignore[import-not-found]  # this file's neighbour, where both are sent
    KINDS,
    MODELS,
    FileSink,
    FileSource,
    MicrocodeLIF,
)
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

FORMAT = "cortexcore-loihi-2"
ONE_WRAP = 2**24
"""Lava's LIF wraps u once: a drive Σ a·2^6 beyond this leaves 24 bits even then."""
SUM_LIMIT = 2**31
"""Lava adds currents up in 32 bits."""
STEP_LIMIT = 2**31 - 1
"""Lava counts the steps of a run in 32 bits."""
NEVER = 2**30
"""Steps between two resets of what is reset once."""
ROOM = 0.9
"""Share of the free space on disk that a call may fill."""
Arrays = Mapping[str, NDArray[Any]]


class Refused(Exception):
    """What cannot be run, told in one sentence."""


def read_artifact(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """``loihi.json`` and ``loihi.npz``. Raises Refused where they are missing or of another format."""
    try:
        said = json.loads((folder / "loihi.json").read_text(encoding="utf-8"))
        with np.load(folder / "loihi.npz", allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Refused(f"{folder} holds no readable loihi.json and loihi.npz ({error})") from error
    if said.get("format") != FORMAT:
        raise Refused(f"{folder / 'loihi.json'} has the format {said.get('format')}, this script reads {FORMAT}")
    return said["structure"], arrays


class Network:
    """The processes of one network; ``run`` advances them, ``stop`` ends them."""

    def __init__(self, manifest: Mapping[str, Any], arrays: Arrays, scratch: Path | None, adapters: Any = None) -> None:
        """``scratch``: where to keep files; ``adapters``: Lava's module of them, where it runs on hardware."""
        self.manifest, self.arrays, self.adapters = manifest, arrays, adapters
        self.runners: list[Any] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="cortexcore-loihi-", dir=scratch))
        self.control = np.lib.format.open_memmap(self.folder / "control.npy", "w+", np.int64, (4,))  # type: ignore[no-untyped-call]
        self.names = [p["name"] for p in manifest["populations"]]

    def run(self, inputs: Arrays, trace: bool) -> dict[str, NDArray[Any]]:
        """Outputs, and with ``trace`` spikes, u and v of every population, [T, B, *shape].

        Raises:
            Refused: the inputs do not fit, or a value left the range in which Lava's processes are the network.
        """
        steps, batch = self._check(inputs)
        rows, every = steps * batch, self.manifest["every"]
        last = every * (rows - 1) + 1 + max(p["depth"] for p in self.manifest["populations"])
        wanted = self._wanted(trace)
        self._require_room(wanted, rows, last)
        call, before, *_ = self.control.tolist()
        place = self.folder / str(call + 1)
        place.mkdir()
        try:
            files = self._prepare(place, inputs, wanted, rows)
            self.control[:] = call + 1, before, steps, rows
            for runner in self._started():
                runner.run(condition=RunSteps(num_steps=last))
            self.control[1] = before + last
            self._require_sound(files)
            return self._results(files, steps, batch, trace)
        finally:
            shutil.rmtree(place)

    def stop(self) -> None:
        """End every process and remove the files."""
        for runner in self.runners or ():
            runner.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _check(self, inputs: Arrays) -> tuple[int, int]:
        """T and B. Raises Refused for inputs that are not the network's."""
        ports = {port["name"]: port for port in self.manifest["inputs"]}
        if set(inputs) != set(ports):
            raise Refused(f"the network's inputs are {sorted(ports)}, got {sorted(inputs)}")
        for name, port in ports.items():
            values, shape = inputs[name], tuple(port["shape"])
            if values.ndim != len(shape) + 2 or values.shape[2:] != shape or not values.size:
                raise Refused(f"input '{name}' has shape {values.shape}, it must be [T, B, *{shape}] and not empty")
            if values.dtype.kind not in "biu" or values.min() < port["low"] or values.max() > port["high"]:
                raise Refused(f"input '{name}' must hold integers from {port['low']} to {port['high']}")
        if len({values.shape[:2] for values in inputs.values()}) > 1:
            raise Refused("all inputs must have the same steps and batch")
        peaks = {name: max(-int(values.min()), int(values.max())) for name, values in inputs.items()}
        for p in self.manifest["populations"]:
            feeding = [s for s in self.manifest["synapses"] if s["target"] == p["name"]]
            largest = sum(s["fan_in"] * peaks.get(s["source"], 1) << max(s["weight_exp"], 0) for s in feeding)
            if largest >= SUM_LIMIT:
                raise Refused(
                    f"the current into '{p['name']}' could reach {largest} on these inputs, and Lava adds up in 32 "
                    "bits: scale the inputs down"
                )
        steps, batch = next(iter(inputs.values())).shape[:2]
        return steps, batch

    def _wanted(self, trace: bool) -> list[tuple[str, int]]:
        """(kind, population) that is written: outputs, what proves that the run was sound, all of it for a trace."""
        sent = {o["source"] for o in self.manifest["outputs"]}
        wanted = []
        for i, p in enumerate(self.manifest["populations"]):
            if trace or p["name"] in sent or p["watched"]:
                wanted += [(kind, i) for kind in (KINDS if trace else ("spikes",) if p["spiking"] else ("spikes", "v"))]
            if p["watched"]:
                wanted.append(("peak", i))
        return wanted

    def _require_room(self, wanted: list[tuple[str, int]], rows: int, last: int) -> None:
        sizes = [self.manifest["populations"][i]["neurons"] * (1 if kind == "spikes" else 4) for kind, i in wanted]
        sizes += [8 * int(np.prod(port["shape"])) for port in self.manifest["inputs"]]
        needed, free = sum(sizes) * rows, int(shutil.disk_usage(self.folder).free * ROOM)
        if needed > free or last > STEP_LIMIT:
            raise Refused(
                f"this run takes {last} steps and {needed / 1e9:.1f} GB of files, {free / 1e9:.1f} GB are free in "
                f"{self.folder.parent}: run fewer inferences at once, or without a trace"
            )

    def _prepare(
        self, place: Path, inputs: Arrays, wanted: list[tuple[str, int]], rows: int
    ) -> dict[tuple[str, int], Any]:
        """The call's files: inputs as rows, and empty ones for what is wanted."""
        for i, source in enumerate(self.manifest["sources"], len(self.names)):
            values = inputs[source["input"]].swapaxes(0, 1)
            np.save(place / f"input-{i}.npy", values.reshape(rows, -1))
        files = {}
        for kind, i in wanted:
            width = () if kind == "peak" else (self.manifest["populations"][i]["neurons"],)
            dtype = {"spikes": np.uint8, "peak": np.int64}.get(kind, np.int32)
            files[kind, i] = np.lib.format.open_memmap(place / f"{kind}-{i}.npy", "w+", dtype, (rows, *width))  # type: ignore[no-untyped-call]
        return files

    def _require_sound(self, files: Mapping[tuple[str, int], Any]) -> None:
        """A leaky integrator must not have fired, and no current may have left what one wrap brings back."""
        for i, p in enumerate(self.manifest["populations"]):
            peak = int(files["peak", i].max()) if p["watched"] else 0
            if peak > ONE_WRAP:
                raise Refused(
                    f"the current into '{p['name']}' reached {peak}, beyond the {ONE_WRAP} that Lava's 24-bit wrap can "
                    "bring back; lower its weight_exp"
                )
            if not p["spiking"] and ("spikes", i) in files and files["spikes", i].any():
                raise Refused(
                    f"the leaky integrator '{p['name']}' exceeded {p['vth'] << 6}, Loihi's highest threshold, and "
                    "fired; lower the weight_exp of what feeds it, or give it more leak"
                )

    def _results(
        self, files: Mapping[tuple[str, int], Any], steps: int, batch: int, trace: bool
    ) -> dict[str, NDArray[Any]]:
        def shaped(kind: str, i: int) -> NDArray[Any]:
            rows = np.array(files[kind, i]).reshape(batch, steps, *self.manifest["populations"][i]["shape"])
            return np.ascontiguousarray(rows.swapaxes(0, 1))

        results = {}
        for o in self.manifest["outputs"]:
            i = self.names.index(o["source"])
            results[o["name"]] = shaped("spikes" if self.manifest["populations"][i]["spiking"] else "v", i)
        for i, p in enumerate(self.manifest["populations"] if trace else ()):
            kinds = KINDS if p["spiking"] else ("u", "v")
            results |= {f"{kind}/{p['name']}": shaped(kind, i) for kind in kinds}
        return results

    def _started(self) -> list[Any]:
        """A process of each connected part, all of them built: Lava runs what is connected."""
        if self.runners is None:
            self.runners = []
            config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=MODELS)
            if self.adapters is not None:
                config = Loihi2HwCfg(select_tag="fixed_pt")
            for process in build(self.manifest, self.arrays, self.folder, self.adapters).values():
                if process.runtime is None:
                    process.create_runtime(run_cfg=config)
                    self.runners.append(process)
        return self.runners


def build(manifest: Mapping[str, Any], arrays: Arrays, folder: Path, adapters: Any = None) -> dict[str, Any]:
    """Population → its process, all of them connected, sources too and, on hardware, what reads the outputs."""

    def window(index: int, start: int) -> dict[str, Any]:
        return {"folder": str(folder), "index": index, "start": start, "every": manifest["every"]}

    index = {p["name"]: i for i, p in enumerate(manifest["populations"])}
    depth = {p["name"]: p["depth"] for p in manifest["populations"]}
    populations = {p["name"]: _population(p, arrays) for p in manifest["populations"]}
    for name, process in populations.items():
        process.proc_params["window"] = window(index[name], depth[name] + 1)
    branches = {}
    for i, s in enumerate(manifest["sources"], len(populations)):
        branches[s["name"]] = FileSource(shape=(s["size"],), window=window(i, s["depth"]), late=s["late"]).s_out
        if adapters is not None:
            adapter = adapters.spike.PyToNxAdapter(shape=(s["size"],), num_message_bits=s["message_bits"])
            branches[s["name"]].connect(adapter.inp)
            branches[s["name"]] = adapter.out
    for s in manifest["synapses"]:
        connection = _connection(s, arrays)
        connection.proc_params["window"] = window(-1, depth[s["target"]] + 1)
        sent = populations[s["source"]].s_out if s["branch"] is None else branches[s["branch"]]
        sent.connect(connection.s_in)
        connection.a_out.connect(populations[s["target"]].a_in)
    if adapters is not None:
        for name in {o["source"] for o in manifest["outputs"]}:
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
