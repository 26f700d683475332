"""How much of a board's memory a firmware takes: totals from the ELF's sections, and object by object."""

from __future__ import annotations

from dataclasses import dataclass

from cortexcore.firmware_sim.board.firmware import Firmware

_STACK = ".stack"
_BOUNDS = ("ccx_flash_start", "ccx_flash_end", "ccx_ram_start", "ccx_ram_end")


@dataclass(frozen=True)
class Sizes:
    """Memory in bytes.

    Attributes:
        flash: code, constants, and the first values of what is not zero at the start.
        data: variables with a first value other than zero: in RAM, and their values in flash.
        bss: variables that start as zero.
        stack: what the linker script sets aside; :meth:`Board.stack_used` tells what was needed.
        flash_limit, ram_limit: what the linker script's board has.
    """

    flash: int
    data: int
    bss: int
    stack: int
    flash_limit: int
    ram_limit: int

    @property
    def ram(self) -> int:
        """All that is taken of RAM."""
        return self.data + self.bss + self.stack


@dataclass(frozen=True)
class ObjectSize:
    """A function, table or variable, its size in bytes, and whether it takes RAM."""

    name: str
    size: int
    in_ram: bool


def sizes(firmware: Firmware) -> Sizes:
    """What ``firmware`` takes.

    Raises:
        GraphError: it was not linked with ``csrc/board/board.ld``.
    """
    bounds = {name: firmware.symbol(name).address for name in _BOUNDS}
    in_ram = [section for section in firmware.sections if section.writable]
    return Sizes(
        flash=sum(section.size for section in firmware.sections if section.stored),
        data=sum(section.size for section in in_ram if section.stored),
        bss=sum(section.size for section in in_ram if not section.stored and section.name != _STACK),
        stack=sum(section.size for section in in_ram if section.name == _STACK),
        flash_limit=bounds["ccx_flash_end"] - bounds["ccx_flash_start"],
        ram_limit=bounds["ccx_ram_end"] - bounds["ccx_ram_start"],
    )


def object_sizes(firmware: Firmware) -> tuple[ObjectSize, ...]:
    """Every object of one byte and more, the largest first; one with several names is there once."""
    start, end = (firmware.symbol(name).address for name in ("ccx_ram_start", "ccx_ram_end"))
    once = {(symbol.address, symbol.size): symbol for symbol in firmware.symbols.values() if symbol.size}
    found = [ObjectSize(symbol.name, symbol.size, start <= symbol.address < end) for symbol in once.values()]
    return tuple(sorted(found, key=lambda item: (-item.size, item.name)))
