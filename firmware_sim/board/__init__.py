"""The emulated board: a Cortex-M4 that runs a firmware's ELF, its serial port, its instruction counts."""

from cortexcore.firmware_sim.board.adc import ADC_ADDRESS, Adc, Electrodes
from cortexcore.firmware_sim.board.board import Board
from cortexcore.firmware_sim.board.counting import Counts, Region, counting
from cortexcore.firmware_sim.board.cycles import Cost
from cortexcore.firmware_sim.board.device import build_device
from cortexcore.firmware_sim.board.devices import Device, Uart
from cortexcore.firmware_sim.board.firmware import Firmware, Section, Symbol, read_firmware
from cortexcore.firmware_sim.board.serve import run_board, serve_board
from cortexcore.firmware_sim.board.sizes import ObjectSize, Sizes, object_sizes, sizes

__all__ = [
    "ADC_ADDRESS",
    "Adc",
    "Board",
    "Cost",
    "Counts",
    "Device",
    "Electrodes",
    "Firmware",
    "ObjectSize",
    "Region",
    "Section",
    "Sizes",
    "Symbol",
    "Uart",
    "build_device",
    "counting",
    "object_sizes",
    "read_firmware",
    "run_board",
    "serve_board",
    "sizes",
]
