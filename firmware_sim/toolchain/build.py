"""The two things we build. The same sources give the same bytes, in whichever folder they lie.

A library with sanitizers is the exception: its messages name the files where they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.toolchain.zig import run_compiler

_NOTHING: Mapping[str, str] = MappingProxyType({})
_STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow")
_CORES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cortex_m4": ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp")}
)
"""Core → flags. ``cortex_m4`` alone would mean software floating point; the M4 of every board we name has the unit."""

_NO_DEBUG = "\nSECTIONS { /DISCARD/ : { *(.debug_*) *(.comment) *(.ARM.exidx*) *(.ARM.extab*) } }\n"
"""Leaves out what the compiler's run-time library brings: it names folders. Its own option drops symbols too."""


def build_shared(
    sources: Sequence[Path],
    include: Sequence[Path],
    out: Path,
    *,
    sanitize: bool = False,
    defines: Mapping[str, str] = _NOTHING,
) -> Path:
    """Compile C99 into a shared library for this machine's own processor, with -O2 and every warning an error.

    Args:
        sources: the .c files.
        include: folders of headers.
        out: the library to write; its folder exists.
        sanitize: stop with a message and SIGABRT at undefined behaviour: overflow, shifts, alignment, null, and an
            index outside an array whose length the compiler knows. The wheel has no run-time library for clang's
            address sanitizer, so a stray pointer into other memory is not seen.
        defines: macro → value; an empty value for a macro that is only defined.

    Returns:
        ``out``.

    Raises:
        TargetUnavailable: the compiler is not installed.
        GraphError: the sources do not compile.
    """
    # UBSan's own list leaves out what is no undefined behaviour; -g gives its messages the line.
    checks = ("-O1", "-g", "-fsanitize=undefined", "-fno-sanitize-trap=all")
    plain = ("-O2", "-fomit-frame-pointer", "-fno-sanitize=all", "-Wl,--strip-debug")
    return _build(("-shared", "-fPIC", *(checks if sanitize else plain)), sources, include, out, defines)


def build_elf(
    sources: Sequence[Path],
    include: Sequence[Path],
    linker_script: Path,
    out: Path,
    *,
    cpu: str = "cortex_m4",
    defines: Mapping[str, str] = _NOTHING,
) -> Path:
    """Compile C99 into a firmware with -O2: Thumb code, hardware floating point, no C library, unused code left out.

    Args:
        sources: the .c files; one of them defines ``Reset_Handler``.
        include: folders of headers.
        linker_script: where flash and RAM are.
        out: the ELF to write; its folder exists. It keeps its symbols, which cost no flash.
        cpu: the core; ``"cortex_m4"``.
        defines: macro → value; an empty value for a macro that is only defined.

    Returns:
        ``out``.

    Raises:
        TargetUnavailable: the compiler is not installed.
        GraphError: an unknown core; the sources do not compile, or do not fit into the linker script's memory.
    """
    if cpu not in _CORES:
        raise GraphError(f"no firmware is built for the core '{cpu}'; allowed: {', '.join(sorted(_CORES))}")
    code = ("-O2", "-fomit-frame-pointer", "-ffreestanding", "-fno-sanitize=all")
    parts = ("-ffunction-sections", "-fdata-sections", "-fno-unwind-tables", "-Wl,--gc-sections")
    with TemporaryDirectory() as folder:
        script = Path(folder) / "board.ld"
        script.write_text(linker_script.read_text() + _NO_DEBUG)
        link = ("-Wl,-e,Reset_Handler", "-Wl,-z,max-page-size=4", "-T", str(script))
        return _build((*_CORES[cpu], *code, *parts, *link), sources, include, out, defines)


def _build(
    flags: Sequence[str], sources: Sequence[Path], include: Sequence[Path], out: Path, defines: Mapping[str, str]
) -> Path:
    """``out`` from ``sources``, without what would tell one build from another: a build id, a folder's name."""
    if not sources:
        raise GraphError(f"there is no C source to build {out.name} of")
    folders = sorted({str(path.resolve().parent) for path in [*sources, *(folder / "x" for folder in include)]})
    same = ["-Wl,--build-id=none", *(f"-ffile-prefix-map={folder}=." for folder in folders)]
    macros = [f"-D{name}={value}" if value else f"-D{name}" for name, value in sorted(defines.items())]
    headers = [f"-I{folder.resolve()}" for folder in include]
    files = [str(path.resolve()) for path in sources]
    run_compiler([*_STRICT, *flags, *same, *macros, *headers, *files, "-o", str(out)], out.name)
    return out
