"""A Cortex-M4 with its memory and peripherals, emulated instruction by instruction (unicorn, which is QEMU's core).

::

    board = Board(elf)                                   # Path, bytes or Firmware
    board.boot()                                         # from reset to main()
    board.write("inputs", array)                         # a global of the firmware, by name
    status = board.call("ccx_network_step", board.address("state"), 3)
    outputs = board.read("outputs", np.int32, (5,))

What it computes is exact, flag for flag; how long it takes is not in it. Interrupts are not emulated: a firmware asks
its peripherals in turn.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cortexcore.errors import FirmwareFault, GraphError, missing_package
from cortexcore.firmware_sim.board.devices import TIMER_ADDRESS, UART_ADDRESS, Absent, Device, Timer, Uart
from cortexcore.firmware_sim.board.faults import Access, access_of, explain
from cortexcore.firmware_sim.board.firmware import Firmware, Symbol, read_firmware

_PAGE = 0x1000
_SYSTEM, _SYSTEM_SIZE = 0xE000_0000, 0x10_0000
RETURN_ADDRESS = 0x1FF0_0000
"""Where a called function returns to: a page of its own, whose first instruction ends the call."""
_NOP = b"\x00\xbf"
_AFTER_RETURN = RETURN_ADDRESS + len(_NOP)
_PAINT = 0xA5


class Board:
    """One emulated board with one firmware in its flash; it starts powered off.

    Args:
        elf: the firmware, built with ``csrc/board/board.ld``, which says how much flash, RAM and stack there is.
        devices: further peripherals by address, a multiple of 4096; the UART and the timer are always there.
        uart: a UART with something at its other end.

    Attributes:
        firmware: what is in flash.
        uart: the serial port.
        engine: the emulator itself, for counters that hook into it.

    Raises:
        TargetUnavailable: unicorn or pyelftools is not installed.
        GraphError: the file is no such firmware.
    """

    def __init__(
        self, elf: Path | bytes | Firmware, devices: Mapping[int, Device] | None = None, uart: Uart | None = None
    ) -> None:
        try:
            import unicorn
            from unicorn import arm_const
        except ImportError:
            raise missing_package("unicorn", "firmware", "an emulated board") from None
        self.firmware = elf if isinstance(elf, Firmware) else read_firmware(elf)
        self.uart = Uart() if uart is None else uart
        self._kinds: Any = unicorn
        self._registers = arm_const
        self._access: Access | None = None
        self.engine: Any = self._kinds.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.engine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self._fresh = self.engine.context_save()
        self._map_memory()
        present: dict[int, Device] = {TIMER_ADDRESS: Timer(), UART_ADDRESS: self.uart, **(devices or {})}
        for address, device in present.items():
            self._map_device(address, _PAGE, device)
        self._map_device(_SYSTEM, _SYSTEM_SIZE, Absent())
        self.engine.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._note_access)

    def boot(self, until: str = "main", timeout_s: float = 10.0) -> None:
        """Reset the core and run up to the first instruction of ``until``.

        The stack is painted before, so that :meth:`stack_used` tells how deep it has been since.

        Raises:
            GraphError: the firmware has no such symbol.
            FirmwareFault: it stops on the way, or does not come there in ``timeout_s``.
        """
        limit, top = self._stack()
        self.engine.mem_write(limit, bytes([_PAINT]) * (top - limit))
        self.engine.context_restore(self._fresh)
        pointer, entry = struct.unpack("<II", self.engine.mem_read(self._address("ccx_flash_start"), 8))
        self.engine.reg_write(self._registers.UC_ARM_REG_SP, pointer)
        self._run(entry, self._address(until), timeout_s)

    def call(self, function: str, *arguments: int, timeout_s: float = 60.0) -> int:
        """Call a function of the firmware on an empty stack, and wait until it returns.

        Args:
            function: its name. The linker leaves out what main() does not reach, unless marked ``used, retain``.
            arguments: integers and addresses of 32 bits each, signed or not (AAPCS: R0 to R3, then the stack).
            timeout_s: by this machine's clock, however fast it emulates.

        Returns:
            R0, unsigned: the result of a function that returns one of 32 bits or less.

        Raises:
            GraphError: the firmware has no such function.
            FirmwareFault: it stops on the way, or does not return in ``timeout_s``.
        """
        symbol = self.firmware.symbol(function)
        if not symbol.is_function:
            raise GraphError(f"'{function}' is no function of the firmware but data")
        words = [argument & 0xFFFF_FFFF for argument in arguments]
        registers, rest = words[:4], words[4:]
        pointer = (self._stack()[1] - 4 * len(rest)) & ~7
        self.engine.mem_write(pointer, struct.pack(f"<{len(rest)}I", *rest))
        self.engine.context_restore(self._fresh)  # a call that faulted may have left conditions of an IT block behind
        for number, word in enumerate(registers):
            self.engine.reg_write(self._registers.UC_ARM_REG_R0 + number, word)
        self.engine.reg_write(self._registers.UC_ARM_REG_SP, pointer)
        self.engine.reg_write(self._registers.UC_ARM_REG_LR, RETURN_ADDRESS | 1)
        self._run(symbol.address, _AFTER_RETURN, timeout_s)
        return int(self.engine.reg_read(self._registers.UC_ARM_REG_R0))

    def resume(self) -> None:
        """Run on from where the core stands until a peripheral calls :meth:`stop`.

        Raises:
            FirmwareFault: the firmware stops by itself.
        """
        self._run(self.engine.reg_read(self._registers.UC_ARM_REG_PC), None, 0.0)

    def stop(self) -> None:
        """End :meth:`resume`; for peripherals, within a read whose answer may be asked for again."""
        self.engine.emu_stop()

    def address(self, symbol: str) -> int:
        """Where a global lies, e.g. to pass it to :meth:`call`; a function's has the Thumb bit set."""
        found = self.firmware.symbol(symbol)
        return found.address | found.is_function

    def write(self, symbol: str, values: NDArray[Any] | bytes, offset: int = 0) -> None:
        """Fill a global, or a part of it.

        Args:
            symbol: its name.
            values: an array of the type it has in C (little endian), or bytes.
            offset: bytes into it.

        Raises:
            GraphError: no such global, or more than it holds.
        """
        data = values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
        self.engine.mem_write(self._within(symbol, offset, len(data)), data)

    def read(self, symbol: str, dtype: DTypeLike, shape: tuple[int, ...] = (), offset: int = 0) -> NDArray[Any]:
        """What a global holds, or a part of it.

        Args:
            symbol: its name.
            dtype: of one element, as in C.
            shape: of the array.
            offset: bytes into it.

        Raises:
            GraphError: no such global, or more than it holds.
        """
        kind = np.dtype(dtype).newbyteorder("<")
        size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
        data = bytes(self.engine.mem_read(self._within(symbol, offset, size), size))
        return np.frombuffer(data, kind).reshape(shape).astype(dtype)

    def stack_used(self) -> int:
        """Bytes of the stack that were written to since :meth:`boot`: its high-water mark."""
        limit, top = self._stack()
        content = bytes(self.engine.mem_read(limit, top - limit))
        return len(content.lstrip(bytes([_PAINT])))

    def _run(self, entry: int, until: int | None, timeout_s: float) -> None:
        """From ``entry`` to ``until``; None runs until :meth:`stop`, however long that takes."""
        self._access = None
        read = self.engine.reg_read
        # The emulator's own timeout waits in a loop that keeps a processor of this machine busy.
        alarm = threading.Timer(timeout_s, self.engine.emu_stop)
        if until is not None:
            alarm.start()
        try:
            self.engine.emu_start(entry | 1, _AFTER_RETURN if until is None else until)
        except self._kinds.UcError as error:
            pc, pointer = read(self._registers.UC_ARM_REG_PC), read(self._registers.UC_ARM_REG_SP)
            raise explain(self.firmware, pc, pointer, self._access, str(error)) from None
        finally:
            alarm.cancel()
        pc = read(self._registers.UC_ARM_REG_PC)
        if until is not None and pc != until:
            aim = "return" if until == _AFTER_RETURN else f"come to {self.firmware.place(until)}"
            raise FirmwareFault(
                f"{self.firmware.place(entry & ~1)} did not {aim} in {timeout_s:g} s; "
                f"the firmware was in {self.firmware.place(pc)} then"
            )

    def _map_memory(self) -> None:
        kinds = self._kinds
        for memory, rights in (
            ("flash", kinds.UC_PROT_READ | kinds.UC_PROT_EXEC),
            ("ram", kinds.UC_PROT_READ | kinds.UC_PROT_WRITE),
        ):
            start, end = self._address(f"ccx_{memory}_start"), self._address(f"ccx_{memory}_end")
            if start % _PAGE or end % _PAGE or not start < end:
                raise GraphError(
                    f"the board's {memory} from 0x{start:x} to 0x{end:x} must be whole pages of {_PAGE} bytes"
                )
            self.engine.mem_map(start, end - start, rights)
        self.engine.mem_map(RETURN_ADDRESS, _PAGE, kinds.UC_PROT_READ | kinds.UC_PROT_EXEC)
        self.engine.mem_write(RETURN_ADDRESS, _NOP)
        for address, data in self.firmware.images:
            self.engine.mem_write(address, data)

    def _map_device(self, address: int, size: int, device: Device) -> None:
        def read(_engine: Any, offset: int, _size: int, _user: Any) -> int:
            return device.read(offset)

        def write(_engine: Any, offset: int, _size: int, value: int, _user: Any) -> None:
            device.write(offset, value)

        self.engine.mmio_map(address, size, read, None, write, None)

    def _note_access(self, _engine: Any, kind: int, address: int, size: int, _value: int, _user: Any) -> bool:
        self._access = access_of(self._kinds, kind, address, size)
        return False

    def _stack(self) -> tuple[int, int]:
        return self._address("ccx_stack_limit"), self._address("ccx_stack_top")

    def _address(self, symbol: str) -> int:
        return self.firmware.symbol(symbol).address

    def _within(self, name: str, offset: int, size: int) -> int:
        symbol: Symbol = self.firmware.symbol(name)
        if offset < 0 or offset + size > symbol.size:
            raise GraphError(
                f"{size} bytes from byte {offset} do not lie within '{name}', which has {symbol.size} bytes"
            )
        return symbol.address + offset
