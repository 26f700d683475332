"""What stops a firmware, in one sentence that names the function and, for a stray access, the address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cortexcore.errors import FirmwareFault
from cortexcore.firmware_sim.board.firmware import Firmware

_ADDRESS_SPACE = 1 << 32


@dataclass(frozen=True)
class Access:
    """The access to memory that failed: what was tried, where, how many bytes."""

    what: str
    address: int
    size: int


def explain(firmware: Firmware, pc: int, stack_pointer: int, access: Access | None, reason: str) -> FirmwareFault:
    """The error to raise.

    Args:
        firmware: what ran.
        pc: where it stopped.
        stack_pointer: R13 there.
        access: the access that failed, or None where an instruction did.
        reason: the emulator's own words.
    """
    where = f"the firmware stopped in {firmware.place(pc)}"
    if access is None:
        return FirmwareFault(f"{where}: {reason}")
    limit, top = (firmware.symbol(name).address for name in ("ccx_stack_limit", "ccx_stack_top"))
    if stack_pointer < limit or (access.what == "write to" and limit - (top - limit) <= access.address < limit):
        return FirmwareFault(
            f"{where}: its stack of {top - limit} bytes is full; give it more in the linker script, or call less deeply"
        )
    return FirmwareFault(
        f"{where}: it tried to {access.what} {access.size} bytes at 0x{access.address % _ADDRESS_SPACE:08x}, "
        "where the board has nothing that allows it"
    )


def access_of(kinds: Any, kind: int, address: int, size: int) -> Access:
    """The emulator's numbers in words.

    Args:
        kinds: the module ``unicorn``, which has their names.
        kind: number of the kind of access.
        address: of its first byte.
        size: in bytes.
    """
    words = {
        kinds.UC_MEM_READ_UNMAPPED: "read",
        kinds.UC_MEM_READ_PROT: "read",
        kinds.UC_MEM_WRITE_UNMAPPED: "write to",
        kinds.UC_MEM_WRITE_PROT: "write to",
        kinds.UC_MEM_FETCH_UNMAPPED: "execute",
        kinds.UC_MEM_FETCH_PROT: "execute",
    }
    return Access(words[kind], address, size)
