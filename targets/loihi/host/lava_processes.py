"""Lava processes and models that run a network over many calls without being built again.

Beside Lava's own LIF and connections, whose arithmetic stays Lava's, these are a source and a sink of files, and a LIF
of our own for what no hardware LIF does.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.models import PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

KINDS = ("spikes", "u", "v")
STATE_LIMIT = 2**23 - 1
WRAP = 2**24


class Window:
    """Which Lava steps are a process's own, and where it reads and writes in the current call.

    ``control.npy`` holds the number of the call, the Lava steps before it, T and T·B. A process's own step number r of
    a call, r = b·T + t, is the call's Lava step ``start`` + ``every``·r. Files of a call: ``<call>/<kind>-<index>.npy``
    with a row for each r; a process writes those that are there.
    """

    def __init__(self, folder: str, index: int, start: int, every: int) -> None:
        self.folder, self.index, self.start, self.every = Path(folder), index, start, every
        self.control = np.load(self.folder / "control.npy", mmap_mode="r")
        self.call = self.before = self.steps = self.rows = 0
        self.files: dict[str, Any] = {}

    def row(self, time_step: int) -> int | None:
        """The number r of this Lava step, None where it is not the process's own."""
        if self.control[0] != self.call:
            self.call, self.before, self.steps, self.rows = self.control.tolist()
            found = (self.folder / str(self.call)).glob(f"*-{self.index}.npy")
            self.files = {path.name.split("-")[0]: np.load(path, mmap_mode="r+") for path in found}
        row, rest = divmod(time_step - self.before - self.start, self.every)
        return row if rest == 0 and 0 <= row < self.rows else None

    def write(self, kind: str, row: int, values: NDArray[Any] | int) -> None:
        if kind in self.files:
            self.files[kind][row] = values


class Windowed:
    """A process model that knows its window, where its process was given one, and tells what it raises."""

    proc_params: Any
    _window: Window | None = None

    def start(self) -> None:
        """As Lava's, which keeps to itself what is raised while other processes wait for this one."""
        try:
            super().start()  # type: ignore[misc]
        except Exception:
            traceback.print_exc()
            raise

    @property
    def window(self) -> Window | None:
        if self._window is None and (where := self.proc_params.get("window")):
            self._window = Window(**where)
        return self._window


class FileSource(AbstractProcess):  # type: ignore[misc]
    """Sends an input's values at its own steps, zeros at all others; ``late`` sends each one step later."""

    def __init__(self, *, shape: tuple[int, ...], window: Mapping[str, Any], late: bool) -> None:
        super().__init__(shape=shape, window=window, late=late)
        self.s_out = OutPort(shape=shape)


@implements(proc=FileSource, protocol=LoihiProtocol)
@requires(CPU)
class PyFileSource(Windowed, PyLoihiProcessModel):  # type: ignore[misc]
    """Reads the call's file ``input-<index>.npy``."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        values = np.zeros(self.proc_params["shape"], np.int32)
        row = self.window.row(self.time_step) if self.window else None
        if self.window and row is not None:
            late = int(self.proc_params["late"])
            if row % self.window.steps >= late:
                values[:] = self.window.files["input"][row - late]
        self.s_out.send(values)


class FileSink(AbstractProcess):  # type: ignore[misc]
    """Writes what it receives at its own steps; what hardware sends can be read no other way."""

    def __init__(self, *, shape: tuple[int, ...], window: Mapping[str, Any]) -> None:
        super().__init__(shape=shape, window=window)
        self.a_in = InPort(shape=shape)


@implements(proc=FileSink, protocol=LoihiProtocol)
@requires(CPU)
class PyFileSink(Windowed, PyLoihiProcessModel):  # type: ignore[misc]
    """Writes the call's file ``spikes-<index>.npy``."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        values = self.a_in.recv()
        row = self.window.row(self.time_step) if self.window else None
        if self.window and row is not None:
            self.window.write("spikes", row, values)


