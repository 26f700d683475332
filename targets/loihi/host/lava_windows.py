"""Processes that know which Lava steps are their own, so that a network runs many calls without being built again."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

KINDS = ("spikes", "u", "v")
"""What a population writes."""


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
        """As Lava's, which keeps to itself what is raised, while other processes wait for this one."""
        try:
            super().start()  # type: ignore[misc]
        except Exception:  # noqa: BLE001  whatever it is, the worker tells it
            traceback.print_exc()
            os._exit(1)

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
