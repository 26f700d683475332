"""The C kernels' arithmetic by itself: the leak, the wrap and the clip against whole numbers in Python."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from cortexcore.firmware_sim.board import Board
from cortexcore.firmware_sim.codegen.generate import KERNELS, SOURCES
from cortexcore.firmware_sim.toolchain import build_elf, build_shared, missing_compiler
from cortexcore.targets.cortex_m.build import BOARD, STARTUP
from cortexcore.targets.cortex_m.limits import LINKER_SCRIPT

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))

TOP = 2**23
SHIM = """
#define CCX_INDEX_BITS 16
#include "ccx_neuron.h"
#define KEPT __attribute__((used, retain))
#define COUNT 2048
KEPT int32_t values[COUNT], keeps[COUNT], adds[COUNT], decayed[COUNT], wrapped[COUNT], clipped[COUNT];
void run(void);
int main(void);
KEPT void run(void)
{
    for (int i = 0; i < COUNT; ++i) {
        decayed[i] = ccx_decay(values[i], keeps[i], (uint32_t)adds[i]);
        wrapped[i] = ccx_wrap((uint32_t)values[i] * 257u);
        clipped[i] = ccx_clip(values[i] * 2);
    }
}
int main(void) { return 0; }
"""


def numbers() -> dict[str, np.ndarray]:
    """The edges of u and v with those of a decay, then others, and what is added: 2048 of each."""
    rng = np.random.default_rng(5)
    edges = [0, 1, 2, 4095, 4096, 4097, TOP - 1, TOP]
    values = [sign * x for x in edges for sign in (1, -1)]
    keeps = [0, 1, 2, 2047, 2048, 3686, 4094, 4095, 4096]
    pairs = [(v, k) for v in values for k in keeps]
    pairs += list(zip(rng.integers(-TOP, TOP + 1, 4096), rng.integers(0, 4097, 4096), strict=True))
    v, k = np.array(pairs[:2048], np.int32).T
    adds = rng.integers(-(2**31 - 2**24), 2**31 - 2**24, 2048).astype(np.int32)
    adds[::3] = 0
    return {"values": np.ascontiguousarray(v), "keeps": np.ascontiguousarray(k), "adds": adds}


def expected(values: np.ndarray, keeps: np.ndarray, adds: np.ndarray) -> dict[str, np.ndarray]:
    products = [int(v) * int(k) for v, k in zip(values, keeps, strict=True)]
    wraps = [TOP - (TOP - int(v) * 257) % 2**24 for v in values]
    return {
        "decayed": np.array([abs(p) // 4096 * (1 if p > 0 else -1) for p in products]) + adds,
        "wrapped": np.array(wraps),
        "clipped": np.clip(2 * values.astype(np.int64), -(TOP - 1), TOP - 1),
    }


def test_on_this_machine(tmp_path):
    (tmp_path / "shim.c").write_text(SHIM)
    library = ctypes.CDLL(str(build_shared([tmp_path / "shim.c"], [KERNELS], tmp_path / "shim.so", sanitize=True)))
    given = numbers()
    for name, array in given.items():
        np.ctypeslib.as_array((ctypes.c_int32 * 2048).in_dll(library, name))[:] = array
    library.run()
    for name, wanted in expected(**given).items():
        got = np.ctypeslib.as_array((ctypes.c_int32 * 2048).in_dll(library, name))
        assert np.array_equal(got, wanted), name


def test_on_the_core(tmp_path):
    """Where the leak is an ASR and an SMLAL."""
    pytest.importorskip("unicorn")
    (tmp_path / "shim.c").write_text(SHIM)
    include = [KERNELS, BOARD, SOURCES]
    board = Board(build_elf([tmp_path / "shim.c", *STARTUP], include, LINKER_SCRIPT, tmp_path / "shim.elf"))
    board.boot()
    given = numbers()
    for name, array in given.items():
        board.write(name, array)
    board.call("run")
    for name, wanted in expected(**given).items():
        assert np.array_equal(board.read(name, np.int32, (2048,)), wanted), name
