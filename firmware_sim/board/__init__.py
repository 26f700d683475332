"""The emulated board: a Cortex-M4 that runs a firmware's ELF, its serial port, its instruction counts."""

from cortexcore.firmware_sim.board.board import Board
from cortexcore.firmware_sim.board.counting import Counts, Region, counting
from cortexcore.firmware_sim.board.cycles import Cost
from cortexcore.firmware_sim.board.devices import Device, Uart
from cortexcore.firmware_sim.board.firmware import Firmware, Section, Symbol, read_firmware
from cortexcore.firmware_sim.board.sizes import ObjectSize, Sizes, object_sizes, sizes

__all__ = [
    "Board",
    "Cost",
    "Counts",
    "Device",
    "Firmware",
    "ObjectSize",
    "Region",
    "Section",
    "Sizes",
    "Symbol",
    "Uart",
    "counting",
    "object_sizes",
    "read_firmware",
    "sizes",
]
