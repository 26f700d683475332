"""The beat classifier against an int8 ANN of like accuracy: what each decides, and what it takes on the same board.

Run it: ``python -m cortexcore.train.against_ann BUNDLE ANN.npz --json OUT.json``; ``--accuracy NAME=FILE`` puts the
figures of a cross-validation beside it. Without recordings both are counted on beats of made-up ECG, not judged.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.export.files import require_writable, write_text
from cortexcore.firmware_sim.codegen.ann import Int8Ann
from cortexcore.firmware_sim.codegen.ann_file import load_ann
from cortexcore.runtime.bundle import Bundle, load_bundle
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.targets.compiled import compile
from cortexcore.targets.cortex_m.against_ann import against_ann
from cortexcore.targets.cortex_m.against_ann_meeting import NetworkParts, network_parts
from cortexcore.targets.cortex_m.artifact import CortexMArtifact
from cortexcore.targets.cortex_m.counts import MOST, count_inferences
from cortexcore.targets.profiling import counted
from cortexcore.train.beats import has_recordings, held_out_beats, thin
from cortexcore.train.crossval_integer import decide as decide_network
from cortexcore.train.dataset import Beats
from cortexcore.train.deploy import synthetic_beats
from cortexcore.train.metrics import confusion
from cortexcore.train.quantize_ann import decide as decide_ann

CHANGED = (0.0, 0.5, 1.5)
"""Times the beats' values: other spike rates, on which the arithmetic of the meeting is checked."""
CHECKED = 8
"""Beats of each."""
NOISE = 127
SEED = 1
UNITS = {"instructions": "", "cycles": "", "spikes per neuron and step": "a step"}
"""Shorter for a table, where the name says it."""


def compare(bundle: Bundle, ann: Int8Ann, data: Path | None = None) -> dict[str, Any]:
    """Everything but the cross-validations, as JSON values.

    Raises:
        DataError, GraphError: the two do not take the same beats.
        TargetUnavailable: compiler, emulator or disassembler are not installed.
    """
    training = bundle.manifest["training"] or {}
    artifact = compile(bundle.network, "cortex-m").artifact
    found: dict[str, Any] = {}
    if has_recordings(training, data):
        beats = held_out_beats(training, bundle.front_end, data, lambda line: None)
        found["held_out"] = _judged(bundle, ann, beats)
        few = thin(beats, MOST)
        windows, rhythms = few.windows, few.rhythms
        words = f"{len(few)} beats of the records {', '.join(training['held_out_records'])}, evenly spaced"
    else:
        windows, rhythms = (x[:MOST] for x in synthetic_beats(bundle.front_end))
        words = f"the first {len(windows)} beats of synthetic ECG: no recordings were found"
    result = against_ann(artifact, ann, encode(windows, rhythms, bundle.steps))
    return {
        "beats": words,
        **found,
        "board": result.to_json(),
        "other_rates": _other_rates(artifact, result.parts, windows[:CHECKED], rhythms[:CHECKED], bundle.steps),
    }


def accuracies(named: Mapping[str, Path]) -> dict[str, Any]:
    """Float and 8-bit figures of cross-validations, by name.

    Args:
        named: name → JSON of ``cortexcore.train.crossval --bits 8`` or of ``cortexcore.train.crossval_ann``.

    Raises:
        DataError: a file is missing, or none of these.
    """
    found = {}
    for name, path in named.items():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            eight = told["int8"] if "int8" in told else told["integer"]["8 bits"]
            rows = {"float": told["float"], "int8": eight}
            kept = ("beats", "accuracy", "macro_f1", "classes")
            forms = {form: {key: row[key] for key in kept} for form, row in rows.items()}
            found[name] = {"preset": told["preset"], "seed": told["seed"], "model": told.get("model", {}), **forms}
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} holds no cross-validation of 8 bits: {type(error).__name__} {error}") from error
    return found


