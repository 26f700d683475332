"""The C as others take it: names that are no C, the folder's builds, the model from ADC counts to a decision."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cortexcore.errors import GraphError
from cortexcore.export.network import Dense, InputPort, IntegerNetwork, OutputPort, Population, Synapses
from cortexcore.firmware_sim.codegen.generate import FRONT_END, KERNELS, generate
from cortexcore.firmware_sim.codegen.library import export_folder, library
from cortexcore.firmware_sim.codegen.names import comment, identifiers
from cortexcore.firmware_sim.codegen.options import CodegenOptions
from cortexcore.firmware_sim.toolchain import build_shared, missing_compiler
from cortexcore.opening import SHIPPED
from cortexcore.runtime.bundle import load_bundle

ZIG = [sys.executable, "-m", "ziglang"]
STRICT = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow"]
CORTEX_M4 = ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"]
HOSTILE = ["*/ int evil(void); /*", "a\nb", 'q"q', "int", "0", "", "a b", "a.b", "ä", "??/", "x" * 300, "y\\"]
HOSTILE += ["*\\ int evil(void);", "???/", "**//", "NULL", "CCX_TRACE", "offsetof", "linux", "%d{}", "in", "net"]

compiled = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))


def named(name: str) -> IntegerNetwork:
    """One layer in which everything has this name, or as much of it as a network lets be."""
    synapses = (Synapses(name + "w", name + "x", Dense(np.full((2, 3), 2, np.int32))),)
    p = Population(name, (2,), synapses, 4095, 400, 600, np.zeros((), np.int32))
    ends = (OutputPort(name + "x", name),)
    metadata = {"name": name, "classes": [name, name + "2"], "steps": 1}
    return IntegerNetwork((InputPort(name + "x", (3,), 0, 1),), (p,), ends, 1e-3, metadata)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    bundle = load_bundle(SHIPPED / "bundle")
    return generate(bundle.network, bundle.front_end, CodegenOptions())


def test_identifiers_differ_and_are_no_keywords():
    found = identifiers(HOSTILE)
    assert len(set(found.values())) == len(HOSTILE)
    assert all(name.isidentifier() and name.isascii() and name not in ("int", "0") for name in found.values())


def test_comments_cannot_end():
    for text in HOSTILE:
        assert not any(part in comment(text) for part in ("*/", "/*", "\n", "\\", "??"))


@compiled
@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_compiles(name, tmp_path):
    for file, text in generate(named(name), None, CodegenOptions()).items():
        (tmp_path / file).write_text(text)
    assert build_shared([tmp_path / "model.c"], [KERNELS, tmp_path], tmp_path / "model.so").is_file()


CPLUSPLUS = """alignas alignof and and_eq bitand bitor catch char16_t char32_t class co_await compl concept const_cast
constexpr constinit decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq
nullptr operator or or_eq private protected public reinterpret_cast requires static_assert static_cast template this
thread_local throw try typeid typename using virtual wchar_t xor xor_eq""".split()  # noqa: SIM905


@compiled
def test_cplusplus_includes_the_header_whatever_the_ports_are_called(tmp_path):
    ports = tuple(InputPort(name, (3,), 0, 1) for name in CPLUSPLUS)
    weight = np.full((2, 3), 2, np.int32)
    synapses = tuple(Synapses(f"w{i}", port.name, Dense(weight)) for i, port in enumerate(ports))
    p = Population("p", (2,), synapses, 4095, 400, 600, np.zeros((), np.int32))
    network = IntegerNetwork(ports, (p,), (OutputPort("co_return", "p"),), 1e-3)
    for file, text in generate(network, None, CodegenOptions()).items():
        (tmp_path / file).write_text(text)
    (tmp_path / "user.cpp").write_text('#include "model.h"\nint main() { return 0; }\n')
    command = [*ZIG, "c++", "-std=c++20", "-Werror", "-c", str(tmp_path / "user.cpp"), "-I", str(KERNELS)]
    ran = subprocess.run([*command, "-o", str(tmp_path / "o")], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@compiled
@pytest.mark.parametrize("target", [[], CORTEX_M4], ids=["host", "cortex_m4"])
@pytest.mark.parametrize("whole", [True, False], ids=["model", "network"])
def test_a_plain_compile_of_the_folder(whole, target, files, tmp_path):
    export_folder(files if whole else generate(named("n"), None, CodegenOptions()), tmp_path)
    for path in [*sorted((tmp_path / "src").glob("*.c")), tmp_path / "example" / "main.c"]:
        command = [
            *ZIG,
            "cc",
            *target,
            *STRICT,
            "-c",
            str(path),
            "-I",
            str(tmp_path / "src"),
            "-o",
            str(tmp_path / "o"),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


@compiled
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_bare_makefile(files, tmp_path):
    export_folder(files, tmp_path)
    tools = [f"CC={' '.join([*ZIG, 'cc', *CORTEX_M4])}", f"AR={' '.join([*ZIG, 'ar'])}"]
    ran = subprocess.run(["make", "-C", str(tmp_path), *tools, "libccx.a", "example"], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert (tmp_path / "libccx.a").stat().st_size > 16_000


@pytest.mark.skipif(shutil.which("cmake") is None or shutil.which("cc") is None, reason="cmake or cc is missing")
def test_cmake(files, tmp_path):
    export_folder(files, tmp_path / "lib")
    (tmp_path / "build").mkdir()
    for command in (["cmake", "../lib"], ["cmake", "--build", "."]):
        ran = subprocess.run(command, cwd=tmp_path / "build", capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr.decode()
    assert list((tmp_path / "build").glob("*ccx*"))


def test_the_folder_lists_every_c_file(files):
    texts = library(files)
    sources = [name.removeprefix("src/") for name in texts if name.startswith("src/") and name.endswith(".c")]
    assert {"model.c", "ccx.c"} <= set(sources) and len(sources) == 2 + len(list(FRONT_END.glob("*.c")))
    for name in ("Makefile", "CMakeLists.txt", "zephyr/CMakeLists.txt"):
        assert all(f"src/{source}" in texts[name] for source in sources), name
    assert json.loads(texts["library.json"])["name"] == "ccx"
    assert "'lif1': 8 x 30 spiking neurons" in texts["README.md"] and "at 250 Hz" in texts["README.md"]
    assert not any("@" in texts[name] for name in ("CMakeLists.txt", "zephyr/CMakeLists.txt", "README.md"))
    network = library(generate(named("n"), None, CodegenOptions()))
    assert "includes=ccx.h\n" in texts["library.properties"] and "250 Hz" not in network["README.md"]
    assert "includes=model.h\n" in network["library.properties"]


def test_a_folder_that_cannot_be_written(files, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GraphError, match="cannot be written"):
        export_folder(files, tmp_path / "file")


def test_a_front_end_that_does_not_feed_the_network_is_refused_with_all_reasons():
    front_end = load_bundle(SHIPPED / "bundle").front_end
    with pytest.raises(GraphError) as refused:
        generate(replace(named("n"), metadata={}), front_end, CodegenOptions())
    for words in ("its inputs are", "takes 0 to 1", "'steps'", "'classes'"):
        assert words in str(refused.value)
    with pytest.raises(GraphError, match="its first output sends spikes"):
        generate(named("n"), front_end, CodegenOptions())
