"""An independent emulator of the same core, QEMU's, runs the same ELF: the same output, and as many instructions.

QEMU is not a package of Python: where it is not installed (Debian: qemu-system-arm), these tests say so and skip.
With ``-icount shift=7`` every instruction takes 128 ns of the emulated clock, which SysTick counts in steps of 40 ns.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cortexcore.firmware_sim.board import Board, Electrodes, Uart, build_device, counting
from cortexcore.firmware_sim.codegen.generate import generate
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.toolchain import build_elf
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle
from cortexcore.runtime.protocol import (
    DELIMITER,
    Beat,
    Decoder,
    End,
    Filtered,
    Info,
    Samples,
    Start,
    encode_frame,
)

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")
QEMU = shutil.which("qemu-system-arm")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="qemu-system-arm is not on PATH: the second emulator did not run")

BUNDLE = load_bundle(SHIPPED / "bundle")
CSRC = Path(__file__).resolve().parents[2] / "firmware_sim" / "csrc"
BOARD = CSRC / "board"
TICKS_PER_INSTRUCTION = 128 / 40
REGIONS = 40
HUNG_S = 240
EOT = 0x04
SOURCE = """
#include "ccx_board.h"
#include "ccx.h"
#define SYST(offset) (*(volatile uint32_t *)(0xE000E010u + (offset)))
int main(void);
void ccx_empty(void);
void ccx_region(void);
static ccx_state model;
static uint32_t at, sum;

__attribute__((noinline)) void ccx_empty(void) { __asm volatile(""); }
__attribute__((noinline)) void ccx_region(void) {
    for (uint32_t i = 0; i < 50; ++i, ++at) {
        const int16_t counts = (int16_t)(at % 180 < 6 ? 900 + 37 * (int32_t)(at % 7) : (int32_t)(at * 29 % 61));
        int32_t filtered = 0;
        ccx_event event;
        (void)ccx_push_samples(&model, &counts, 1, &filtered);
        sum = sum * 31u + (uint32_t)filtered;
        while (ccx_poll_event(&model, &event)) sum = (sum + (uint32_t)event.scores[0]) * 31u + event.spikes[0];
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
    (void)ccx_init(&model, 200000u);
    for (uint32_t k = 0; k < REGIONS; ++k) { hex(ticks(ccx_empty)); hex(ticks(ccx_region)); hex(sum); }
    ccx_uart_put(EOT);
    for (;;) {}
}
"""


class Recording(Uart):
    """Keeps all that is sent, and switches the board off when ``over`` says that it is enough."""

    def __init__(self, elf: Path | bytes, over: Callable[[bytes], bool]) -> None:
        super().__init__()
        self.board = Board(elf, uart=self)
        self._over = over

    def write(self, offset: int, value: int) -> None:
        super().write(offset, value)
        if self.sent and self._over(self.sent):
            self.board.stop()

    def run(self) -> bytes:
        self.board.boot()
        self.board.resume()
        return self.take()


def in_qemu(elf: Path, over: Callable[[bytes], bool], said: bytes = b"") -> bytes:
    """What the firmware sends after it was told ``said``, until ``over`` says that it is enough."""
    machine = ["-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "stdio", "-icount", "shift=7"]
    with subprocess.Popen(
        [str(QEMU), *machine, "-kernel", str(elf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        hung = threading.Timer(HUNG_S, process.kill)
        hung.start()
        process.stdin.write(said)
        process.stdin.flush()
        output = bytearray()
        while not over(output):
            byte = process.stdout.read(1)
            assert byte, f"QEMU ended early, after {bytes(output)!r}"
            output += byte
        hung.cancel()
        process.kill()
    return bytes(output)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "main.c").write_text(SOURCE)
    for name, text in generate(BUNDLE.network, BUNDLE.front_end, CodegenOptions()).items():
        (folder / name).write_text(text)
    sources = [BOARD / "startup.c", BOARD / "memory.c", BOARD / "uart.c", *sorted((CSRC / "frontend").glob("*.c"))]
    sources += [CSRC / "network" / "ccx.c", folder / "model.c"]
    include = [BOARD, CSRC / "frontend", CSRC / "network", folder]
    defines = {"REGIONS": f"{REGIONS}u", "EOT": f"{EOT}u"}
    return build_elf([*sources, folder / "main.c"], include, BOARD / "board.ld", folder / "main.elf", defines=defines)


def ended(output: bytes) -> bool:
    return output.endswith(bytes([EOT]))


def says_end() -> Callable[[bytes], bool]:
    """Whether output that grows byte by byte has come to an End."""
    decoder = Decoder()

    def over(output: bytes) -> bool:
        return any(isinstance(message, End) for message in decoder.push(output[-1:]))

    return over


def rows(output: bytes) -> np.ndarray:
    """[REGIONS, 3]: ticks of the empty function, ticks of the region, checksum of what it computed."""
    return np.array([int(line, 16) for line in output[:-1].split()]).reshape(REGIONS, 3)


@needs_qemu
def test_the_model_takes_as_many_instructions_and_gives_the_same(elf: Path) -> None:
    uart = Recording(elf, ended)
    with counting(uart.board, ["ccx_empty", "ccx_region"]) as counts:
        ours = rows(uart.run())
    theirs = rows(in_qemu(elf, ended))
    assert np.array_equal(ours[:, 2], theirs[:, 2])
    region, empty = counts.regions["ccx_region"], counts.regions["ccx_empty"]
    assert region.calls == empty.calls == REGIONS and empty.total.instructions == REGIONS
    assert region.largest.instructions > 3 * region.smallest.instructions  # the network ran in some of them
    measured = (theirs[:, 1] - theirs[:, 0]) / TICKS_PER_INSTRUCTION
    # A reading of SysTick is rounded to a whole tick, a third of an instruction, at either end of either region.
    rounding = 4 / TICKS_PER_INSTRUCTION
    assert abs(measured.sum() - (region.total.instructions - REGIONS)) <= rounding * REGIONS
    assert abs(measured.min() - (region.smallest.instructions - 1)) <= rounding
    assert abs(measured.max() - (region.largest.instructions - 1)) <= rounding


@needs_qemu
def test_the_whole_device_says_the_same_byte_for_byte(tmp_path: Path) -> None:
    ecg = synthetic_ecg(20, seed=6, ventricular=0.2)
    recording = Electrodes(ecg.counts, ecg.rate_hz, ecg.gain_per_mv, ecg.lead, ecg.name)
    elf = tmp_path / "device.elf"
    elf.write_bytes(
        build_device(BUNDLE.network, BUNDLE.front_end, CodegenOptions(), recording=recording, filtered=True)
    )
    start = DELIMITER + encode_frame(Start(77), 0)
    uart = Recording(elf, says_end())
    uart.arriving.extend(start)
    ours = uart.run()
    messages = Decoder().push(ours)
    assert {type(message) for message in messages} == {Info, Samples, Filtered, Beat, End}
    assert sum(isinstance(message, Beat) for message in messages) > 15
    assert in_qemu(elf, says_end(), start) == ours
