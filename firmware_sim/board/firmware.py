"""A firmware as its ELF describes it: what lies where, and by which name."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cortexcore.errors import GraphError, missing_package


@dataclass(frozen=True)
class Symbol:
    """A named place: a function, an object, or a bound that the linker script names (size 0)."""

    name: str
    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Section:
    """A part of the program that takes memory when it runs.

    Attributes:
        name: e.g. ``".text"``.
        address, size: where it is at run time, in bytes.
        stored: whether its content is in the file, and so in flash.
        writable: whether it lies in RAM.
    """

    name: str
    address: int
    size: int
    stored: bool
    writable: bool


@dataclass(frozen=True, eq=False)
class Firmware:
    """A program for the board.

    Attributes:
        images: what a programmer writes to flash: (address, bytes).
        sections: what takes memory, in the file's order.
        symbols: name → symbol; of two with one name, the one other files can see.
    """

    images: tuple[tuple[int, bytes], ...]
    sections: tuple[Section, ...]
    symbols: Mapping[str, Symbol]

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name.

        Raises:
            GraphError: there is none.
        """
        if name not in self.symbols:
            raise GraphError(
                f"the firmware has no symbol '{name}': it is misspelt, or the linker left it out as unused"
            )
        return self.symbols[name]

    def place(self, address: int) -> str:
        """What to call ``address``: a function and the distance into it, or the bare number."""
        starts = [symbol.address for symbol in self._functions]
        number = bisect_right(starts, address) - 1
        if number >= 0 and address < starts[number] + self._functions[number].size:
            name, distance = self._functions[number].name, address - starts[number]
            return f"{name}+0x{distance:x}" if distance else name
        return f"0x{address:08x}"

    def function_at(self, address: int) -> str | None:
        """Name of the function that ``address`` lies in, or None."""
        place = self.place(address)
        return None if place.startswith("0x") else place.partition("+")[0]

    @cached_property
    def _functions(self) -> list[Symbol]:
        """Every function once, by address."""
        found = {symbol.address: symbol for symbol in self.symbols.values() if symbol.is_function and symbol.size}
        return [found[address] for address in sorted(found)]


def read_firmware(source: Path | bytes) -> Firmware:
    """The program in an ELF.

    Args:
        source: a file or its content.

    Raises:
        TargetUnavailable: pyelftools is not installed.
        GraphError: no ELF for a 32-bit Arm core, or one without symbols.
    """
    try:
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile
    except ImportError:
        raise missing_package("pyelftools", "firmware", "reading a firmware") from None
    content = source.read_bytes() if isinstance(source, Path) else source
    name = f"'{source}'" if isinstance(source, Path) else "this"
    try:
        file = ELFFile(io.BytesIO(content))
        if file["e_machine"] != "EM_ARM" or file.elfclass != 32:
            raise GraphError(f"{name} is no firmware for a Cortex-M: its machine is {file['e_machine']}")
        table = file.get_section_by_name(".symtab")
        if table is None:
            raise GraphError(f"{name} has no symbols; build it without stripping them")
        images = tuple(
            (segment["p_paddr"], segment.data())
            for segment in file.iter_segments()
            if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
        )
        return Firmware(images, _sections(file), _symbols(table))
    except (ELFError, UnicodeDecodeError, ValueError, KeyError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"{name} is no ELF that can be read: {str(error) or type(error).__name__}") from error


def _sections(file: Any) -> tuple[Section, ...]:
    writes, takes_memory = 0x1, 0x2  # SHF_WRITE, SHF_ALLOC
    return tuple(
        Section(
            section.name,
            section["sh_addr"],
            section["sh_size"],
            stored=section["sh_type"] != "SHT_NOBITS",
            writable=bool(section["sh_flags"] & writes) or section["sh_type"] == "SHT_NOBITS",
        )
        for section in file.iter_sections()
        if section["sh_flags"] & takes_memory and section["sh_size"]
    )


def _symbols(table: Any) -> dict[str, Symbol]:
    """Without the mapping symbols ($t, $d) and files; a Thumb function's lowest bit is not part of its address."""
    symbols: dict[str, Symbol] = {}
    for entry in sorted(table.iter_symbols(), key=lambda entry: entry["st_info"]["bind"] == "STB_GLOBAL"):
        is_function = entry["st_info"]["type"] == "STT_FUNC"
        if not entry.name or entry.name.startswith("$") or entry["st_info"]["type"] == "STT_FILE":
            continue
        address = entry["st_value"] & ~1 if is_function else entry["st_value"]
        symbols[entry.name] = Symbol(entry.name, address, entry["st_size"], is_function)
    return symbols
