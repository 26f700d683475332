"""C to machine code with the pinned compiler of the ``ziglang`` wheel: a host's shared library, a Cortex-M's ELF."""

from cortexcore.firmware_sim.toolchain.build import build_elf, build_shared
from cortexcore.firmware_sim.toolchain.zig import compiler_version, missing_compiler

__all__ = ["build_elf", "build_shared", "compiler_version", "missing_compiler"]
