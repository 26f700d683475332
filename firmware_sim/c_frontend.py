"""The C front end on this machine, with the Python one's interface: ``csrc/frontend`` built as a shared library."""

from __future__ import annotations

import ctypes
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.toolchain import build_shared
from cortexcore.runtime.frontend import CHANNELS, FEATURES, RATE_HZ, Beat, FrontEndConfig

SOURCES = Path(__file__).parent / "csrc" / "frontend"
"""Folder of the C code; ``ccx_frontend_config.h``, which it includes, is generated."""

CONFIG_HEADER = "ccx_frontend_config.h"
_MOST_THOUSANDTHS = 2**32 - 1


class FrontEndLibrary:
    """The front end of one configuration as machine code of this machine.

    Args:
        config: its constants.
        folder: where the generated header and the library go; it exists.
        sanitize: stop at undefined behaviour, see :func:`build_shared`.

    Raises:
        DataError: the configuration has values that the C code does not hold.
        TargetUnavailable: the compiler is not installed.
    """

    def __init__(self, config: FrontEndConfig, folder: Path, *, sanitize: bool = False) -> None:
        self.config = config
        (folder / CONFIG_HEADER).write_text(frontend_header(config))
        name = "frontend-checked.so" if sanitize else "frontend.so"
        self.path = build_shared(sorted(SOURCES.glob("*.c")), [SOURCES, folder], folder / name, sanitize=sanitize)

    @cached_property
    def functions(self) -> ctypes.CDLL:
        """The library, loaded, with the types of its functions."""
        library = ctypes.CDLL(str(self.path))
        state, counts = ctypes.c_void_p, ctypes.c_void_p
        library.ccx_frontend_size.restype = ctypes.c_size_t
        library.ccx_frontend_init.argtypes = [state, ctypes.c_uint32]
        library.ccx_frontend_push.argtypes = [state, counts, ctypes.c_size_t, ctypes.c_void_p]
        library.ccx_frontend_push.restype = ctypes.c_size_t
        library.ccx_frontend_gap.argtypes = [state, ctypes.c_uint32]
        library.ccx_frontend_flush.argtypes = [state]
        library.ccx_frontend_poll.argtypes = [state, ctypes.c_void_p]
        for name in ("init", "gap", "flush", "poll"):
            getattr(library, f"ccx_frontend_{name}").restype = ctypes.c_bool
        return library

    @property
    def state_bytes(self) -> int:
        """RAM of one front end's state. It holds no pointers, so a Cortex-M's is as large."""
        size: int = self.functions.ccx_frontend_size()
        return size


class CFrontEnd:
    """A stream through the C front end; beats and filtered signal are those of ``FrontEnd``, bit for bit.

    Args:
        library: of the configuration.
        gain_per_mv: ADC counts per millivolt, taken to the nearest thousandth.
        rate_hz: must be 250.

    Raises:
        DataError: another rate, or a gain that makes no sense.
    """

    def __init__(self, library: FrontEndLibrary, gain_per_mv: float, rate_hz: int) -> None:
        if rate_hz != RATE_HZ:
            raise DataError(f"the front end takes {RATE_HZ} Hz, this signal has {rate_hz} Hz")
        self._library = library.functions
        self._beat = _beat_type(library.config)()
        self._state = ctypes.create_string_buffer(library.state_bytes)
        thousandths = round(gain_per_mv * 1000) if 0 < gain_per_mv < _MOST_THOUSANDTHS / 1000 else 0
        if not self._library.ccx_frontend_init(self._state, thousandths):
            raise DataError(f"front end: a gain of {gain_per_mv} counts/mV makes no sense: give 1 to 1048576")
        self._ended = False

    def push(self, counts: NDArray[np.int16]) -> list[Beat]:
        """As ``FrontEnd.push``: int16 [N] → the beats completed by them."""
        return self.push_and_tap(counts)[0]

    def push_and_tap(self, counts: NDArray[np.int16]) -> tuple[list[Beat], NDArray[np.int32]]:
        """As ``FrontEnd.push_and_tap``: also the filtered signal, int32 [N]."""
        if counts.dtype != np.int16 or counts.ndim != 1:
            raise DataError(f"the front end takes int16 counts of shape [N], not {counts.dtype} {list(counts.shape)}")
        self._refuse_after_flush()
        counts = np.ascontiguousarray(counts)
        filtered = np.empty(len(counts), dtype=np.int32)
        beats: list[Beat] = []
        taken = 0
        while taken < len(counts):
            rest, tap = counts[taken:], filtered[taken:]
            taken += self._library.ccx_frontend_push(self._state, rest.ctypes.data, len(rest), tap.ctypes.data)
            beats += self._polled()
        return beats, filtered

    def gap(self, lost: int) -> list[Beat]:
        """As ``FrontEnd.gap``: ``lost`` samples, below 2^32, never came."""
        if not 0 <= lost < 2**32:
            raise DataError(f"a gap of {lost} samples makes no sense: give how many were lost, from 0 to 4294967295")
        self._refuse_after_flush()
        self._library.ccx_frontend_gap(self._state, lost)
        return self._polled()

    def flush(self) -> list[Beat]:
        """As ``FrontEnd.flush``: the beats that still waited when the stream ended."""
        self._ended = True
        self._library.ccx_frontend_flush(self._state)
        return self._polled()

    def _refuse_after_flush(self) -> None:
        if self._ended:
            raise DataError("this front end was flushed, its stream has ended: make a new one for the next stream")

    def _polled(self) -> list[Beat]:
        beats = []
        while self._library.ccx_frontend_poll(self._state, ctypes.byref(self._beat)):
            raw = self._beat
            window, rhythm = np.array(raw.window, dtype=np.int8), np.array(raw.rhythm, dtype=np.int8)
            beats.append(Beat(raw.sample, raw.ready, window, rhythm, raw.rr_ms))
        return beats


def _beat_type(config: FrontEndConfig) -> type[Any]:
    """``ccx_beat`` of ``ccx_beat.h``."""

    class RawBeat(ctypes.Structure):
        _fields_ = (
            ("sample", ctypes.c_int64),
            ("ready", ctypes.c_int64),
            ("rr_ms", ctypes.c_int32),
            ("window", ctypes.c_int8 * config.window_length * len(CHANNELS)),
            ("rhythm", ctypes.c_int8 * len(FEATURES)),
        )

    return RawBeat
