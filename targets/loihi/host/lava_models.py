"""Lava's own LIF and connections, whose arithmetic stays Lava's, for networks that run many calls."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from lava.magma.core.model.py.type import LavaPyType
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.models import PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse
from lava_windows import KINDS, Windowed  # type: ignore[import-not-found]  # a neighbour of this file
from numpy.typing import NDArray
from scipy.sparse import csr_matrix


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


class Waiting(Windowed):  # type: ignore[misc]
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
        super().run_spk()
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
