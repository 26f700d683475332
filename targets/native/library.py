"""A network's generated C as a shared library in this process."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen import records
from cortexcore.firmware_sim.codegen.generate import KERNELS
from cortexcore.firmware_sim.codegen.plan import Plan
from cortexcore.firmware_sim.toolchain import build_shared
from cortexcore.targets.base import Array

RUNNER = KERNELS / "ccx_run.c"


class _Sizes(ctypes.Structure):
    """``ccx_sizes`` of csrc/network/ccx_run.h."""

    _fields_ = (("network", ctypes.c_uint32), ("input", ctypes.c_uint32), ("output", ctypes.c_uint32))


class Library:
    """The compiled network: arrays of records go in and out, one call for all steps of all inferences.

    Args:
        plan: what the files were generated from.
        files: ``model.h`` and ``model.c``.
        traced: with every neuron's spikes, u and v.
        sanitize: see :class:`cortexcore.targets.native.config.NativeConfig`.

    Raises:
        TargetUnavailable: there is no compiler.
        GraphError: the C does not compile, or the library lays its records out in another way than NumPy.
    """

    def __init__(self, plan: Plan, files: Mapping[str, str], traced: bool, sanitize: bool) -> None:
        self.input, self.output = (records.record(of(plan)) for of in (records.inputs, records.outputs))
        self.trace = records.record(records.traces(plan)) if traced else None
        with tempfile.TemporaryDirectory(prefix="cortexcore-", ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
            defines = {"CCX_TRACE": ""} if traced else {}
            include = [KERNELS, folder]
            path = build_shared(
                [folder / "model.c", RUNNER], include, folder / "model.so", sanitize=sanitize, defines=defines
            )
            library = ctypes.CDLL(str(path))
        self._run, self._step = library.ccx_run, library.ccx_run_step
        self._run.argtypes = (*(ctypes.c_void_p,) * 4, ctypes.c_uint32, ctypes.c_uint32)
        self._step.argtypes = (*(ctypes.c_void_p,) * 3, ctypes.c_uint32)
        self._run.restype = self._step.restype = None
        sizes = _Sizes()
        library.ccx_run_sizes(ctypes.byref(sizes))
        self.network_bytes = int(sizes.network)
        if (sizes.input, sizes.output) != (self.input.itemsize, self.output.itemsize):
            raise GraphError(
                "the compiler lays the network's records out in another way than NumPy: report this machine"
            )

    def states(self, batch: int) -> Array:
        """``batch`` networks at rest."""
        return np.zeros((batch, self.network_bytes // 4), np.uint32)

    def run(self, inputs: Array) -> tuple[Array, Array | None]:
        """Records [T, B] → (output records [T, B], trace records [T, B] or None), every inference from rest."""
        steps, batch = inputs.shape
        state, outputs = self.states(1), np.empty((steps, batch), self.output)
        trace = None if self.trace is None else np.empty((steps, batch), self.trace)
        self._run(
            _address(state),
            _address(inputs),
            _address(outputs),
            None if trace is None else _address(trace),
            steps,
            batch,
        )
        return outputs, trace

    def step(self, states: Array, inputs: Array, outputs: Array) -> None:
        """One step of every network of ``states`` [B, …]; ``outputs`` [B] is written."""
        self._step(_address(states), _address(inputs), _address(outputs), len(inputs))


def _address(array: Array) -> int:
    """Where an array's data lie; the caller keeps the array."""
    return int(array.ctypes.data)