class MicrocodeLIF(AbstractProcess):  # type: ignore[misc]
    """A LIF beyond Loihi's own: not a hardware LIF, it needs Loihi 2 microcode.

    Its equations are LIF's but for the reset, ``"zero"``, ``"subtract"`` (of vth, at once, or with ``reset_delay`` in
    the next step's sum after the leak) or ``"none"``; decays and thresholds may differ between neurons; dv may be
    4096; without ``spiking`` it never fires; with a window it computes at its own steps alone and rests between them.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        du: Any,
        dv: Any,
        vth: Any,
        bias_mant: Any = 0,
        bias_exp: Any = 0,
        reset: str = "zero",
        reset_delay: bool = False,
        spiking: bool = True,
        **window: Any,
    ) -> None:
        super().__init__(shape=shape, reset=reset, late=reset == "subtract" and reset_delay, spiking=spiking, **window)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        fields = {"u": 0, "v": 0, "du": du, "dv": dv, "vth": vth, "bias_mant": bias_mant, "bias_exp": bias_exp}
        for name, value in fields.items():
            setattr(self, name, Var(shape=shape, init=np.broadcast_to(value, shape).copy()))
        self.fired = Var(shape=shape, init=0)


class MicrocodeModel(Windowed, PyLoihiProcessModel):  # type: ignore[misc]
    """One step in the order leak, integrate, fire, reset; how numbers leak and saturate is the subclasses'."""

    def threshold(self) -> NDArray[Any]:
        raise NotImplementedError

    def integrate(self, current: NDArray[Any], taken: NDArray[Any]) -> None:
        """u and v of this step, before the reset; ``taken`` is a delayed reset's share."""
        raise NotImplementedError

    def run_spk(self) -> None:
        current = self.a_in.recv()
        window = self.window
        row = window.row(self.time_step) if window else None
        if window and row is None:
            self.s_out.send(np.zeros(self.v.shape, np.int32))
            return
        if window and row is not None and row % window.steps == 0:
            self.u[:], self.v[:], self.fired[:] = 0, 0, 0
        late, level = self.proc_params["late"], self.threshold()
        self.integrate(current, level * self.fired * late)
        fires = (self.v > level) & self.proc_params["spiking"]
        if self.proc_params["reset"] == "zero":
            self.v[fires] = 0
        elif self.proc_params["reset"] == "subtract" and not late:
            self.v[fires] -= level[fires]
        self.fired[:] = fires
        if window and row is not None:
            for kind, values in zip(KINDS, (fires, self.u, self.v), strict=True):
                window.write(kind, row, values)
        self.s_out.send(fires)


@implements(proc=MicrocodeLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyMicrocodeFloat(MicrocodeModel):
    """u ← u·(1 − du) + a,  v ← v·(1 − dv) + u + bias_mant,  s = v > vth; bias_exp is not used, as in Lava's LIF."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    u: NDArray[Any] = LavaPyType(np.ndarray, float)
    v: NDArray[Any] = LavaPyType(np.ndarray, float)
    du: NDArray[Any] = LavaPyType(np.ndarray, float)
    dv: NDArray[Any] = LavaPyType(np.ndarray, float)
    vth: NDArray[Any] = LavaPyType(np.ndarray, float)
    bias_mant: NDArray[Any] = LavaPyType(np.ndarray, float)
    bias_exp: NDArray[Any] = LavaPyType(np.ndarray, float)
    fired: NDArray[Any] = LavaPyType(np.ndarray, float)

    def threshold(self) -> NDArray[Any]:
        return self.vth

    def integrate(self, current: NDArray[Any], taken: NDArray[Any]) -> None:
        self.u[:] = self.u * (1 - self.du) + current
        self.v[:] = self.v * (1 - self.dv) + self.u + self.bias_mant - taken


@implements(proc=MicrocodeLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyMicrocodeFixed(MicrocodeModel):
    """Loihi's widths: decays of 12 bits that truncate toward zero, u wraps to 24 bits and v is clipped to them."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    u: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    v: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=24)
    du: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=12)
    dv: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=13)
    vth: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=17)
    bias_mant: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=13)
    bias_exp: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=3)
    fired: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=1)

    def threshold(self) -> NDArray[Any]:
        return np.left_shift(self.vth, 6)

    def integrate(self, current: NDArray[Any], taken: NDArray[Any]) -> None:
        u = _leak(self.u, 4095 - self.du) + (current.astype(np.int64) << 6)
        self.u[:] = STATE_LIMIT + 1 - (STATE_LIMIT + 1 - u) % WRAP
        v = _leak(self.v, 4096 - self.dv) + self.u + np.left_shift(self.bias_mant, self.bias_exp) - taken
        self.v[:] = np.clip(v, -STATE_LIMIT, STATE_LIMIT)


