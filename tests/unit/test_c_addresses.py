"""The C front end and protocol under the address sanitizer of the system's compiler, which sees every stray pointer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cortexcore.firmware_sim
from cortexcore.firmware_sim.codegen.frontend_config import frontend_header
from cortexcore.firmware_sim.wearable import synthetic_ecg
from cortexcore.runtime.frontend import FrontEnd, FrontEndConfig

CSRC = Path(cortexcore.firmware_sim.__file__).parent / "csrc"
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic", "-O1", "-g"]
CHECKS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
DRIVER = """
#include <stdio.h>
#include <stdlib.h>

#include "ccx_decoder.h"
#include "ccx_frontend.h"
#include "ccx_messages.h"

/* Everything lies in blocks of just its size, so that no byte beside it is ours. */
static unsigned long polled(ccx_frontend *frontend)
{
    ccx_beat *const beat = malloc(sizeof *beat);
    unsigned long beats = 0;
    while (ccx_frontend_poll(frontend, beat)) {
        ++beats;
    }
    free(beat);
    return beats;
}

static unsigned long play(const int16_t *counts, size_t size, int gaps)
{
    ccx_frontend *const frontend = malloc(sizeof *frontend);
    unsigned long beats = 0;
    ccx_frontend_init(frontend, 200000);
    while (size > 0) {
        const size_t want = (size_t)(rand() % 999 + 1), part = want < size ? want : size;
        int16_t *const piece = malloc(part * sizeof *piece);
        int32_t *const filtered = malloc(part * sizeof *filtered);
        for (size_t i = 0; i < part; ++i) {
            piece[i] = counts[i];
        }
        const size_t taken = ccx_frontend_push(frontend, piece, part, filtered);
        free(piece);
        free(filtered);
        counts += taken;
        size -= taken;
        beats += polled(frontend);
        if (gaps && rand() % 4 == 0) {
            ccx_frontend_gap(frontend, (uint32_t)(rand() % 150));
            beats += polled(frontend);
        }
    }
    ccx_frontend_flush(frontend);
    beats += polled(frontend);
    free(frontend);
    return beats;
}

static void listen(void)
{
    ccx_decoder *const decoder = calloc(1, sizeof *decoder);
    ccx_host_message message;
    for (long i = 0; i < 3000000; ++i) {
        const int byte = i / 100000 % 2 ? rand() % 256 : rand() % 300 ? rand() % 255 + 1 : 0;
        ccx_decoder_push(decoder, (uint8_t)byte, &message);
    }
    free(decoder);
    for (uint32_t size = 0; size <= CCX_MAX_ENCODED; ++size) {
        uint8_t *const bytes = malloc(size + !size);
        for (int tries = 0; tries < 50; ++tries) {
            for (uint32_t i = 0; i < size; ++i) {
                bytes[i] = (uint8_t)(rand() % (tries % 2 ? 256 : 4));
            }
            uint32_t left = size;
            if (ccx_unstuff(bytes, &left)) {
                ccx_body_holds(bytes, left);
            }
        }
        free(bytes);
    }
    ccx_frame *const frame = malloc(sizeof *frame);
    const int16_t counts[CCX_MAX_SAMPLES] = {0};
    for (uint32_t count = 0; count <= CCX_MAX_SAMPLES; ++count) {
        ccx_pack_samples(frame, 0, 0, counts, count);
    }
    free(frame);
}

int main(int argc, char **argv)
{
    FILE *const file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    static int16_t counts[100000];
    const size_t size = file ? fread(counts, sizeof counts[0], 100000, file) : 0;
    const unsigned long whole = play(counts, size, 0), torn = play(counts, size, 1);
    listen();
    printf("%lu %d\\n", whole, torn > 0);
    return file ? fclose(file) : 1;
}
"""


def test_no_stray_address(tmp_path):
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc with its address sanitizer: the ziglang wheel brings none")
    config = FrontEndConfig()
    (tmp_path / "ccx_frontend_config.h").write_text(frontend_header(config))
    (tmp_path / "driver.c").write_text(DRIVER)
    folders = [CSRC / "frontend", CSRC / "protocol", tmp_path]
    sources = [str(path) for folder in folders for path in sorted(folder.glob("*.c"))]
    program = tmp_path / "driver"
    command = [gcc, *FLAGS, *CHECKS, *(f"-I{folder}" for folder in folders), *sources, "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if "cannot find -lasan" in built.stderr or "cannot find libasan" in built.stderr:
        pytest.skip("this gcc has no address sanitizer")
    assert built.returncode == 0, built.stderr
    noise = np.random.default_rng(0).integers(-32768, 32768, 20_000).astype(np.int16)
    signal = np.concatenate([synthetic_ecg(120, seed=5, ventricular=0.2).counts, noise, np.zeros(3000, np.int16)])
    signal.astype("<i2").tofile(tmp_path / "signal")
    ran = subprocess.run([str(program), str(tmp_path / "signal")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    front_end = FrontEnd(config, 200.0, 250)
    beats = front_end.push(signal) + front_end.flush()
    assert ran.stdout.split() == [str(len(beats)), "1"]
