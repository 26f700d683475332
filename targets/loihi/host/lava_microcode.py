"""A LIF for what no hardware LIF does, in floating point and in Loihi's integers."""

from __future__ import annotations

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
from lava_windows import KINDS, Windowed  # type: ignore[import-not-found]  # a neighbour of this file
from numpy.typing import NDArray

STATE_LIMIT = 2**23 - 1
WRAP = 2**24


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