def _leak(state: NDArray[Any], kept: NDArray[Any]) -> NDArray[np.int64]:
    """state·kept/4096, truncated toward zero."""
    product = state.astype(np.int64) * kept
    return np.asarray(np.sign(product) * (np.abs(product) >> 12))


class WindowedLif(Windowed, PyLifResetModelBitAcc):  # type: ignore[misc]
    """Lava's own LIF, which besides writes its states: reading a Var through Lava costs a message per neuron."""

    fires: Any = None
    peak = 0

    def spiking_activation(self) -> Any:
        self.fires = super().spiking_activation()
        return self.fires

    def subthr_dynamics(self, activation_in: NDArray[Any]) -> None:
        self.peak = int(np.abs(activation_in).max(initial=0)) << 6 if self.proc_params["watched"] else 0
        super().subthr_dynamics(activation_in)

    def run_spk(self) -> None:
        window = self.window
        row = window.row(self.time_step) if window else None
        if window and row is not None:
            self.reset_interval, self.reset_offset = window.steps, (window.before + window.start) % window.steps
        super().run_spk()
        if window and row is not None:
            for kind, values in zip(KINDS, (self.fires, self.u, self.v), strict=True):
                window.write(kind, row, values)
            window.write("peak", row, self.peak)


class Waiting(Windowed):
    """A connection that delivers ``delay`` steps late, and drops what reaches an inference from the one before."""

    queue: deque[NDArray[Any]] | None = None
    time_step: int
    a_out: Any

    def run_spk(self) -> None:
        if self.queue is None:
            self.a_buff = np.zeros(self.a_out.shape, np.int32)
            self.queue = deque([self.a_buff] * self.proc_params["delay"])
        if self.window and self.proc_params["recurrent"]:
            row = self.window.row(self.time_step)
            if row is not None and row % self.window.steps == 0:
                self.a_buff = np.zeros(self.a_out.shape, np.int32)
        super().run_spk()  # type: ignore[misc]
        self.queue.append(self.a_buff)
        self.a_buff = self.queue.popleft()


class WaitingDense(Waiting, PyDenseModelBitAcc):  # type: ignore[misc]
    """Lava's dense connection."""


class WaitingSparse(Waiting, PySparseModelBitAcc):  # type: ignore[misc]
    """Lava's sparse connection."""


class WaitingDelayDense(WaitingDense):
    """Lava's dense connection with a delay, without forming its matrix anew at every step."""

    delays: NDArray[Any] = LavaPyType(np.ndarray, np.int32, precision=6)


class WaitingDelaySparse(WaitingSparse):
    """As WaitingDelayDense, sparse."""

    delays: Any = LavaPyType(csr_matrix, np.int32, precision=6)


MODELS: dict[type, type] = {
    LIFReset: WindowedLif,
    Dense: WaitingDense,
    Sparse: WaitingSparse,
    DelayDense: WaitingDelayDense,
    DelaySparse: WaitingDelaySparse,
}
"""Process → the model that simulates it, where it is not the one that Lava chooses."""
