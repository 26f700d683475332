"""Instructions and cycles of code written by hand, so that they can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cortexcore.errors import FirmwareFault, GraphError, TargetUnavailable
from cortexcore.firmware_sim.board import Board, Cost, counting, object_sizes, read_firmware, sizes
from cortexcore.firmware_sim.toolchain import build_elf

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

BOARD = Path(__file__).resolve().parents[2] / "firmware_sim" / "csrc" / "board"
FUNCTIONS = {
    "ccx_straight": "adds r0, r0, #1; adds r0, r0, #1; lsls r0, r0, #1; bx lr",
    "ccx_loop": "1: subs r0, r0, #1; bne 1b; bx lr",
    "ccx_condition": "cmp r0, #0; ite eq; moveq r0, #10; movne r0, #20; bx lr",
    "ccx_loads": "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, r2]; ldrh r3, [r3]; str r3, [r0, #8]; bx lr",
    "ccx_stores": "movs r1, #4; str r1, [r0, r1]; str r1, [r0], #4; strd r1, r1, [r0]; bx lr",
    "ccx_addresses": "adds r0, r0, #4; ldr r1, [r0]; adds r0, r0, #4; ldm r0, {r1, r2, r3}; adds r2, r0, #4; bx lr",
    "ccx_stack": "push {r4, r5, r6, lr}; ldmia r0, {r1, r2, r3}; pop {r4, r5, r6, pc}",
    "ccx_divide": "udiv r0, r0, r1; mul r0, r0, r1; mla r0, r0, r1, r1; smull r0, r2, r0, r1;"
    " smlad r0, r0, r1, r2; bx lr",
    "ccx_float": "vmov s0, r0; vcvt.f32.s32 s0, s0; vmul.f32 s1, s0, s0; vfma.f32 s1, s0, s0; vdiv.f32 s1, s1, s0;"
    " vmov r0, r1, d0; vpush {d8}; vpop {d8}; bx lr",
    "ccx_outer": "push {r4, lr}; movs r4, r0; 2: movs r0, r4; bl ccx_loop; subs r4, r4, #1; bne 2b; pop {r4, pc}",
    "ccx_tail": "movs r0, #3; b ccx_loop",
    "ccx_head": "subs r0, r0, #1; bne ccx_head; bx lr",
    "ccx_half": "cmp r0, #0; ite ne; ldrne r1, [r0]; moveq r1, #0; bx lr",
    "ccx_hint": "pld [r0]; bx lr",
    "ccx_table": "tbb [pc, r0]; 3: .byte 1; .byte 2; movs r0, #7; bx lr",
}
BASE = {
    # Function and arguments → instructions, cycles without refills (least, most), branches taken.
    ("ccx_straight", 3): Cost(4, 4, 4, 1),
    ("ccx_loop", 5): Cost(11, 11, 11, 5),
    ("ccx_loop", 1): Cost(3, 3, 3, 1),
    ("ccx_condition", 0): Cost(5, 4, 5, 1),
    ("ccx_condition", 1): Cost(5, 4, 5, 1),
    # Two loads in a row take 3; the third waits for the second's register, and so does the fourth for the third's.
    ("ccx_loads", 0x20001000): Cost(6, 2 + 1 + 2 + 2 + 1 + 1, 2 + 1 + 2 + 2 + 1 + 1, 1),
    # Of the first store, the index is what the instruction before has computed.
    ("ccx_stores", 0x20001000): Cost(5, 1 + 2 + 1 + 3 + 1, 1 + 3 + 1 + 3 + 1, 1),
    ("ccx_addresses", 0x20001000): Cost(6, 1 + 2 + 1 + 4 + 1 + 1, 1 + 3 + 1 + 5 + 1 + 1, 1),
    ("ccx_stack", 0x20001000): Cost(3, 5 + 4 + 5, 5 + 4 + 5, 1),
    ("ccx_divide", 100, 7): Cost(6, 2 + 5, 12 + 5, 1),
    ("ccx_float", 3): Cost(9, 1 + 1 + 1 + 3 + 14 + 2 + 3 + 3 + 1, 1 + 1 + 1 + 3 + 14 + 2 + 3 + 3 + 1, 1),
    # ccx_loop(2) and ccx_loop(1): 5 + 3 instructions, 2 + 1 branches; around them 2 + 2·4 + 1 and 2 + 1 + 1.
    ("ccx_outer", 2): Cost(8 + 11, 8 + 3 + 1 + 8 + 3, 8 + 3 + 1 + 8 + 3, 3 + 4),
    ("ccx_tail", 9): Cost(2 + 7, 2 + 7, 2 + 7, 1 + 3),
    ("ccx_head", 4): Cost(9, 9, 9, 4),
    ("ccx_table", 1): Cost(2, 2 + 1, 2 + 1, 2),
}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("firmware")
    text = ['#include "ccx_board.h"', "int main(void);", "int main(void) { for (;;) ccx_uart_init(); }"]
    text += ["__attribute__((used, retain)) uint32_t ccx_words[8] = {1, 2};"]
    for name, code in FUNCTIONS.items():
        text += [
            f"void {name}(void);",
            f'__attribute__((naked, used, retain)) void {name}(void) {{ __asm("{code}"); }}',
        ]
    (folder / "main.c").write_text("\n".join(text))
    sources = [BOARD / "startup.c", BOARD / "uart.c", folder / "main.c"]
    board = Board(build_elf(sources, [BOARD], BOARD / "board.ld", folder / "main.elf"))
    board.boot()
    return board


@pytest.mark.parametrize(
    ("call", "expected"), BASE.items(), ids=lambda value: str(value[0]) if isinstance(value, tuple) else ""
)
def test_counted_by_hand(call: tuple[str, int], expected: Cost, board: Board) -> None:
    with counting(board, [call[0]]) as counts:
        board.call(*call)
    assert counts.total == expected
    region = counts.regions[call[0]]
    assert (region.calls, region.total, region.smallest, region.largest) == (1, expected, expected, expected)
    assert sum(counts.functions.values(), Cost()) == expected
    assert expected.cycles == (expected.cycles_low + expected.branches, expected.cycles_high + 3 * expected.branches)


def test_a_region_holds_what_it_calls_and_a_function_only_itself(board: Board) -> None:
    with counting(board, ["ccx_outer", "ccx_loop"]) as counts:
        board.call("ccx_outer", 3)
        board.call("ccx_loop", 10)
    loop, outer = counts.regions["ccx_loop"], counts.regions["ccx_outer"]
    assert (loop.calls, outer.calls) == (4, 1)
    assert loop.total.instructions == 7 + 5 + 3 + 21
    assert (loop.smallest.instructions, loop.largest.instructions) == (3, 21)
    assert outer.total.instructions == 7 + 5 + 3 + 3 + 3 * 4
    assert counts.functions["ccx_loop"] == loop.total
    assert counts.functions["ccx_outer"].instructions == 3 + 3 * 4
    assert counts.total == loop.total + counts.functions["ccx_outer"]


def test_the_same_run_gives_the_same_counts_whatever_ran_before(board: Board) -> None:
    seen = []
    for _ in range(3):
        board.call("ccx_outer", 50)
        with counting(board, ["ccx_loop"]) as counts:
            board.call("ccx_outer", 50)
        seen.append((counts.total, counts.regions, counts.functions))
    assert seen[0] == seen[1] == seen[2] and seen[0][1]["ccx_loop"].calls == 50


def test_nothing_is_counted_after_the_block_and_a_call_that_did_not_end_is_no_region(board: Board) -> None:
    with counting(board, ["ccx_straight", "main"]) as counts:
        board.call("ccx_straight", 1)
    before = counts.total
    board.call("ccx_loop", 100)
    assert counts.total == before and set(counts.regions) == {"ccx_straight"}


def test_what_cannot_be_counted_is_named(board: Board) -> None:
    for name, words in (("ccx_nothing", "no symbol"), ("ccx_words", "no function of the firmware but data")):
        with pytest.raises(GraphError, match=words), counting(board, [name]):
            pass


def test_a_fault_amid_conditional_instructions_leaves_no_condition_behind(board: Board) -> None:
    for _ in range(2):
        with pytest.raises(FirmwareFault, match="read 4 bytes at 0x30000000"):
            board.call("ccx_half", 0x30000000)
        assert board.call("ccx_straight", 3) == 10


def test_an_instruction_without_a_count_is_named(board: Board) -> None:
    with pytest.raises(GraphError, match=r"the instruction 'pld \[r0\]' at 0x\w+ has no cycle count"), counting(board):
        board.call("ccx_hint", board.address("ccx_words"))
    board.call("ccx_hint", board.address("ccx_words"))


def test_sizes_come_from_the_sections(board: Board) -> None:
    took = sizes(board.firmware)
    assert (took.data, took.bss, took.stack, took.ram) == (32, 0, 4096, 4128)
    assert (took.flash_limit, took.ram_limit) == (256 * 1024, 64 * 1024)
    written = sum(len(data) for _, data in board.firmware.images)
    assert took.flash == written
    objects = {item.name: item for item in object_sizes(board.firmware)}
    assert objects["ccx_words"].size == 32 and objects["ccx_words"].in_ram
    assert objects["ccx_loop"].size == 6 and not objects["ccx_loop"].in_ram
    assert [item.size for item in objects.values()] == sorted((item.size for item in objects.values()), reverse=True)


def test_a_firmware_of_another_linker_script_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("void Reset_Handler(void);\nvoid Reset_Handler(void) { for (;;) {} }\n")
    (tmp_path / "other.ld").write_text("SECTIONS { .text : { *(.text*) } }")
    elf = build_elf([tmp_path / "main.c"], [], tmp_path / "other.ld", tmp_path / "main.elf")
    for use in (lambda: sizes(read_firmware(elf)), lambda: Board(elf)):
        with pytest.raises(GraphError, match="no symbol 'ccx_flash_start'"):
            use()


def test_without_capstone_one_sentence_says_what_to_install(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "capstone", None)
    with pytest.raises(TargetUnavailable, match=r"pip install 'cortexcore\[firmware\]'"), counting(board):
        pass
