"""Run a network that was lowered for Loihi, under a Python that has Lava 0.10; needs nothing else.

    python run_lava.py IN.npz OUT.npz [--artifact FOLDER] [--scratch FOLDER] [--trace] [--hardware]

The artifact's folder, by default this script's own, holds ``loihi.json`` and ``loihi.npz``. IN.npz has integers
[T, B, *shape] for each input: T steps of B inferences, each from rest. OUT.npz gets [T, B, *shape] for each output,
spikes or the voltage of a leaky integrator; with --trace also ``spikes/…``, ``u/…`` and ``v/…`` of every population.
Exit codes: 0 done, 1 a mistake told in one sentence, 3 Loihi is not available here, 130 or 143 stopped by a signal.

With --serve FOLDER instead, it reads a JSON list of such arguments a line from standard input and answers each with a
JSON object; a network keeps running between them, so that it is built once. When the other end is closed or gone it
ends, and removes the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
from lava_hardware import Unavailable, run_on_hardware  # type: ignore[import-not-found]  # neighbours of this file
from lava_network import FORMAT, Arrays, Network, Refused, read_arrays, read_artifact  # type: ignore[import-not-found]
from lava_watch import end_on_signals, watch  # type: ignore[import-not-found]

KEPT = 2
"""Networks that --serve keeps running; each has a process of the operating system per Lava process."""
EXIT_CODES = {"refused": 1, "unavailable": 3}


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    if len(arguments) == 2 and arguments[0] == "--serve":
        serve(Path(arguments[1]))
        return 0
    networks: dict[Path, Network] = {}

    def left() -> list[Path]:
        return [network.folder for network in networks.values()]

    watch(None, left)
    end_on_signals(left)
    try:
        run(_parse(arguments), networks)
    except (Refused, Unavailable) as error:
        print(f"run_lava: {error}", file=sys.stderr)
        return EXIT_CODES[type(error).__name__.lower()]
    finally:
        _stop(networks, 0)
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run a network that was lowered for Loihi.")
    parser.add_argument("input", type=Path, metavar="IN.npz")
    parser.add_argument("output", type=Path, metavar="OUT.npz")
    parser.add_argument("--artifact", type=Path, metavar="FOLDER", default=Path(__file__).resolve().parent)
    parser.add_argument("--scratch", type=Path, metavar="FOLDER", help="for files of a run; the system's if not said")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--hardware", action="store_true")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, networks: dict[Path, Network]) -> dict[str, float]:
    """Read, run, write; ``networks`` are those already built, by folder. Returns how long building and running took."""
    if options.output.is_dir() or not os.access(options.output.parent, os.W_OK):
        raise Refused(f"'{options.output}' cannot be written: name a file in a folder that can be")
    inputs = read_arrays(options.input)
    started = time.perf_counter()
    if options.hardware:
        if options.trace:
            raise Refused("Loihi 2 hardware gives outputs alone: run without --trace")
        results = run_on_hardware(*read_artifact(options.artifact), options.scratch, inputs)
    else:
        if options.artifact not in networks:
            _stop(networks, KEPT - 1)
            networks[options.artifact] = Network(*read_artifact(options.artifact), options.scratch)
        network = networks.pop(options.artifact)
        networks[options.artifact] = network  # the last one used is the last to go
        results = network.run(inputs, options.trace)
    _write(options.output, results)
    return {"seconds": time.perf_counter() - started}


def _stop(networks: dict[Path, Network], kept: int) -> None:
    """End the networks that were not used for longest."""
    while len(networks) > kept:
        networks.pop(next(iter(networks))).stop()


def _write(path: Path, arrays: Arrays) -> None:
    """numpy.savez takes names as keywords and keeps "file" for itself, so the archive is written here."""
    try:
        with zipfile.ZipFile(path, "w") as archive:
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, values, allow_pickle=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise Refused(f"'{path}' cannot be written ({error}): name another file or free space") from error


def serve(scratch: Path) -> None:
    """Answer until the other end is closed; whatever Lava prints goes to standard error."""
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    watch(os.getppid(), lambda: [scratch])
    networks: dict[Path, Network] = {}
    _answer(answers, {"format": FORMAT, "lava": version("lava-nc")})
    for line in requests:
        options = _parse(json.loads(line))
        try:
            _answer(answers, run(options, networks))
        except (Refused, Unavailable) as error:
            _answer(answers, {type(error).__name__.lower(): str(error)})
        except Exception as error:  # noqa: BLE001  the other end reports it, whatever it is
            networks.pop(options.artifact, None)
            _answer(answers, {"failed": f"{type(error).__name__}: {error}"})
    _stop(networks, 0)
    shutil.rmtree(scratch, ignore_errors=True)


def _answer(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
