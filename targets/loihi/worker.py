"""Runs under Lava's interpreter: builds Lava processes from plain arrays, runs them, answers with plain arrays.

The parent starts this file as a script and talks to it over standard input and output, one message per request;
whatever Lava prints goes to standard error. NumPy and the standard library alone are imported here, Lava and SciPy
(which Lava brings) when the first request comes, so that the parent can use the same message functions.
"""

from __future__ import annotations

import io
import json
import os
import struct
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
_LENGTH = struct.Struct("<Q")
_HEADER = "json"


def write_message(stream: IO[bytes], header: Mapping[str, Any], arrays: Arrays) -> None:
    """A message: its length, then an .npz whose entry "json" is the header."""
    packed = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(packed, **{_HEADER: text}, **arrays)
    stream.write(_LENGTH.pack(packed.tell()) + packed.getvalue())
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """The next message; None where the stream ended."""
    length = stream.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    body = stream.read(_LENGTH.unpack(length)[0])
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(arrays.pop(_HEADER).tobytes()), arrays


def simulate(plan: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Build the network the plan describes, run it, and return what was recorded, [steps, neurons] each.

    The plan's entries are made, and documented, by :mod:`cortexcore.targets.loihi.plan`.
    """
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi1SimCfg

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cortexcore-loihi-") as folder:
        populations = _populations(plan, arrays, Path(folder))
        _connect(plan, arrays, _sources(plan, arrays), populations)
        config = Loihi1SimCfg(select_tag="fixed_pt", exception_proc_model_map=_models())
        runners: list[Any] = []
        try:
            for population in populations.values():
                if population.runtime is None:  # Lava runs what is connected: a part of its own needs its own run
                    runners.append(population)
                    population.run(condition=RunSteps(num_steps=plan["steps"]), run_cfg=config)
        finally:
            for runner in runners:
                runner.stop()
        names = list(populations)
        found = {f"{k}/{name}": np.load(_record_path(folder, k, names.index(name))) for k, name in plan["record"]}
    return {"wall_s": time.perf_counter() - started}, found


def _models() -> dict[type, type]:
    """Lava's own fixed-point models, which besides record their states and forget at each inference's start.

    Reading a Var through Lava costs a message per neuron, so a model writes its states to files instead.
    """
    from lava.proc.dense.models import PyDenseModelBitAcc
    from lava.proc.dense.process import Dense
    from lava.proc.lif.models import PyLifResetModelBitAcc
    from lava.proc.lif.process import LIFReset
    from lava.proc.sparse.models import PySparseModelBitAcc
    from lava.proc.sparse.process import Sparse

    class RecordedLif(PyLifResetModelBitAcc):  # type: ignore[misc]
        """Lava's LIF; the arithmetic is the parent's."""

        def __init__(self, proc_params: Any) -> None:
            super().__init__(proc_params)
            self.files: dict[str, Any] | None = None

        def run_spk(self) -> None:
            if self.files is None:
                shape = (self.proc_params["steps"], *self.v.shape)
                self.files = {kind: _recording(path, shape) for kind, path in self.proc_params["record"].items()}
            super().run_spk()
            for kind in self.files.keys() & {"u", "v"}:
                self.files[kind][self.time_step - 1] = getattr(self, kind)

        def spiking_activation(self) -> Any:
            spikes = super().spiking_activation()
            if self.files is not None and "spikes" in self.files:
                self.files["spikes"][self.time_step - 1] = spikes
            return spikes

    def forgetful(model: Any) -> Any:
        class Forgetful(model):  # type: ignore[misc]
            """A recurrent connection drops what the inference before left in its buffer."""

            def run_spk(self) -> None:
                offset = self.proc_params["forget_offset"]
                if offset is not None and self.time_step % self.proc_params["interval"] == offset:
                    self.a_buff = np.zeros(self.a_out.shape, np.int32)
                super().run_spk()

        return Forgetful

    return {LIFReset: RecordedLif, Dense: forgetful(PyDenseModelBitAcc), Sparse: forgetful(PySparseModelBitAcc)}


def _sources(plan: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """A ring buffer per branch of an input: data [values, steps], already delayed to the branch's depth."""
    from lava.proc.io.source import RingBuffer

    return {name: RingBuffer(data=arrays[f"source/{name}"].astype(np.int32)) for name in plan["sources"]}


def _populations(plan: Mapping[str, Any], arrays: Arrays, folder: Path) -> dict[str, Any]:
    """Lava's LIF that returns to rest whenever step modulo ``interval`` equals its ``offset``."""
    from lava.proc.lif.process import LIFReset

    populations = {}
    for index, p in enumerate(plan["populations"]):
        lif = LIFReset(
            shape=(p["neurons"],),
            du=p["du"],
            dv=p["dv"],
            vth=p["vth"],
            bias_mant=arrays[f"bias/{p['name']}"].astype(np.int32),
            bias_exp=np.full(p["neurons"], p["bias_exp"], np.int32),
            reset_interval=plan["interval"],
            reset_offset=p["offset"],
        )
        lif.proc_params["steps"] = plan["steps"]
        lif.proc_params["record"] = {
            kind: str(_record_path(folder, kind, index)) for kind, name in plan["record"] if name == p["name"]
        }
        populations[p["name"]] = lif
    return populations


def _connect(
    plan: Mapping[str, Any], arrays: Arrays, sources: Mapping[str, Any], populations: Mapping[str, Any]
) -> None:
    """One Dense or Sparse process per connection."""
    from lava.proc.dense.process import Dense
    from lava.proc.sparse.process import Sparse
    from lava.utils.weightutils import SignMode
    from scipy.sparse import csr_matrix

    for s in plan["synapses"]:
        key = f"weight/{s['name']}"
        options = {
            "weight_exp": s["weight_exp"],
            "num_weight_bits": 8,
            "num_message_bits": s["message_bits"],
            "sign_mode": SignMode[s["sign_mode"].upper()],
        }
        if s["kind"] == "sparse":
            parts = (arrays[f"{key}/data"], arrays[f"{key}/indices"], arrays[f"{key}/indptr"])
            connection = Sparse(weights=csr_matrix(parts, shape=tuple(s["shape"]), dtype=np.int32), **options)
        else:
            connection = Dense(weights=arrays[key].astype(np.int32), **options)
        connection.proc_params["interval"] = plan["interval"]
        connection.proc_params["forget_offset"] = s["forget_offset"]
        source = sources[s["branch"]] if s["branch"] is not None else populations[s["source"]]
        source.s_out.connect(connection.s_in)
        connection.a_out.connect(populations[s["target"]].a_in)


def _recording(path: str, shape: tuple[int, ...]) -> Any:
    """A file that another process can read as it grows."""
    return np.lib.format.open_memmap(path, "w+", np.int32, shape)  # type: ignore[no-untyped-call]


def _record_path(folder: Path | str, kind: str, index: int) -> Path:
    return Path(folder) / f"{kind}-{index}.npy"


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer plans until the parent closes its end. One that fails is answered with its error."""
    while (message := read_message(requests)) is not None:
        plan, arrays = message
        try:
            answer, found = simulate(plan, arrays)
        except Exception as error:  # noqa: BLE001  the parent reports it, whatever it is
            answer, found = {"error": f"{type(error).__name__}: {error}"}, {}
        write_message(answers, answer, found)


def main() -> None:
    """Keep the pipes for messages; everything printed from here on goes to standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
