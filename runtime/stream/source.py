"""A device behind a port as an iterator of sample blocks that knows what is missing between them.

A device that decides on beats itself has its decisions between the blocks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol import (
    DELIMITER,
    INDEX_MODULUS,
    VERSION,
    Beat,
    Cycles,
    Decoder,
    End,
    Info,
    LinkCounts,
    Message,
    Samples,
    Start,
    Stop,
    encode_frame,
)
from cortexcore.runtime.stream.port import Port

_ATTEMPTS = 4
_LONGEST_GAP_S = 3600


@dataclass(frozen=True, eq=False)
class Block:
    """Samples as they came.

    Attributes:
        counts: int16 [n]; n is 0 only where the stream's last samples are missing.
        lost: samples missing right before them.
        arrived_s: when this host had read them, on ``time.perf_counter``.
    """

    counts: NDArray[np.int16]
    lost: int
    arrived_s: float


@dataclass(frozen=True)
class BoardBeat:
    """What the device decided on a beat.

    Attributes:
        sample: index of the R peak since the stream began.
        message: the rest, as the device said it.
    """

    sample: int
    message: Beat


class Source:
    """A device that speaks the ``cortexcore`` protocol, introduced and streaming.

    Args:
        port: where it is; the source closes it.
        handshake_s: how long to wait for an answer to each of the four Starts.
        silence_s: how long a device may send no samples before it counts as gone.

    Attributes:
        info: what the device says of itself.
        problem: one sentence on why the blocks ended too early, None until then.
        cycles: what its own counter measured, as it last said; None where it has none.

    Raises:
        StreamError: nothing answers, or what answers speaks another protocol or version.
    """

    def __init__(self, port: Port, handshake_s: float = 1.5, silence_s: float = 10.0) -> None:
        self._port = port
        self._silence_s = silence_s
        self._decoder = Decoder()
        self._refused = 0
        self.problem: str | None = None
        self.cycles: Cycles | None = None
        try:
            self.info, self._early = self._shake_hands(handshake_s)
        except BaseException:
            port.close()
            raise

    @property
    def link(self) -> LinkCounts:
        """Figures of the link; frames whose sample index makes no sense, and beats of a device that does not decide,
        count as bad."""
        counts = self._decoder.counts
        return replace(counts, bad_frames=counts.bad_frames + self._refused)

    def blocks(self, should_stop: Callable[[], bool]) -> Iterator[Block | BoardBeat]:
        """What the device sends, until it has sent everything, ``should_stop`` says so, or a :attr:`problem` ends it.

        ``should_stop`` is asked at least ten times a second. Passed over are the device's filtered signal, which is for
        checking it, and what only a host says.
        """
        position, quiet_s = 0, 0.0
        arrived_s, messages = time.perf_counter(), self._early
        while True:
            for message in messages:
                if isinstance(message, Samples):
                    lost = (message.first - position) % INDEX_MODULUS
                    if lost > _LONGEST_GAP_S * self.info.rate_hz:
                        self._refused += 1
                        continue
                    position += lost + message.counts.size
                    quiet_s = 0.0
                    yield Block(message.counts, lost, arrived_s)
                elif isinstance(message, Beat):
                    sample = position + _signed(message.sample - position)
                    if (
                        not self.info.decides
                        or sample < 0
                        or abs(sample - position) > _LONGEST_GAP_S * self.info.rate_hz
                    ):
                        self._refused += 1
                        continue
                    yield BoardBeat(sample, message)
                elif isinstance(message, Cycles):
                    self.cycles = message
                elif isinstance(message, End):
                    lost = (message.total - position) % INDEX_MODULUS
                    if 0 < lost <= _LONGEST_GAP_S * self.info.rate_hz:
                        yield Block(np.empty(0, np.int16), lost, arrived_s)
                    return
                elif isinstance(message, Info):
                    self.problem = f"the device at '{self._port.url}' was started anew by someone else"
                    return
            if should_stop():
                return
            if quiet_s > self._silence_s:
                self.problem = f"the device at '{self._port.url}' sent no samples for {self._silence_s:g} s"
                return
            asked_s = time.perf_counter()
            try:
                messages = self._decoder.push(self._port.read())
            except StreamError as error:
                self.problem = str(error)
                return
            arrived_s = time.perf_counter()
            quiet_s += arrived_s - asked_s

    def close(self) -> None:
        """Ask the device to send no more, if it is still there, and give the port back."""
        with suppress(StreamError):
            self._send(Stop())
        self._port.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, message: Message) -> None:
        self._port.write(DELIMITER + encode_frame(message, 0))

    def _shake_hands(self, handshake_s: float) -> tuple[Info, list[Message]]:
        """The device's answer to our own Start, and what came with it; all before it was meant for someone else."""
        received = 0
        for _ in range(_ATTEMPTS):
            session = int.from_bytes(os.urandom(4), "little")
            self._send(Start(session))
            deadline_s = time.monotonic() + handshake_s
            while time.monotonic() < deadline_s:
                data = self._port.read()
                received += len(data)
                messages = self._decoder.push(data)
                for number, message in enumerate(messages):
                    if isinstance(message, Info) and message.session == session:
                        return self._same_version(message), messages[number + 1 :]
        seen = f"{received} bytes came, but no introduction" if received else "nothing came"
        raise StreamError(
            f"the port '{self._port.url}' does not speak the 'cortexcore' protocol: {seen} in answer to {_ATTEMPTS} "
            "calls; check that this is the right port and that the device runs CortexCore's protocol"
        )

    def _same_version(self, info: Info) -> Info:
        if info.version != VERSION:
            raise StreamError(
                f"the device at '{self._port.url}' does not speak version {VERSION} of the 'cortexcore' protocol but "
                f"version {info.version}; install the CortexCore that its firmware came with"
            )
        return info


def _signed(difference: int) -> int:
    """The difference of two indices that are known modulo 2³², which lie less than half of that apart."""
    half = INDEX_MODULUS // 2
    return (difference + half) % INDEX_MODULUS - half


PROTOCOLS: dict[str, Callable[[Port], Source]] = {"cortexcore": Source}


def open_source(url: str, protocol: str = "cortexcore", baud_rate: int = 115200) -> Source:
    """Open the port and meet the device behind it.

    Args:
        url: a device such as ``/dev/ttyACM0``, or a URL that pyserial knows.
        protocol: a name in :data:`PROTOCOLS`.
        baud_rate: bits per second, for ports that have such a thing.

    Raises:
        StreamError: unknown protocol; the port cannot be opened; nothing there speaks the protocol.
    """
    if protocol not in PROTOCOLS:
        raise StreamError(f"unknown protocol '{protocol}'; allowed: {', '.join(sorted(PROTOCOLS))}")
    return PROTOCOLS[protocol](Port(url, baud_rate))
