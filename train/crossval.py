"""Patient-wise cross-validation over DS1, with which hyper-parameters are chosen and a model card is filled.

Run it: ``python -m cortexcore.train.crossval beat --seed 1 --json cv.json``; with ``--bits 4 --qat 2`` the integer
networks are judged beside the float ones, with ``--models DIR`` the fold models are kept and used again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from cortexcore.errors import CortexCoreError
from cortexcore.export.files import require_writable, write_text
from cortexcore.export.quantize.config import ScaleChoice
from cortexcore.train.compress import GRID, Compression
from cortexcore.train.dataset import CLASSES, load_dataset
from cortexcore.train.folds import DS1_FOLDS
from cortexcore.train.metrics import ConfusionMatrix, confusion
from cortexcore.train.presets import PRESETS, Preset, fit_config, fit_preset, get_preset


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What a cross-validation gave.

    Attributes:
        preset, seed, epochs: what was run.
        folds: the records each fold was judged on.
        records: record → confusion matrix of its reference-peak beats, decided by a model that never saw the patient.
    """

    preset: str
    seed: int
    epochs: int
    folds: tuple[tuple[str, ...], ...]
    records: dict[str, ConfusionMatrix]

    @property
    def total(self) -> ConfusionMatrix:
        """All records together."""
        return _sum(list(self.records.values()))

    def fold(self, index: int) -> ConfusionMatrix:
        return _sum([self.records[name] for name in self.folds[index]])

    def to_json(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "seed": self.seed,
            "epochs": self.epochs,
            "beats": "reference peaks, not an EC57 result",
            "total": self.total.to_json(),
            "folds": [{"records": list(names), **self.fold(index).to_json()} for index, names in enumerate(self.folds)],
            "records": {name: matrix.to_json() for name, matrix in self.records.items()},
        }


def cross_validate(
    preset: Preset,
    data: Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
    folds: Sequence[Sequence[str]] = DS1_FOLDS,
) -> CrossValidation:
    """Fit on all folds but one and judge on that one, for each in turn.

    Args:
        preset: what to train; its own ``records`` play no part.
        data: folder of the recordings.
        epochs, seed: instead of the preset's own; fold k uses seed + k.
        progress: called with one line at a time.
        folds: records of each fold, patient-wise.
    """
    from cortexcore.train.predict import predict

    seed = preset.seed if seed is None else seed
    config = fit_config(preset, epochs)
    say = progress or (lambda line: None)
    records: dict[str, ConfusionMatrix] = {}
    for index, held_out in enumerate(folds):
        fitted = [name for fold in folds if fold is not held_out for name in fold]
        beats = load_dataset(fitted, preset.front_end, data, preset.detectors)
        model = fit_preset(preset, beats, config, seed + index, say)
        for name in held_out:
            judged = load_dataset([name], preset.front_end, data)
            decided = predict(model, judged.windows, judged.rhythms, preset.steps)
            records[name] = confusion(CLASSES, judged.labels, decided)
            say(describe(f"record {name}", records[name]))
        say(describe(f"fold {index + 1}/{len(folds)}", _sum([records[name] for name in held_out])))
    return CrossValidation(preset.name, seed, config.epochs, tuple(tuple(fold) for fold in folds), records)


def describe(what: str, matrix: ConfusionMatrix) -> str:
    """One line of figures in percent; "–" where there is nothing to take a ratio of."""
    figures = [("acc", matrix.accuracy), ("F1", matrix.macro_f1)]
    for name in matrix.classes:
        figures += [(f"{name} Se", matrix.sensitivity(name)), ("+P", matrix.predictivity(name))]
    shown = ", ".join(f"{label} {'–' if value != value else f'{100 * value:.1f}'}" for label, value in figures)
    return f"{what}: {shown}"


def _sum(matrices: list[ConfusionMatrix]) -> ConfusionMatrix:
    total = matrices[0]
    for matrix in matrices[1:]:
        total = total + matrix
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cortexcore.train.crossval", description=__doc__)
    parser.add_argument("preset", choices=sorted(PRESETS))
    parser.add_argument("--data", type=Path, help="folder that holds mitdb/; else CORTEXCORE_DATA or the user cache")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--bits", type=int, help="also judge the networks quantized to this many weight bits")
    parser.add_argument(
        "--scale", choices=get_args(ScaleChoice), default=GRID.scale, help="how the integer scales are chosen"
    )
    parser.add_argument("--qat", type=int, default=0, metavar="EPOCHS", help="fine-tune the quantized networks")
    parser.add_argument("--prune", type=float, default=0.0, metavar="SHARE", help="of each layer's weights")
    parser.add_argument("--prune-channels", type=float, default=0.0, metavar="SHARE", help="of the hidden neurons")
    parser.add_argument("--models", type=Path, help="folder of fold models; those missing are trained and put there")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    if options.bits is None and (options.qat or options.prune or options.prune_channels):
        parser.error("--qat, --prune and --prune-channels change integer networks: give --bits as well")
    if options.models is not None and options.models.exists() and not options.models.is_dir():
        parser.error(f"--models names {options.models}, which is not a folder")
    try:
        require_writable(options.json)
        if options.bits is not None:
            return _judge_integer(options)
        result = cross_validate(
            get_preset(options.preset), options.data, options.epochs, options.seed, lambda line: print(line, flush=True)
        )
        if options.json:
            write_text(options.json, json.dumps(result.to_json(), indent=1) + "\n")
    except CortexCoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(describe("DS1, patient-wise", result.total))
    return 0


def _judge_integer(options: argparse.Namespace) -> int:
    """Float and integer networks of the same folds; prints what was lost."""
    from cortexcore.train.crossval_integer import cross_validate_integer, total

    config = replace(GRID, bits=options.bits, scale=options.scale)
    how = Compression(config, options.qat, weights=options.prune, channels=options.prune_channels)
    name = f"{options.bits} bits"
    result = cross_validate_integer(
        get_preset(options.preset),
        {name: how},
        options.data,
        options.models,
        options.seed,
        lambda line: print(line, flush=True),
        epochs=options.epochs,
    )
    if options.json:
        write_text(options.json, json.dumps(result.to_json(), indent=1) + "\n")
    print(describe("DS1, patient-wise, float", total(result.before)))
    print(describe(f"DS1, patient-wise, {name}", total(result.after[name][1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
