"""The emulated board with a firmware of the test's own: calls, memory, the serial port, and what stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cortexcore.errors import FirmwareFault, GraphError, TargetUnavailable
from cortexcore.firmware_sim.board import Board, read_firmware
from cortexcore.firmware_sim.toolchain import build_elf

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

BOARD = Path(__file__).resolve().parents[2] / "firmware_sim" / "csrc" / "board"
SOURCE = """
#include <stddef.h>
#include "ccx_board.h"
#define CALLED __attribute__((used, retain, noinline))
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
int32_t ccx_weighted(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f);
int32_t ccx_deep(int32_t depth);
uint32_t ccx_peek(uint32_t address);
void ccx_poke(uint32_t address);
void ccx_stray(void);
void ccx_trap(void);
void ccx_spin(void);
float ccx_scale(float x);
int64_t ccx_copies(void);
int main(void);

__attribute__((used, retain)) int16_t ccx_table[8] = {1, -2, 3, -4, 5, -6, 7, -8};
__attribute__((used, retain)) uint32_t ccx_zeros[4];
__attribute__((used, retain)) uint8_t ccx_bytes[64];
__attribute__((used, retain)) const void *const ccx_library[] = {
    (const void *)memcpy, (const void *)memmove, (const void *)memset, (const void *)memcmp,
};
volatile float ccx_float = 1.5F;
volatile int32_t ccx_sink;

CALLED int32_t ccx_weighted(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f) {
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}
CALLED int32_t ccx_deep(int32_t depth) {
    volatile int32_t frame[16] = {depth};
    ccx_sink = frame[0];
    const int32_t below = depth == 0 ? 0 : ccx_deep(depth - 1);
    return below + frame[0];
}
CALLED uint32_t ccx_peek(uint32_t address) { return *(volatile uint32_t *)address; }
CALLED void ccx_poke(uint32_t address) { *(volatile uint32_t *)address = 1; }
CALLED void ccx_trap(void) { __asm volatile("udf #0"); }
CALLED void ccx_spin(void) { for (;;) ccx_sink++; }
CALLED void ccx_stray(void) { ((void (*)(void))0x30000001u)(); }
CALLED float ccx_scale(float x) { return x * ccx_float; }
CALLED int64_t ccx_copies(void) {
    static uint8_t from[37], to[37];
    memset(from, 7, sizeof from);
    memcpy(to, from, sizeof to);
    int64_t sum = 0;
    for (uint32_t i = 0; i < sizeof to; ++i) sum += to[i];
    return sum;
}
int main(void) {
    ccx_uart_init();
    for (;;) {
        const int32_t byte = ccx_uart_get();
        if (byte >= 0) ccx_uart_put((uint8_t)(byte + 1));
        ccx_sink = (int32_t)ccx_scale(2.0F);
    }
}
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "main.c").write_text(SOURCE)
    sources = [BOARD / name for name in ("startup.c", "memory.c", "uart.c")]
    return build_elf([*sources, folder / "main.c"], [BOARD], BOARD / "board.ld", folder / "main.elf")


@pytest.fixture
def board(elf: Path) -> Board:
    board = Board(elf)
    board.boot()
    return board


def test_six_arguments_in_registers_and_on_the_stack(board: Board) -> None:
    result = board.call("ccx_weighted", 1, -2, 3, -4, 5, -6)
    assert np.uint32(result).astype(np.int32) == 1 - 4 + 9 - 16 + 25 - 36
    assert board.call("ccx_weighted", 1, 1, 1, 1, 1, 1) == 21


def test_globals_are_initialised_read_and_written_by_name(board: Board) -> None:
    assert np.array_equal(board.read("ccx_table", np.int16, (2, 4)), [[1, -2, 3, -4], [5, -6, 7, -8]])
    assert np.array_equal(board.read("ccx_zeros", np.uint32, (4,)), [0, 0, 0, 0])
    board.write("ccx_table", np.array([-100, 200], np.int16), offset=4)
    assert np.array_equal(board.read("ccx_table", np.int16, (8,)), [1, -2, -100, 200, 5, -6, 7, -8])
    assert board.call("ccx_peek", board.address("ccx_table") + 4) == (200 << 16) + 65436
    assert board.read("ccx_float", np.float32) == np.float32(1.5)


def test_what_compilers_call_unasked_copies_fills_and_compares(board: Board) -> None:
    random = np.random.default_rng(3)
    base = board.address("ccx_bytes")
    for _ in range(150):
        before = random.integers(0, 256, 64).astype(np.uint8).tobytes()
        size = int(random.integers(0, 33))
        to, source = (int(at) for at in random.integers(0, 64 - size + 1, 2))
        board.write("ccx_bytes", before)
        assert board.call("memmove", base + to, base + source, size) == base + to
        after = bytearray(before)
        after[to : to + size] = before[source : source + size]
        assert board.read("ccx_bytes", np.uint8, (64,)).tobytes() == after
        half = size // 2  # from the lower half to the upper: the two never overlap
        board.write("ccx_bytes", before)
        board.call("memcpy", base + 32 + to % 17, base + source % 17, half)
        after = bytearray(before)
        after[32 + to % 17 : 32 + to % 17 + half] = before[source % 17 : source % 17 + half]
        assert board.read("ccx_bytes", np.uint8, (64,)).tobytes() == after
        board.call("memset", base + to, 0x1A5, size)
        after[to : to + size] = b"\xa5" * size
        assert board.read("ccx_bytes", np.uint8, (64,)).tobytes() == after
        told = np.uint32(board.call("memcmp", base + to, base + source, size)).astype(np.int32)
        one, other = bytes(after[to : to + size]), bytes(after[source : source + size])
        assert np.sign(told) == (one > other) - (one < other)
    assert board.call("ccx_copies") == 7 * 37


