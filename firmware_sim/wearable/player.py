"""What the virtual wearable says and when; time comes in as an argument, so that nothing here waits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import StreamError
from cortexcore.firmware_sim.wearable.faults import Faults, FaultyLink
from cortexcore.runtime.protocol import (
    DELIMITER,
    INDEX_MODULUS,
    MAX_SAMPLES,
    End,
    Info,
    Message,
    Samples,
    Start,
    Stop,
    encode_frame,
)

_END_INTERVAL_S = 1.0
_SLOWEST = 1e-3


@dataclass(frozen=True, eq=False)
class Wearable:
    """A device that plays a recording.

    Attributes:
        counts: int16 [N], N ≥ 1; the ADC counts to send.
        rate_hz: their rate.
        gain_per_mv: counts per millivolt.
        lead: e.g. ``"MLII"``.
        name: of the recording.
        speed: seconds of signal per second; 0.001 and more; 0 or infinity sends as fast as the reader takes it.
        block: samples per frame, 1 … 122; 25 are 100 ms at 250 Hz.
        faults: what goes wrong on the way.
        adc_bits: resolution the device declares.
    """

    counts: NDArray[np.int16]
    rate_hz: int
    gain_per_mv: float
    lead: str
    name: str
    speed: float = 1.0
    block: int = 25
    faults: Faults = field(default_factory=Faults)
    adc_bits: int = 16

    def __post_init__(self) -> None:
        if self.counts.dtype != np.int16 or self.counts.ndim != 1 or not self.counts.size:
            got = f"{self.counts.dtype} {list(self.counts.shape)}"
            raise StreamError(f"a wearable sends int16 [N] with at least one sample, not {got}")
        if not (self.speed == 0 or self.speed >= _SLOWEST):
            raise StreamError(f"the speed {self.speed:g} must be 0 (as fast as it is read) or {_SLOWEST:g} and more")
        if not 1 <= self.block <= MAX_SAMPLES:
            raise StreamError(f"a frame holds 1 to {MAX_SAMPLES} samples, not {self.block}")
        self.info(session=0)

    def info(self, session: int) -> Info:
        """How the device introduces itself to the host of ``session``."""
        return Info(self.rate_hz, self.gain_per_mv, self.lead, self.name, self.adc_bits, session)


class Player:
    """The device's state: idle until Start, then Info, the samples, and End until Stop or the next Start.

    Frame k is due at the moment its last sample has been taken, counted from Start, so late calls do not add up.
    """

    def __init__(self, wearable: Wearable) -> None:
        self._wearable = wearable
        self._paced = 0 < wearable.speed < math.inf
        self._link = FaultyLink(wearable.faults)
        self._info: Info | None = None
        self._introduced = False
        self._started_s = 0.0
        self._next_sample = 0
        self._sequence = 0
        self._next_end_s = -math.inf

    @property
    def vanished(self) -> bool:
        """Whether the device has left for good (the fault ``disconnect``)."""
        return self._next_sample >= self._wearable.faults.disconnect * self._wearable.rate_hz

    def hear(self, message: Message, now_s: float) -> None:
        """Obey the host; a frame that is half sent is sent to its end all the same.

        Args:
            message: what the host said; anything but Start and Stop is ignored.
            now_s: seconds on a monotonic clock.
        """
        if isinstance(message, Start):
            self._info, self._introduced, self._started_s = self._wearable.info(message.session), False, now_s
            self._next_sample, self._sequence, self._next_end_s = 0, 0, -math.inf
        elif isinstance(message, Stop):
            self._info = None

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until the next frame is due, at least 0; None while there is nothing to say."""
        if self._info is None:
            return None
        if not self._introduced:
            return 0.0
        remaining = self._wearable.counts.size - self._next_sample
        if not remaining:
            return max(0.0, self._next_end_s - now_s)
        if not self._paced:
            return 0.0
        taken = self._next_sample + min(self._wearable.block, remaining)
        due_s = self._started_s + taken / (self._wearable.rate_hz * self._wearable.speed)
        return max(0.0, due_s - now_s)

    def speak(self, now_s: float) -> bytes:
        """The frame that is due, as it arrives: empty where the link loses it."""
        if self._info is None:
            raise StreamError("a wearable that nobody has started has nothing to say")
        opening = b"" if self._introduced else DELIMITER
        message = self._next_message(now_s) if self._introduced else self._info
        self._introduced = True
        frame = encode_frame(message, self._sequence)
        self._sequence += 1
        return opening + self._link.carry(frame)

    def _next_message(self, now_s: float) -> Samples | End:
        first = self._next_sample
        block = self._wearable.counts[first : first + self._wearable.block]
        if not block.size:
            self._next_end_s = now_s + _END_INTERVAL_S
            return End(first % INDEX_MODULUS)
        self._next_sample += block.size
        return Samples(first % INDEX_MODULUS, block)