def _judged(bundle: Bundle, ann: Int8Ann, beats: Beats) -> dict[str, Any]:
    """Both on all beats of the records held out."""
    decided = {"snn": decide_network(bundle.network, beats, bundle.steps), "ann": decide_ann(ann, beats)}
    return {name: confusion(bundle.classes, beats.labels, labels).to_json() for name, labels in decided.items()}


def _other_rates(
    artifact: CortexMArtifact, parts: NetworkParts, windows: NDArray[np.int8], rhythms: NDArray[np.int8], steps: int
) -> list[dict[str, Any]]:
    """The network counted where it spikes less and more, beside what ``parts`` says of that rate."""
    rng = np.random.default_rng(SEED)
    given = {f"values times {times:g}": [_times(x, times) for x in (windows, rhythms)] for times in CHANGED}
    given["white noise"] = [rng.integers(-NOISE, NOISE + 1, x.shape, np.int8) for x in (windows, rhythms)]
    rows = []
    for name, (window, rhythm) in given.items():
        inputs = encode(window, rhythm, steps)
        now = network_parts(artifact, counted(artifact.network, inputs), count_inferences(artifact, inputs))
        rows.append(
            {
                "inputs": f"{name}, {len(window)} beats",
                "spike_rate": now.rate,
                "instructions": now.at(now.rate),
                "instructions_predicted": parts.at(now.rate),
            }
        )
    return rows


def _times(values: NDArray[np.int8], times: float) -> NDArray[np.int8]:
    changed: NDArray[np.int8] = np.rint(values * times).clip(-NOISE, NOISE).astype(np.int8)
    return changed


def _shown(result: Mapping[str, Any]) -> str:
    """The figures of both as a table, and the verdict."""
    board = result["board"]
    lines = [f"On {result['beats']}:", f"{'per inference':34}{'SNN':>14}{'int8 ANN':>14}{'SNN / ANN':>14}"]
    for name in {**board["snn"], **board["ann"]}:
        ours, theirs, ratio = (board[side].get(name) for side in ("snn", "ann", "ratios"))
        numbers = "".join(f"{cell['value']:14.5g}" if cell else f"{'–':>14}" for cell in (ours, theirs, ratio))
        unit = (ours or theirs)["unit"]
        lines.append(f"{name:22}{UNITS.get(unit, unit):>12}{numbers}")
    for row in result["other_rates"]:
        told = f"{row['instructions']:.0f} instructions counted, {row['instructions_predicted']:.0f} predicted"
        lines.append(f"SNN at {row['spike_rate']:.1%} spikes, {row['inputs']}: {told}")
    lines += [f"{name}: {figure['value']:.5g} {figure['unit']}" for name, figure in board["meeting"].items()]
    return "\n".join([*lines, board["verdict"]])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cortexcore.train.against_ann", description=__doc__)
    parser.add_argument("bundle", type=Path, help="the spiking model, as cortexcore export made it")
    parser.add_argument("ann", type=Path, help="the int8 ANN, as python -m cortexcore.train.quantize_ann made it")
    parser.add_argument("--data", type=Path, help="folder that holds mitdb/; else CORTEXCORE_DATA or the user cache")
    parser.add_argument(
        "--accuracy", action="append", default=[], metavar="NAME=FILE", help="a cross-validation's JSON"
    )
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    if unnamed := [text for text in options.accuracy if "=" not in text]:
        parser.error(f"--accuracy takes NAME=FILE, not {', '.join(unnamed)}")
    try:
        require_writable(options.json)
        named = {name: Path(path) for name, path in (text.split("=", 1) for text in options.accuracy)}
        cross_validated = accuracies(named)
        ann, provenance = load_ann(options.ann)
        result = {
            **compare(load_bundle(options.bundle), ann, options.data),
            "ann": {"macs": ann.macs, "provenance": provenance},
            "cross_validation": cross_validated,
        }
        if options.json:
            write_text(options.json, json.dumps(result, indent=1) + "\n")
    except CortexCoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(_shown(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
