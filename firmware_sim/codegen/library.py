"""The C of a model as a folder that firmware projects take as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cortexcore.errors import GraphError
from cortexcore.firmware_sim.codegen.generate import FRONT_END, KERNELS
from cortexcore.firmware_sim.codegen.project import ENTRIES, EXAMPLES, PROJECT, readme

NETWORK_HEADERS = ("ccx_base.h", "ccx_conv.h", "ccx_dense.h", "ccx_events.h", "ccx_neuron.h", "ccx_rows.h")
MODEL = ("ccx.c", "ccx.h")
"""From ADC counts to a decision; only with a front end."""
FRONT_END_CONFIG = "ccx_frontend_config.h"


def library(files: Mapping[str, str], measured: Sequence[str] = ()) -> dict[str, str]:
    """Path in the folder → text.

    ``src/`` holds all C, the generated and what it needs. Around it stand a Makefile, ``CMakeLists.txt``, ``zephyr/``,
    ``library.json`` (PlatformIO) and ``library.properties`` (Arduino), a README and ``example/main.c``.

    Args:
        files: of :func:`cortexcore.firmware_sim.codegen.generate.generate`.
        measured: what was measured of it, a sentence each, for the README.
    """
    whole = FRONT_END_CONFIG in files
    sources = [KERNELS / name for name in (*NETWORK_HEADERS, *(MODEL if whole else ()))]
    sources += sorted(FRONT_END.glob("*.[ch]")) if whole else []
    code = {**files, **{path.name: path.read_text(encoding="utf-8") for path in sources}}
    compiled = sorted(name for name in code if name.endswith(".c"))
    texts = {f"src/{name}": text for name, text in sorted(code.items())}
    for name, template in PROJECT.items():
        texts[name] = template.replace("@SOURCES@", _listed(name, compiled)).replace("@ENTRY@", ENTRIES[whole])
    texts["example/main.c"] = EXAMPLES["model" if whole else "network"]
    texts["README.md"] = readme(files["model.h"], whole, measured)
    return texts


def export_folder(files: Mapping[str, str], folder: Path, measured: Sequence[str] = ()) -> list[Path]:
    """Write :func:`library` of these arguments into ``folder``, which is made if need be; what else lies there stays.

    Returns:
        the files written.

    Raises:
        GraphError: the folder cannot be written.
    """
    written = []
    try:
        for name, text in library(files, measured).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    except OSError as error:
        raise GraphError(f"the C library cannot be written to '{folder}': {error.strerror or error}") from error
    return written


def _listed(name: str, compiled: list[str]) -> str:
    """The C files as a build file lists them."""
    prefix = "../src/" if name.startswith("zephyr/") else "src/"
    separator = " \\\n    " if name == "Makefile" else "\n    "
    return separator.join(prefix + file for file in compiled)
