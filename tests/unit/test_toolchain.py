"""The compiler's two products on small sources of the tests' own."""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from cortexcore.errors import GraphError, TargetUnavailable
from cortexcore.firmware_sim.toolchain import build_elf, build_shared, compiler_version, missing_compiler, zig

pytest.importorskip("ziglang", reason="needs the extra 'firmware'")

SUM = """
#include <stdint.h>
#include "bias.h"
int32_t ccx_sum(const int32_t *values, int32_t count);
const char *ccx_file(void);
int32_t ccx_sum(const int32_t *values, int32_t count) {
    int32_t total = BIAS;
    for (int32_t i = 0; i < count; ++i) total += values[i];
    return total;
}
const char *ccx_file(void) { return __FILE__; }
"""
FIRMWARE = """
#include <stdint.h>
extern uint32_t stack_top;
void Reset_Handler(void);
__attribute__((section(".vectors"), used))
static const void *const vectors[] = {&stack_top, (const void *)Reset_Handler};
volatile float ccx_value = 2.0F;
void Reset_Handler(void) { for (;;) ccx_value *= 1.5F; }
"""
SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0, LENGTH = 4K  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 1K }
SECTIONS {
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) } > FLASH
  .data : { *(.data*) } > RAM AT> FLASH
  .bss : { *(.bss*) } > RAM
  stack_top = 0x20000400;
}
"""


def source(folder: Path, text: str, name: str = "part.c") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "include").mkdir(exist_ok=True)
    (folder / "include" / "bias.h").write_text("#ifndef BIAS\n#define BIAS 0\n#endif\n")
    (folder / "board.ld").write_text(SCRIPT)
    (folder / name).write_text(text)
    return folder / name


def shared(folder: Path, text: str = SUM, **more: object) -> Path:
    sources = [source(folder, text)]
    return build_shared(sources, [folder / "include"], folder / "part.so", **more)  # type: ignore[arg-type]


def elf(folder: Path, text: str = FIRMWARE, **more: object) -> Path:
    sources = [source(folder, text)]
    return build_elf(sources, [], folder / "board.ld", folder / "part.elf", **more)  # type: ignore[arg-type]


def test_a_shared_library_runs_and_takes_defines(tmp_path: Path) -> None:
    library = ctypes.CDLL(str(shared(tmp_path, defines={"BIAS": "100"})))
    assert library.ccx_sum((ctypes.c_int32 * 3)(1, 2, 3), 3) == 106


def test_the_same_source_in_two_folders_gives_the_same_bytes(tmp_path: Path) -> None:
    for build in (shared, elf):
        one, other = build(tmp_path / "one"), build(tmp_path / "another" / "place")
        assert one.read_bytes() == other.read_bytes()
        assert str(tmp_path).encode() not in one.read_bytes()
    assert elf(tmp_path / "one", FIRMWARE.replace("1.5F", "1.25F")).read_bytes() != elf(tmp_path / "two").read_bytes()


def test_an_elf_is_thumb_with_hardware_floats(tmp_path: Path) -> None:
    elffile, capstone = pytest.importorskip("elftools.elf.elffile"), pytest.importorskip("capstone")
    with elf(tmp_path).open("rb") as stream:
        file = elffile.ELFFile(stream)
        assert file["e_machine"] == "EM_ARM" and file["e_entry"] & 1
        text, symbols = file.get_section_by_name(".text"), file.get_section_by_name(".symtab")
        thumb = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        assert "vmul.f32" in [instruction.mnemonic for instruction in thumb.disasm(text.data()[8:], 8)]
        names = {symbol.name for symbol in symbols.iter_symbols()}
        assert {"Reset_Handler", "ccx_value"} <= names
        assert not any(name.startswith("__aeabi_f") for name in names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int broken(void) { return 1 }", "expected ';'"),
        ("int loss(long long x);\nint loss(long long x) { return x; }", "implicit conversion"),
        ("int shadow(int x);\nint shadow(int x) { { int x = 2; (void)x; } return x; }", "shadows"),
    ],
)
def test_every_warning_is_an_error_and_is_quoted(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"part\.so does not compile") as caught:
        shared(tmp_path, text)
    assert words in str(caught.value) and "part.c:" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_does_not_link_or_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="undefined symbol: missing"):
        elf(tmp_path, FIRMWARE.replace("for (;;)", "void missing(void); for (;;) missing(),"))
    with pytest.raises(GraphError, match=r"'RAM'.*overflowed by"):
        elf(
            tmp_path,
            FIRMWARE.replace("ccx_value = 2.0F", "ccx_value, large[4096]").replace("ccx_value *=", "large[9] *="),
        )


def test_mistakes_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="allowed: cortex_m4"):
        elf(tmp_path, cpu="cortex_m9")
    with pytest.raises(GraphError, match=r"no C source to build part\.so of"):
        build_shared([], [], tmp_path / "part.so")


UNDEFINED = """
#include <stdint.h>
int32_t next(int32_t x);
int32_t beyond(int32_t i);
int32_t next(int32_t x) { return x + 1; }
int32_t beyond(int32_t i) { int32_t table[4] = {1, 2, 3, 4}; return table[i]; }
"""


@pytest.mark.parametrize(
    ("call", "words"),
    [("next(2147483647)", "signed integer overflow"), ("beyond(5)", "out of bounds"), ("next(1)", "")],
)
def test_the_sanitizer_stops_at_undefined_behaviour(call: str, words: str, tmp_path: Path) -> None:
    library = shared(tmp_path, UNDEFINED, sanitize=True)
    program = f"import ctypes; print(ctypes.CDLL({str(library)!r}).{call})"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) == (words == "")
    assert words in ran.stderr and (not words or "part.c" in ran.stderr)


def test_without_the_wheel_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_compiler() is None and compiler_version().startswith("ziglang 0.17")
    monkeypatch.setattr(zig.importlib.util, "find_spec", lambda name: None)
    assert isinstance(missing_compiler(), TargetUnavailable)
    with pytest.raises(TargetUnavailable, match=r"pip install 'cortexcore\[firmware\]'"):
        shared(tmp_path)
    assert importlib.util.find_spec("ziglang") is None
