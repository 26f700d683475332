"""The virtual wearable: a recording, or a made-up one, sent over a serial port as a device would."""

from cortexcore.firmware_sim.wearable.faults import Faults, parse_faults
from cortexcore.firmware_sim.wearable.player import Wearable
from cortexcore.firmware_sim.wearable.port import run_wearable, serve_wearable
from cortexcore.firmware_sim.wearable.synthetic import SyntheticEcg, synthetic_ecg

__all__ = [
    "Faults",
    "SyntheticEcg",
    "Wearable",
    "parse_faults",
    "run_wearable",
    "serve_wearable",
    "synthetic_ecg",
]
