"""The profile of a device that counts its own cycles: the same form as the emulated core's, but measured."""

from __future__ import annotations

from collections.abc import Iterable

from cortexcore.errors import DataError
from cortexcore.runtime.frontend import RATE_HZ
from cortexcore.runtime.protocol import Beat, Cycles, Message
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.work import Work, parts
from cortexcore.targets.energy.bands import Band
from cortexcore.targets.profile import Profile

COUNTER = "the device's own cycle counter (DWT CYCCNT)"


def reported_profile(messages: Iterable[Message], config: CortexMConfig) -> Profile:
    """What a device told of itself, as a profile.

    Args:
        messages: of one session, from its Start on, as :class:`cortexcore.runtime.protocol.Decoder` gives them.
        config: which board it is (``board``, ``clock_hz``), and the cell that feeds it.

    Returns:
        latency and cycles measured, energy modelled from them with the board's published joules per cycle. What a
        device does not tell is not in it: memory, layers, operations.

    Raises:
        DataError: it told no cycles, since it decided on no beat or has no counter.
        GraphError: the board is not in the data file.
    """
    said = list(messages)
    counts = next((message for message in reversed(said) if isinstance(message, Cycles)), None)
    decided = tuple(Band.exactly(m.cycles) for m in said if isinstance(m, Beat) and m.cycles)
    if counts is None or not counts.front_end or not decided:
        raise DataError(
            "the device told no cycles: it decided on no beat yet, or its counter (DWT CYCCNT) stands at 0 and is not "
            "available, as on an emulated core; profile the bundle with the target 'cortex-m' instead"
        )
    seconds = counts.samples / RATE_HZ
    told = f"{counts.samples} samples and {counts.beats} beats of a device"
    work = Work(
        sample=Band.exactly(counts.front_end / counts.samples),
        worst_sample=Band.exactly(counts.worst_sample),
        decisions=decided,
        beats_hz=counts.beats / seconds,
        kind="measured",
        source=COUNTER,
        said=told,
    )
    found, board = parts(work, config), config.clocked_board
    return Profile(
        target="cortex-m",
        conditions=f"a device that was said to be a {board.name} at {board.clock_hz / 1e6:g} MHz; {told}",
        latency=found.latency,
        operations=found.operations,
        energy=found.energy,
        notes=found.notes,
    )
