"""The framed, checksummed serial protocol between a wearable and its host."""

from cortexcore.runtime.protocol.decoder import Decoder, LinkCounts
from cortexcore.runtime.protocol.frame import DELIMITER, encode_frame
from cortexcore.runtime.protocol.messages import (
    INDEX_MODULUS,
    MAX_SAMPLES,
    VERSION,
    End,
    Info,
    Message,
    Samples,
    Start,
    Stop,
)

__all__ = [
    "DELIMITER",
    "INDEX_MODULUS",
    "MAX_SAMPLES",
    "VERSION",
    "Decoder",
    "End",
    "Info",
    "LinkCounts",
    "Message",
    "Samples",
    "Start",
    "Stop",
    "encode_frame",
]
