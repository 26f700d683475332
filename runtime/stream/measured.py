"""The profile of a device on a serial port, by the cycles that its own counter measures."""

from __future__ import annotations

from cortexcore.errors import StreamError
from cortexcore.runtime.protocol import Message
from cortexcore.runtime.stream.source import Block, Source
from cortexcore.targets.cortex_m.config import CortexMConfig
from cortexcore.targets.cortex_m.reported import reported_profile
from cortexcore.targets.profile import Profile


def measured_profile(source: Source, seconds: float, config: CortexMConfig) -> Profile:
    """Listen to a device for a while, and make a profile of what it tells.

    Args:
        source: the device, just introduced: nothing of it was heard yet.
        seconds: of signal; less where the device sends less.
        config: which board it is, and the cell that feeds it.

    Raises:
        StreamError: it went silent or away.
        DataError: it tells no cycles.
        GraphError: the board is not in the data file.
    """
    heard: list[Message] = []
    samples = 0

    def enough() -> bool:
        return samples >= seconds * source.info.rate_hz

    for part in source.blocks(enough):
        if isinstance(part, Block):
            samples += part.counts.size + part.lost
            if enough():
                break
        else:
            heard.append(part.message)
    if source.problem is not None:
        raise StreamError(source.problem)
    return reported_profile([*heard, *([] if source.cycles is None else [source.cycles])], config)
