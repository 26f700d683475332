"""A lowered network as Lava processes, which stays built between calls."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
from lava_build import build  # type: ignore[import-not-found]  # neighbours of this file, where all are sent
from lava_models import MODELS  # type: ignore[import-not-found]
from lava_windows import KINDS  # type: ignore[import-not-found]
from numpy.typing import NDArray

FORMAT = "cortexcore-loihi-2"
ONE_WRAP = 2**24
"""Lava's LIF wraps u once: a drive Σ a·2^6 beyond this leaves 24 bits even then."""
SUM_LIMIT = 2**31
"""Lava adds currents up in 32 bits."""
STEP_LIMIT = 2**31 - 1
"""Lava counts the steps of a run in 32 bits."""
ROOM = 0.9
"""Share of the free space on disk that a call may fill."""
Arrays = Mapping[str, NDArray[Any]]


class Refused(Exception):
    """What cannot be run, told in one sentence."""


def read_artifact(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """``loihi.json`` and ``loihi.npz``. Raises Refused where they are missing or of another format."""
    try:
        said = json.loads((folder / "loihi.json").read_text(encoding="utf-8"))
        form, written, structure = said["format"], said["sha256"], said["structure"]
        arrays = read_arrays(folder / "loihi.npz")
    except (Refused, OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{folder} holds no readable loihi.json and loihi.npz ({error}): lower the network again"
        ) from error
    if form != FORMAT:
        raise Refused(f"{folder / 'loihi.json'} has the format {form}, this script reads {FORMAT}: lower it again")
    if written != _sha256(structure, arrays):
        raise Refused(
            f"loihi.json and loihi.npz in {folder} are not what was written together: lower the network again"
        )
    return structure, arrays


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file. Raises Refused where it is none, or holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = {}
            for name in archive.namelist():
                with archive.open(name) as entry:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(entry, allow_pickle=False)  # type: ignore[no-untyped-call]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise Refused(f"'{path}' is not a readable .npz file of plain arrays ({error})") from error
    return arrays


def _sha256(structure: Mapping[str, Any], arrays: Arrays) -> str:
    """As the manifest has it, over the structure and all arrays."""
    digest = hashlib.sha256(json.dumps(structure, sort_keys=True).encode())
    for key in sorted(arrays):
        digest.update(key.encode() + np.ascontiguousarray(arrays[key], "<i4").tobytes())
    return digest.hexdigest()


class Network:
    """The processes of one network; ``run`` advances them, ``stop`` ends them."""

    def __init__(
        self, structure: Mapping[str, Any], arrays: Arrays, scratch: Path | None, adapters: Any = None
    ) -> None:
        """``scratch``: where to keep files; ``adapters``: Lava's module of them, where it runs on hardware."""
        self.structure, self.arrays, self.adapters = structure, arrays, adapters
        self.runners: list[Any] | None = None
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="cortexcore-loihi-", dir=scratch))
        except OSError as error:
            raise Refused(f"no folder for files of a run can be made ({error}): name one with --scratch") from error
        self.control = np.lib.format.open_memmap(self.folder / "control.npy", "w+", np.int64, (4,))  # type: ignore[no-untyped-call]
        self.names = [p["name"] for p in structure["populations"]]

    def run(self, inputs: Arrays, trace: bool) -> dict[str, NDArray[Any]]:
        """Outputs, and with ``trace`` spikes, u and v of every population, [T, B, *shape].

        Raises:
            Refused: the inputs do not fit, or a value left the range in which Lava's processes are the network.
        """
        steps, batch = self._check(inputs)
        rows, every = steps * batch, self.structure["every"]
        last = every * (rows - 1) + 1 + max(p["depth"] for p in self.structure["populations"])
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
        ports = {port["name"]: port for port in self.structure["inputs"]}
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
        for p in self.structure["populations"]:
            feeding = [s for s in self.structure["synapses"] if s["target"] == p["name"]]
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
        sent = {o["source"] for o in self.structure["outputs"]}
        wanted = []
        for i, p in enumerate(self.structure["populations"]):
            if trace or p["name"] in sent or p["watched"]:
                wanted += [(kind, i) for kind in (KINDS if trace else ("spikes",) if p["spiking"] else ("spikes", "v"))]
            if p["watched"]:
                wanted.append(("peak", i))
        return wanted

    def _require_room(self, wanted: list[tuple[str, int]], rows: int, last: int) -> None:
        sizes = [self.structure["populations"][i]["neurons"] * (1 if kind == "spikes" else 4) for kind, i in wanted]
        sizes += [8 * int(np.prod(port["shape"])) for port in self.structure["inputs"]]
        needed, free = sum(sizes) * rows, int(shutil.disk_usage(self.folder).free * ROOM)
        if needed > free or last > STEP_LIMIT:
            raise Refused(
                f"this run takes {last} steps and {needed / 1e6:,.1f} MB of files, {free / 1e6:,.1f} MB are free in "
                f"{self.folder.parent}: run fewer inferences at once, or without a trace"
            )

    def _prepare(
        self, place: Path, inputs: Arrays, wanted: list[tuple[str, int]], rows: int
    ) -> dict[tuple[str, int], Any]:
        """The call's files: inputs as rows, and empty ones for what is wanted."""
        for i, source in enumerate(self.structure["sources"], len(self.names)):
            values = inputs[source["input"]].swapaxes(0, 1)
            np.save(place / f"input-{i}.npy", values.reshape(rows, -1))
        files = {}
        for kind, i in wanted:
            width = () if kind == "peak" else (self.structure["populations"][i]["neurons"],)
            dtype = {"spikes": np.uint8, "peak": np.int64}.get(kind, np.int32)
            files[kind, i] = np.lib.format.open_memmap(place / f"{kind}-{i}.npy", "w+", dtype, (rows, *width))  # type: ignore[no-untyped-call]
        return files

    def _require_sound(self, files: Mapping[tuple[str, int], Any]) -> None:
        """A leaky integrator must not have fired, and no current may have left what one wrap brings back."""
        for i, p in enumerate(self.structure["populations"]):
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
            rows = np.array(files[kind, i]).reshape(batch, steps, *self.structure["populations"][i]["shape"])
            return np.ascontiguousarray(rows.swapaxes(0, 1))

        results = {}
        for o in self.structure["outputs"]:
            i = self.names.index(o["source"])
            results[o["name"]] = shaped("spikes" if self.structure["populations"][i]["spiking"] else "v", i)
        for i, p in enumerate(self.structure["populations"] if trace else ()):
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
            for process in build(self.structure, self.arrays, self.folder, self.adapters).values():
                if process.runtime is None:
                    process.create_runtime(run_cfg=config)
                    self.runners.append(process)
        return self.runners
