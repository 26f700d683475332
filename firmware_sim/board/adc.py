"""The electrodes of the emulated board: an analog-to-digital converter that plays a recording."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol import Info

ADC_ADDRESS = 0x4002_4000
_SLOWEST = 1e-3
_IDLE_S = 0.02
"""Longest wait for a sample before the firmware may look at something else."""


@dataclass(frozen=True, eq=False)
class Electrodes:
    """What the converter is connected to.

    Attributes:
        counts: int16 [N], N ≥ 1; the ADC counts it will find.
        rate_hz: their rate.
        gain_per_mv: counts per millivolt.
        lead: e.g. ``"MLII"``.
        name: of the recording.
        speed: seconds of signal per second of this machine's clock, 0.001 and more; 0 or infinity gives a sample
            whenever the firmware asks for one.
        adc_bits: resolution that the board declares.
    """

    counts: NDArray[np.int16]
    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str
    speed: float = 1.0
    adc_bits: int = 16

    def __post_init__(self) -> None:
        if self.counts.dtype != np.int16 or self.counts.ndim != 1 or not self.counts.size:
            got = f"{self.counts.dtype} {list(self.counts.shape)}"
            raise StreamError(f"electrodes give int16 [N] with at least one sample, not {got}")
        if not (self.speed == 0 or self.speed >= _SLOWEST):
            raise StreamError(f"the speed {self.speed:g} must be 0 (as fast as it is read) or {_SLOWEST:g} and more")
        Info(self.rate_hz, self.gain_per_mv, self.lead, self.name, self.adc_bits)  # refuses what no device may say


class Adc:
    """The converter's registers, as ``csrc/board/adc.c`` reads them. It holds what is due until it is read.

    Args:
        electrodes: what it converts.
        wait: called with seconds when the firmware asks for a sample before it is due: a real core would sleep then.
        now_s: seconds on a monotonic clock.
    """

    _CTRL, _STATUS, _DATA, _RATE, _BITS, _GAIN, _LEAD, _NAME = 0x00, 0x04, 0x08, 0x10, 0x14, 0x18, 0x40, 0x80
    _READY, _END = 1, 2

    def __init__(
        self,
        electrodes: Electrodes,
        wait: Callable[[float], None] = time.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = electrodes.counts
        speed = electrodes.speed
        self._period_s = 1 / (electrodes.rate_hz * speed) if 0 < speed < math.inf else 0.0
        self._wait, self._now_s = wait, now_s
        self._next = 0
        self._running = False
        self._started_s = 0.0
        self._constants = {
            self._RATE: electrodes.rate_hz,
            self._BITS: electrodes.adc_bits,
            self._GAIN: round(electrodes.gain_per_mv * 1000),
            **_words(self._LEAD, electrodes.lead, 16),
            **_words(self._NAME, electrodes.name, 64),
        }

    def read(self, offset: int) -> int:
        if offset == self._STATUS:
            return self._status()
        if offset == self._DATA and self._next < self._counts.size:
            self._next += 1
            return int(self._counts[self._next - 1]) & 0xFFFF_FFFF
        return self._constants.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self._CTRL:
            self._running, self._next, self._started_s = bool(value & 1), 0, self._now_s()

    def _status(self) -> int:
        if self._running and self._next < self._counts.size:
            due_s = self._started_s + (self._next + 1) * self._period_s
            if not self._period_s or (left_s := due_s - self._now_s()) <= 0:
                return self._READY
            self._wait(min(left_s, _IDLE_S))
            return 0
        self._wait(_IDLE_S)
        return self._END if self._running else 0


def _words(first: int, text: str, size: int) -> dict[int, int]:
    """A zero-ended text of ``size`` bytes as registers."""
    data = text.encode().ljust(size, b"\0")
    return {first + at: int.from_bytes(data[at : at + 4], "little") for at in range(0, size, 4)}
