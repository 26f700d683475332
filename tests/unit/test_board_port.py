"""The emulated board behind a pseudo-terminal, with a firmware of the test's own that sends raw samples."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import serial

from cortexcore.errors import FirmwareFault, StreamError
from cortexcore.firmware_sim.board import ADC_ADDRESS, Adc, Board, Electrodes, serve_board
from cortexcore.firmware_sim.toolchain import build_elf

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason="needs the extra 'firmware'")

BOARD = Path(__file__).resolve().parents[2] / "firmware_sim" / "csrc" / "board"
COUNTS = np.random.default_rng(5).integers(-32768, 32768, 30_000).astype(np.int16)
SOURCE = """
#include "ccx_board.h"
int main(void);
static void put(uint32_t value, uint32_t bytes) {
    for (; bytes != 0u; --bytes, value >>= 8) ccx_uart_put((uint8_t)value);
}
static void text(const char *from) { do { ccx_uart_put((uint8_t)*from); } while (*from++ != '\\0'); }
int main(void) {
    ccx_uart_init();
    ccx_timer_init();
    for (;;) {
        int16_t counts = 0;
        const ccx_adc_status status = ccx_adc_get(&counts);
        if (status == CCX_ADC_SAMPLE) put((uint16_t)counts, 2);
        if (status == CCX_ADC_END) { ccx_adc_stop(); text("end"); }
        switch (ccx_uart_get()) {
        case 'i': {
            const ccx_signal signal = ccx_adc_signal();
            put(signal.rate_hz, 2);
            put(signal.adc_bits, 1);
            put(signal.gain_milli_counts_per_mv, 4);
            text(signal.lead);
            text(signal.name);
            break;
        }
        case 's': ccx_adc_start(); break;
        case 'x': ccx_adc_stop(); text("stopped"); break;
        case 't': put(ccx_timer(), 4); put(0, 1); break;
        case 'f': *(volatile uint32_t *)0x30000000u = 1; break;
        default: break;
        }
    }
}
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "main.c").write_text(SOURCE)
    sources = [BOARD / name for name in ("startup.c", "memory.c", "uart.c", "adc.c", "timer.c")]
    return build_elf([*sources, folder / "main.c"], [BOARD], BOARD / "board.ld", folder / "main.elf")


def electrodes(speed: float = 0.0, counts: np.ndarray = COUNTS) -> Electrodes:
    return Electrodes(counts, 250, 200.5, "MLII", "Aufnahme ü", speed=speed, adc_bits=12)


def test_the_firmware_learns_what_it_is_connected_to(elf: Path) -> None:
    with serve_board(elf, electrodes()) as path, serial.Serial(path, timeout=30) as port:
        port.write(b"i")
        assert port.read(7) == (250).to_bytes(2, "little") + bytes([12]) + (200_500).to_bytes(4, "little")
        assert port.read_until(b"\0") == b"MLII\0" and port.read_until(b"\0").decode() == "Aufnahme ü\0"


def test_every_sample_arrives_however_slowly_it_is_read(elf: Path) -> None:
    with serve_board(elf, electrodes()) as path, serial.Serial(path, timeout=30) as port:
        port.write(b"s")
        time.sleep(0.2)  # the line is full by now: the firmware stands still
        assert np.array_equal(np.frombuffer(port.read(2 * COUNTS.size), "<i2"), COUNTS)
        assert port.read(4) == b"end\0"


def test_a_host_that_leaves_and_returns(elf: Path) -> None:
    with serve_board(elf, electrodes()) as path:
        with serial.Serial(path, timeout=30) as port:
            port.write(b"s")
            assert np.array_equal(np.frombuffer(port.read(200), "<i2"), COUNTS[:100])
        with serial.Serial(path, timeout=30) as port:
            port.write(b"x")
            assert port.read_until(b"stopped\0").endswith(b"stopped\0")
            port.write(b"s")
            assert np.array_equal(np.frombuffer(port.read(2 * COUNTS.size), "<i2"), COUNTS)


def test_samples_come_at_their_rate(elf: Path) -> None:
    # The clock is the test's own: the converter must hold what is due, no more, and ask to wait for the rest.
    now_s, waits = [100.0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now_s[0] += seconds
        if len(waits) == 200:
            board.stop()

    adc = Adc(electrodes(speed=2.0), wait, lambda: now_s[0])
    board = Board(elf, {ADC_ADDRESS: adc})
    board.boot()
    board.uart.arriving.extend(b"s")
    board.resume()
    sent = np.frombuffer(board.uart.take(), "<i2")
    # One wait before the start, one of 2 ms (250 Hz, twice as fast) for each sample, and the one in which it ended.
    assert np.array_equal(sent, COUNTS[:198])
    assert waits[0] == 0.02 and np.allclose(waits[1:], 0.002, rtol=0, atol=1e-9)  # rounding of a clock near 100 s


def test_the_timer_counts_up_at_25_mhz(elf: Path) -> None:
    with serve_board(elf, electrodes()) as path, serial.Serial(path, timeout=30) as port:
        readings = []
        for _ in range(2):
            before = time.monotonic()
            port.write(b"t")
            readings.append((before, int.from_bytes(port.read(5)[:4], "little"), time.monotonic()))
            time.sleep(0.05)
    (a, first, b), (c, second, d) = readings
    elapsed_s = ((second - first) % (1 << 32)) / 25e6
    assert c - b <= elapsed_s <= d - a


def test_a_fault_while_serving_comes_out_of_the_block(elf: Path) -> None:
    with (
        pytest.raises(FirmwareFault, match=r"stopped in main\S*: it tried to write to 4 bytes at 0x30000000"),
        serve_board(elf, electrodes()) as path,
        serial.Serial(path, timeout=30) as port,
    ):
        port.write(b"f")
        port.read(1)  # the port hangs up: OSError, which the fault explains


def test_what_electrodes_cannot_give() -> None:
    with pytest.raises(StreamError, match=r"int16 \[N\]"):
        electrodes(counts=np.zeros(3))
    with pytest.raises(StreamError, match="at least one sample"):
        electrodes(counts=np.zeros(0, np.int16))
    with pytest.raises(StreamError, match="the speed -1 must be 0"):
        electrodes(speed=-1)
    with pytest.raises(StreamError, match="lead cannot be"):
        Electrodes(COUNTS, 250, 200, "x" * 16, "name")


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from cortexcore.firmware_sim.board import Electrodes, run_board
run_board(Path(sys.argv[1]), Electrodes(np.arange(500, dtype=np.int16), 250, 200, "I", "n", speed=0),
          lambda path: print(path, flush=True))
print("stopped", flush=True)
"""


def test_two_processes_and_each_signal_ends_it_cleanly_even_when_the_line_is_full(elf: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        device = subprocess.Popen([sys.executable, "-c", PROGRAM, str(elf)], stdout=subprocess.PIPE, text=True)
        try:
            assert device.stdout is not None
            path = device.stdout.readline().strip()
            assert path.startswith("/dev/") and os.path.exists(path)  # noqa: PTH110 - a device, not a file
            with serial.Serial(path, timeout=30) as port:
                port.write(b"s")
                assert np.array_equal(np.frombuffer(port.read(1000), "<i2"), np.arange(500))
                if number == signal.SIGINT:
                    port.write(b"s" * 40)  # 40 times over: more than the line holds, and nobody reads
                    time.sleep(0.2)
            device.send_signal(number)
            rest, _ = device.communicate(timeout=30)
            assert (device.returncode, rest) == (0, "stopped\n")
        finally:
            device.kill()
            device.wait()
