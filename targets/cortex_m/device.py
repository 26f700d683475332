"""The whole firmware on the emulated board: what every sample and every beat of a signal costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cortexcore.errors import DataError
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.board import (
    ADC_ADDRESS,
    Adc,
    Board,
    Cost,
    Electrodes,
    Sizes,
    Uart,
    build_device,
    counting,
    sizes,
)
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.runtime.protocol import DELIMITER, Beat, Decoder, End, Message, Start, encode_frame
from cortexcore.targets.cortex_m.counts import STEP

SAMPLE, POLL, FRONT_END_POLL = "ccx_push_samples", "ccx_poll_event", "ccx_frontend_poll"


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """A signal that went through the firmware, from ADC counts to decisions on the serial line.

    Attributes:
        name: of the signal.
        seconds: its length.
        samples: what the front end took for each sample.
        decisions: what each beat took, from complete to decided: its window and features, the network, the label.
        network: of that the network, over all beats.
        no_decision: what the dearest question for a beat took that found none, as at the end of the signal.
        whole: everything, protocol and drivers included.
        stack: bytes at its deepest.
        sizes: of the firmware.
        heard: what it told its host.
    """

    name: str
    seconds: float
    samples: tuple[Cost, ...]
    decisions: tuple[Cost, ...]
    network: Cost
    no_decision: Cost
    whole: Cost
    stack: int
    sizes: Sizes
    heard: tuple[Message, ...]

    @property
    def beats_hz(self) -> float:
        """Beats per second of signal."""
        return len(self.decisions) / self.seconds


class _Host(Uart):
    """The other end of the line: asks for the signal, and switches the board off when it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.arriving.extend(DELIMITER + encode_frame(Start(1), 0))
        self.heard: list[Message] = []
        self.stop: Callable[[], None] = lambda: None
        self._decoder = Decoder()

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.sent.endswith(DELIMITER):
            self.heard += self._decoder.push(self.take())
            if self.heard and isinstance(self.heard[-1], End):
                self.stop()


def run_device(
    network: IntegerNetwork, front_end: FrontEndConfig, options: CodegenOptions, electrodes: Electrodes
) -> DeviceRun:
    """Build the device's firmware and count it on a signal; arguments and errors of the two functions that do so."""
    return count_device(build_device(network, front_end, options), electrodes)


def count_device(elf: bytes, electrodes: Electrodes) -> DeviceRun:
    """Play a signal to a firmware, and count every instruction.

    Args:
        elf: of :func:`cortexcore.firmware_sim.board.build_device`.
        electrodes: the signal; its ``speed`` must be 0: a sample whenever one is asked for.

    Raises:
        DataError: there is no beat in the signal.
        GraphError: the ELF is no such firmware.
        TargetUnavailable: emulator or disassembler are not installed.
    """
    speed = electrodes.speed
    if speed:
        raise DataError(f"a signal that is counted is played at speed 0, as fast as it is read, not {speed:g}")
    host = _Host()
    board = Board(elf, {ADC_ADDRESS: Adc(electrodes)}, host)
    host.stop = board.stop
    board.boot()
    with counting(board, [SAMPLE, POLL, FRONT_END_POLL, STEP]) as counts:
        board.resume()
    if not any(isinstance(message, Beat) for message in host.heard):
        raise DataError(f"the front end finds no beat in {electrodes.name}: give a longer signal")
    regions = counts.regions
    decided, idle = _polls(regions[POLL].each, regions[FRONT_END_POLL].each, regions[STEP].smallest)
    return DeviceRun(
        name=electrodes.name,
        seconds=electrodes.counts.size / electrodes.rate_hz,
        samples=regions[SAMPLE].each,
        decisions=decided,
        network=regions[STEP].total,
        no_decision=idle,
        whole=counts.total,
        stack=board.stack_used(),
        sizes=sizes(board.firmware),
        heard=tuple(host.heard),
    )


def _polls(polls: Sequence[Cost], front_end: Sequence[Cost], step: Cost) -> tuple[tuple[Cost, ...], Cost]:
    """The questions for a beat that found one, and the dearest that did not.

    Each asks the front end once. What it takes besides is hardly anything where there is no beat, and otherwise several
    steps of the network, of which ``step`` is the cheapest.
    """
    found = [(poll - asked).instructions >= step.instructions for poll, asked in zip(polls, front_end, strict=True)]
    idle = [poll for poll, decided in zip(polls, found, strict=True) if not decided]
    decided = tuple(poll for poll, decided in zip(polls, found, strict=True) if decided)
    return decided, max(idle, key=lambda cost: cost.instructions)
