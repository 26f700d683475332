"""Counts what an emulated core executes: each instruction, by function, and within chosen functions with their callees.

::

    with counting(board, ["ccx_push_samples", "ccx_network_step"]) as counts:
        board.call("ccx_push_samples", …)
    counts.regions["ccx_network_step"].largest.cycles

The emulator reports each basic block before it runs it, so a count is exact, and the same in every run; counting
makes it some twenty times slower. A region is a function from its first instruction to the return from it: nothing is
added to the firmware, which is thus counted as it is shipped. The function must stay one: mark it ``noinline``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cortexcore.errors import GraphError, missing_package
from cortexcore.firmware_sim.board.board import RETURN_ADDRESS, Board
from cortexcore.firmware_sim.board.cycles import Cost, block_cost


@dataclass(frozen=True)
class Region:
    """The calls of one function, what it called included.

    Attributes:
        calls: how many returned.
        total: of all of them.
        smallest, largest: the calls with the fewest and the most instructions.
        each: of every call, in the order in which they returned.
    """

    calls: int
    total: Cost
    smallest: Cost
    largest: Cost
    each: tuple[Cost, ...]


@dataclass
class Counts:
    """What was executed while counting; complete when the ``with`` block has ended.

    Attributes:
        total: everything.
        regions: chosen function → its calls; one that never returned is not in it.
        functions: function → what it cost without what it called; "" for code that lies in no function.
    """

    total: Cost = field(default_factory=Cost)
    regions: Mapping[str, Region] = field(default_factory=dict)
    functions: Mapping[str, Cost] = field(default_factory=dict)


@dataclass
class _Block:
    """A basic block and how often it ran, and ended with a jump."""

    address: int
    end: int
    cost: Cost
    runs: int = 0
    jumps: int = 0


_NOWHERE = _Block(-1, -1, Cost())
"""What ran before the first block, and between two calls: nothing, whose end is no jump."""


@dataclass(frozen=True)
class _Call:
    """A call under way: of which region, where it returns to with which stack pointer, and the count before it."""

    name: str
    back: int
    stack_pointer: int
    before: Cost


@contextmanager
def counting(board: Board, regions: Sequence[str] = ()) -> Iterator[Counts]:
    """Count what ``board`` executes within a ``with`` block.

    A stretch of code that :meth:`Board.stop` cuts in two is counted whole when it begins, and its rest again when the
    board is resumed: resume after the block. After a fault the counts are of no use.

    Args:
        board: a board that is not running.
        regions: functions whose calls are to be counted one by one; a call within a call counts for both.

    Yields:
        The counts; empty until the block ends.

    Raises:
        TargetUnavailable: capstone is not installed.
        GraphError: the firmware has no such function; it executed an instruction that the cycle table lacks.
    """
    recorder = _Recorder(board, regions)
    counts = Counts()
    hook = board.engine.hook_add(recorder.block_hook, recorder.enter)
    board.engine.ctl_flush_tb()  # blocks that were translated before have no hook in them
    try:
        yield counts
    finally:
        board.engine.hook_del(hook)
        board.engine.ctl_flush_tb()
    counts.total, counts.regions, counts.functions = recorder.total(), recorder.regions(), recorder.functions()


class _Recorder:
    def __init__(self, board: Board, regions: Sequence[str]) -> None:
        try:
            import capstone
            import unicorn
            from unicorn import arm_const
        except ImportError:
            raise missing_package("capstone", "firmware", "counting cycles") from None
        self.block_hook: int = unicorn.UC_HOOK_BLOCK
        self._board, self._registers = board, arm_const
        self._disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        self._disassembler.detail = True
        self._starts: dict[int, str] = {}
        for name in regions:
            symbol = board.firmware.symbol(name)
            if not symbol.is_function:
                raise GraphError(f"'{name}' is no function of the firmware but data: it cannot be counted")
            self._starts[symbol.address] = name
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._last = _NOWHERE
        self._open: list[_Call] = []
        self._back = -1
        self._finished: dict[str, list[Cost]] = {}
        self._instructions = self._low = self._high = self._jumps = 0

    def enter(self, _engine: Any, address: int, size: int, _user: Any) -> None:
        """A block is about to run. Everything but the first lines is rare; they decide how fast counting is."""
        last = self._last
        if address != last.end and last is not _NOWHERE:
            last.jumps += 1
            self._jumps += 1
        if address == self._back:
            self._leave()
        if address in self._starts:
            self._call(address)
        if address == RETURN_ADDRESS:
            self._last = _NOWHERE
            return
        block = self._blocks.get((address, size))
        if block is None:
            block = self._blocks[address, size] = self._decode(address, size)
        block.runs += 1
        cost = block.cost
        self._instructions += cost.instructions
        self._low += cost.cycles_low
        self._high += cost.cycles_high
        self._last = block

    def total(self) -> Cost:
        return Cost(self._instructions, self._low, self._high, self._jumps)

    def regions(self) -> dict[str, Region]:
        return {
            name: Region(
                len(calls),
                sum(calls, Cost()),
                min(calls, key=lambda cost: cost.instructions),
                max(calls, key=lambda cost: cost.instructions),
                tuple(calls),
            )
            for name, calls in self._finished.items()
        }

    def functions(self) -> dict[str, Cost]:
        costs: dict[str, Cost] = {}
        for block in self._blocks.values():
            name = self._board.firmware.function_at(block.address) or ""
            one = block.cost
            cost = Cost(
                block.runs * one.instructions, block.runs * one.cycles_low, block.runs * one.cycles_high, block.jumps
            )
            costs[name] = costs.get(name, Cost()) + cost
        return costs

    def _call(self, address: int) -> None:
        """A chosen function begins, unless this is a jump back to its start."""
        read = self._board.engine.reg_read
        back, pointer = read(self._registers.UC_ARM_REG_LR) & ~1, read(self._registers.UC_ARM_REG_SP)
        name = self._starts[address]
        if any(call.name == name and (call.back, call.stack_pointer) == (back, pointer) for call in self._open):
            return
        self._open.append(_Call(name, back, pointer, self.total()))
        self._back = back

    def _leave(self) -> None:
        """The address that the innermost call returns to: it is over if the stack is as it was."""
        pointer = self._board.engine.reg_read(self._registers.UC_ARM_REG_SP)
        while self._open and (self._open[-1].back, self._open[-1].stack_pointer) == (self._back, pointer):
            call = self._open.pop()
            self._finished.setdefault(call.name, []).append(self.total() - call.before)
        self._back = self._open[-1].back if self._open else -1

    def _decode(self, address: int, size: int) -> _Block:
        code = bytes(self._board.engine.mem_read(address, size))
        instructions = list(self._disassembler.disasm(code, address))
        if sum(instruction.size for instruction in instructions) != size:
            place = self._board.firmware.place(address)
            raise GraphError(f"the {size} bytes of code at {place} hold an instruction that capstone does not know")
        return _Block(address, address + size, block_cost(instructions))
