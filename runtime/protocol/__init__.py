"""The framed, checksummed serial protocol between a wearable and its host."""

from cortexcore.runtime.protocol.cycles import Cycles
from cortexcore.runtime.protocol.decoder import Decoder, LinkCounts
from cortexcore.runtime.protocol.frame import DELIMITER, encode_frame
from cortexcore.runtime.protocol.messages import (
    HOST_MESSAGES,
    INDEX_MODULUS,
    MAX_FILTERED,
    MAX_SAMPLES,
    VERSION,
    Beat,
    End,
    Filtered,
    Info,
    Message,
    Samples,
    Start,
    Stop,
)

__all__ = [
    "DELIMITER",
    "HOST_MESSAGES",
    "INDEX_MODULUS",
    "MAX_FILTERED",
    "MAX_SAMPLES",
    "VERSION",
    "Beat",
    "Cycles",
    "Decoder",
    "End",
    "Filtered",
    "Info",
    "LinkCounts",
    "Message",
    "Samples",
    "Start",
    "Stop",
    "encode_frame",
]