def test_boot_resets_data_and_zeros(board: Board) -> None:
    board.write("ccx_table", np.zeros(8, np.int16))
    board.write("ccx_zeros", np.full(4, 9, np.uint32))
    board.boot()
    assert board.read("ccx_table", np.int16) == 1
    assert np.array_equal(board.read("ccx_zeros", np.uint32, (4,)), [0, 0, 0, 0])


def test_the_stack_is_measured_and_its_end_is_guarded(board: Board) -> None:
    board.call("ccx_deep", 0)
    one = board.stack_used()
    board.call("ccx_deep", 10)
    eleven = board.stack_used()
    assert one >= 64 and (eleven - one) % 10 == 0 and (eleven - one) // 10 >= 64
    frame = (eleven - one) // 10
    deepest = (4096 - one) // frame
    assert board.call("ccx_deep", deepest) == deepest * (deepest + 1) // 2
    with pytest.raises(FirmwareFault, match=r"stopped in ccx_deep.*: its stack of 4096 bytes is full"):
        board.call("ccx_deep", 2 * deepest)
    board.boot()
    assert board.call("ccx_weighted", 0, 0, 0, 0, 0, 1) == 6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("ccx_peek", 0x30000000), r"stopped in ccx_peek: it tried to read 4 bytes at 0x30000000"),
        (("ccx_poke", 0x20010000), r"stopped in ccx_poke\S*: it tried to write to 4 bytes at 0x20010000"),
        (("ccx_poke", 0x100), r"stopped in ccx_poke\S*: it tried to write to 4 bytes at 0x00000100"),
        (("ccx_stray",), r"tried to execute \d+ bytes at 0x30000000"),
        (("ccx_trap",), r"stopped in ccx_trap"),
    ],
)
def test_a_fault_names_the_function_and_the_address(call: tuple[str, int], words: str, board: Board) -> None:
    with pytest.raises(FirmwareFault, match=words) as fault:
        board.call(*call)
    assert len(str(fault.value).splitlines()) == 1
    assert board.call("ccx_weighted", 7, 0, 0, 0, 0, 0) == 7


def test_a_loop_without_end_is_left(board: Board) -> None:
    with pytest.raises(FirmwareFault, match=r"ccx_spin did not return in 0\.2 s; the firmware was in ccx_spin"):
        board.call("ccx_spin", timeout_s=0.2)
    with pytest.raises(FirmwareFault, match=r"Reset_Handler did not come to ccx_trap in 0\.2 s"):
        board.boot(until="ccx_trap", timeout_s=0.2)


def test_the_uart_answers(board: Board) -> None:
    board.uart.arriving.extend(b"HAL")
    board.boot(until="ccx_scale")
    sent = board.uart.take()
    assert sent == b"I" and board.uart.take() == b""
    assert bytes(board.uart.arriving) == b"AL"


def test_mistakes_of_the_caller(board: Board, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no symbol 'ccx_nothing'"):
        board.call("ccx_nothing")
    with pytest.raises(GraphError, match="'ccx_table' is no function"):
        board.call("ccx_table")
    with pytest.raises(GraphError, match="20 bytes from byte 0 do not lie within 'ccx_table', which has 16"):
        board.read("ccx_table", np.int16, (10,))
    with pytest.raises(GraphError, match="1 bytes from byte 16"):
        board.write("ccx_table", b"x", offset=16)
    for content, words in ((b"", "no ELF"), (b"\x7fELF" + bytes(60), "no ELF"), (b"MZ" * 40, "no ELF")):
        (tmp_path / "x.elf").write_bytes(content)
        with pytest.raises(GraphError, match=words):
            Board(tmp_path / "x.elf")


def test_a_library_of_the_host_is_no_firmware() -> None:
    import unicorn

    library = next(Path(unicorn.__file__).parent.rglob("libunicorn*.so*"), None)
    if library is None:
        pytest.skip("this system's libraries are no ELF")
    with pytest.raises(GraphError, match="no firmware for a Cortex-M: its machine is"):
        read_firmware(library)


def test_places_have_names(elf: Path) -> None:
    firmware = read_firmware(elf)
    start = firmware.symbol("ccx_deep").address
    assert firmware.place(start) == "ccx_deep" and firmware.place(start + 6) == "ccx_deep+0x6"
    assert firmware.place(0xFFFF0000) == "0xffff0000"
    assert firmware.function_at(start + 2) == "ccx_deep" and firmware.function_at(0xFFFF0000) is None


@pytest.mark.parametrize("package", ["unicorn", "elftools.elf.elffile"])
def test_without_a_package_one_sentence_says_what_to_install(
    package: str, elf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(TargetUnavailable, match=r"pip install 'cortexcore\[firmware\]'"):
        Board(elf)
