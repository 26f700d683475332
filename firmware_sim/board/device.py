"""The device's firmware: a model, its front end, the protocol and the board's drivers in one ELF."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from cortexcore.errors import GraphError
from cortexcore.export.network import IntegerNetwork
from cortexcore.firmware_sim.board.adc import Electrodes
from cortexcore.firmware_sim.codegen.generate import SOURCES, generate
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.toolchain import build_elf
from cortexcore.runtime.frontend import FrontEndConfig

_BOARD = SOURCES / "board"
_LIBRARY = ("frontend", "protocol", "network")
_NOT_LIBRARY = frozenset({"ccx_harness.c", "ccx_run.c"})
_PLAIN = 128


def build_device(
    network: IntegerNetwork,
    front_end: FrontEndConfig,
    options: CodegenOptions,
    *,
    recording: Electrodes | None = None,
    filtered: bool = False,
) -> bytes:
    """The ELF of a device that decides on beats.

    Args:
        network: what decides.
        front_end: what turns ADC counts into its inputs.
        options: how its C is generated.
        recording: a signal to keep in flash and play as fast as it is asked for; None reads the emulated board's
            converter.
        filtered: also send the filtered signal, so that a host can check it.

    Returns:
        Its bytes: the same for the same arguments, wherever and whenever it is built.

    Raises:
        TargetUnavailable: there is no compiler.
        GraphError: the network does not decide on the front end's beats; it all does not fit into the board's memory.
        DataError: the front end's constants do not fit into C.
    """
    files = generate(network, front_end, options)
    drivers = ["device.c", "main.c", "startup.c", "memory.c", "uart.c", "timer.c", "cycles.c"]
    drivers.append("adc.c" if recording is None else "recording.c")
    sources = [_BOARD / name for name in drivers]
    sources += [
        path for part in _LIBRARY for path in sorted((SOURCES / part).glob("*.c")) if path.name not in _NOT_LIBRARY
    ]
    with TemporaryDirectory(prefix="cortexcore-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if recording is not None:
            files = {**files, "recorded.c": recorded(recording)}
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        sources += sorted(folder.glob("*.c"))
        include = [_BOARD, *(SOURCES / part for part in _LIBRARY), folder]
        defines = {"CCX_SEND_FILTERED": ""} if filtered else {}
        return build_elf(sources, include, _BOARD / "board.ld", folder / "device.elf", defines=defines).read_bytes()


def recorded(electrodes: Electrodes) -> str:
    """C of the recording that ``csrc/board/recording.c`` plays.

    Raises:
        GraphError: its lead or name holds a character that a C text cannot hold as it is.
    """
    for text in (electrodes.lead, electrodes.name):
        if any(letter in '"\\?' or ord(letter) >= _PLAIN for letter in text):
            raise GraphError(f"a recording in flash cannot be named {text!r}; allowed: plain letters and digits")
    gain = round(electrodes.gain_per_mv * 1000)
    signal = f'{electrodes.rate_hz}, {electrodes.adc_bits}, {gain}u, "{electrodes.lead}", "{electrodes.name}"'
    counts = [str(count) for count in electrodes.counts.tolist()]
    lines = ["    " + ", ".join(counts[at : at + 16]) + "," for at in range(0, len(counts), 16)]
    return "\n".join(
        [
            '#include "ccx_recording.h"',
            "",
            f"const ccx_signal ccx_recorded_signal = {{{signal}}};",
            f"const uint32_t ccx_recorded_count = {len(counts)};",
            "const int16_t ccx_recorded[] = {",
            *lines,
            "};",
            "",
        ]
    )
