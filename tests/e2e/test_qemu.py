"""An independent emulator of the same core, QEMU's, runs the same ELF: the same output, and as many instructions.

QEMU is not a package of Python: where it is not installed (Debian: qemu-system-arm), these tests say so and skip.
With ``-icount shift=7`` every instruction takes 128 ns of the emulated clock, which SysTick counts in steps of 40 ns.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cortexcore.firmware_sim.board import Board, Uart, counting
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.toolchain import build_elf
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")
QEMU = shutil.which("qemu-system-arm")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-system-arm is not on PATH: the second emulator did not run")

CSRC = Path(__file__).resolve().parents[2] / "firmware_sim" / "csrc"
BOARD = CSRC / "board"
TICKS_PER_INSTRUCTION = 128 / 40
REGIONS = 40
END = 0x04
SOURCE = """
#include "ccx_board.h"
#include "ccx_frontend.h"
#define SYST(offset) (*(volatile uint32_t *)(0xE000E010u + (offset)))
int main(void);
void ccx_empty(void);
void ccx_region(void);
static ccx_frontend frontend;
static uint32_t at, sum;

__attribute__((noinline)) void ccx_empty(void) { __asm volatile(""); }
__attribute__((noinline)) void ccx_region(void) {
    for (uint32_t i = 0; i < 50; ++i, ++at) {
        const int16_t counts = (int16_t)(at % 180 < 6 ? 900 + 37 * (int32_t)(at % 7) : (int32_t)(at * 29 % 61));
        int32_t filtered = 0;
        ccx_beat beat;
        (void)ccx_frontend_push(&frontend, &counts, 1, &filtered);
        sum = sum * 31u + (uint32_t)filtered;
        while (ccx_frontend_poll(&frontend, &beat)) sum += (uint32_t)beat.sample;
    }
}
static void hex(uint32_t value) {
    for (uint32_t i = 0; i < 8; ++i) ccx_uart_put((uint8_t)"0123456789ABCDEF"[value >> (28 - 4 * i) & 15u]);
    ccx_uart_put('\\n');
}
static uint32_t ticks(void (*region)(void)) {
    const uint32_t before = SYST(8);
    region();
    return (before - SYST(8)) & 0xFFFFFFu;
}
int main(void) {
    ccx_uart_init();
    SYST(4) = 0xFFFFFFu;
    SYST(8) = 0;
    SYST(0) = 5u;
    (void)ccx_frontend_init(&frontend, 200000u);
    for (uint32_t k = 0; k < REGIONS; ++k) { hex(ticks(ccx_empty)); hex(ticks(ccx_region)); hex(sum); }
    ccx_uart_put(END);
    for (;;) {}
}
"""


class UartUntil(Uart):
    """Calls ``done`` with the byte that ends the output."""

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.sent and self.sent[-1] == END:
            board_of[self].stop()


board_of: dict[Uart, Board] = {}


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "main.c").write_text(SOURCE)
    (folder / "ccx_frontend_config.h").write_text(frontend_header(load_bundle(SHIPPED / "bundle").front_end))
    sources = [BOARD / "startup.c", BOARD / "memory.c", BOARD / "uart.c", *sorted((CSRC / "frontend").glob("*.c"))]
    include = [BOARD, CSRC / "frontend", folder]
    defines = {"REGIONS": f"{REGIONS}u", "END": f"{END}u"}
    return build_elf([*sources, folder / "main.c"], include, BOARD / "board.ld", folder / "main.elf", defines=defines)


def in_qemu(elf: Path) -> bytes:
    """What the firmware sends up to END."""
    machine = ["-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio", "-icount", "shift=7"]
    with subprocess.Popen(
        [str(QEMU), *machine, "-kernel", str(elf)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        output = bytearray()
        while not output.endswith(bytes([END])):
            byte = process.stdout.read(1)
            assert byte, f"QEMU ended early, after {bytes(output)!r}"
            output += byte
        process.kill()
    return bytes(output)


def rows(output: bytes) -> np.ndarray:
    """[REGIONS, 3]: ticks of the empty function, ticks of the region, checksum of what it computed."""
    return np.array([int(line, 16) for line in output[:-1].split()]).reshape(REGIONS, 3)


@needs_qemu
def test_the_front_end_takes_as_many_instructions_and_gives_the_same(elf: Path) -> None:
    uart = UartUntil()
    board = board_of[uart] = Board(elf, uart=uart)
    with counting(board, ["ccx_empty", "ccx_region"]) as counts:
        board.boot()
        board.resume()
    ours, theirs = rows(uart.take()), rows(in_qemu(elf))
    assert np.array_equal(ours[:, 2], theirs[:, 2])
    region, empty = counts.regions["ccx_region"], counts.regions["ccx_empty"]
    assert region.calls == empty.calls == REGIONS and empty.total.instructions == REGIONS
    measured = (theirs[:, 1] - theirs[:, 0]) / TICKS_PER_INSTRUCTION
    # A reading of SysTick is rounded to a whole tick, a third of an instruction, at either end of either region.
    rounding = 4 / TICKS_PER_INSTRUCTION
    assert abs(measured.sum() - (region.total.instructions - REGIONS)) <= rounding * REGIONS
    assert abs(measured.min() - (region.smallest.instructions - 1)) <= rounding
    assert abs(measured.max() - (region.largest.instructions - 1)) <= rounding
