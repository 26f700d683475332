"""The emulated board: a Cortex-M4 that runs a firmware's ELF, its serial port, its instruction counts."""

from cortexcore.firmware_sim.board.board import Board
from cortexcore.firmware_sim.board.devices import Device, Uart
from cortexcore.firmware_sim.board.firmware import Firmware, Section, Symbol, read_firmware

__all__ = ["Board", "Device", "Firmware", "Section", "Symbol", "Uart", "read_firmware"]
