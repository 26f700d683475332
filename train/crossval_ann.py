"""The network without spikes, patient-wise: float and int8 forms of the same fold models, on the SNN's own folds.

Run it: ``python -m cortexcore.train.crossval_ann --seed 1 --models ann_folds --json ann_cross_validation.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cortexcore.errors import CortexCoreError
from cortexcore.export.files import require_writable, write_text
from cortexcore.train.beats import CALIBRATION_BEATS, thin
from cortexcore.train.crossval import describe
from cortexcore.train.crossval_integer import fold_model, total
from cortexcore.train.dataset import CLASSES, load_dataset
from cortexcore.train.folds import DS1_FOLDS
from cortexcore.train.metrics import ConfusionMatrix, confusion
from cortexcore.train.predict import predict
from cortexcore.train.presets import Preset, fit_config, get_preset
from cortexcore.train.quantize_ann import decide, quantize_ann, require_ann

PRESET = "beat_ann"


@dataclass(frozen=True, eq=False)
class AnnCrossValidation:
    """Float networks and their int8 forms, each judged on the patients that its fold held out.

    Attributes:
        seed: fold k has seed + k.
        model: what of the preset's architecture was changed.
        folds: the records each fold was judged on.
        before, after: confusion matrix of each fold's float and int8 network.
        equal: beats on which the two decide the same.
    """

    seed: int
    model: dict[str, Any]
    folds: tuple[tuple[str, ...], ...]
    before: tuple[ConfusionMatrix, ...]
    after: tuple[ConfusionMatrix, ...]
    equal: int

    def to_json(self) -> dict[str, Any]:
        found = {
            name: {**total(matrices).to_json(), "folds": [matrix.to_json() for matrix in matrices]}
            for name, matrices in (("float", self.before), ("int8", self.after))
        }
        return {
            "preset": PRESET,
            "model": self.model,
            "seed": self.seed,
            "beats": "reference peaks, not an EC57 result; each decided by a network that never saw its patient",
            "records": [list(fold) for fold in self.folds],
            "decisions_equal": round(self.equal / int(total(self.after).counts.sum()), 6),
            **found,
        }


def cross_validate_ann(
    preset: Preset,
    data: Path | None = None,
    models: Path | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
    folds: Sequence[Sequence[str]] = DS1_FOLDS,
    epochs: int | None = None,
) -> AnnCrossValidation:
    """Fit on all folds but one, quantize, and judge both forms on that one, for each in turn.

    Calibration sees the fitted records alone.

    Args:
        preset: of the architecture ``conv_ann``.
        data: folder of the recordings.
        models: folder of fold models ``fold0.safetensors`` and so on; those missing are trained and put there.
        seed: instead of the preset's own; fold k uses seed + k.
        progress: called with one line at a time.
        folds: records of each fold, patient-wise.
        epochs: instead of the preset's own.

    Raises:
        CortexCoreError: the preset makes no ConvANN, or a value is out of its range.
        DataError: recordings are missing, or a saved fold model was fitted on other records or with another seed.
    """
    seed = preset.seed if seed is None else seed
    say = progress or (lambda line: None)
    _ = fit_config(preset, epochs)
    before: list[ConfusionMatrix] = []
    after: list[ConfusionMatrix] = []
    equal = 0
    for index, held_out in enumerate(folds):
        fitted = [name for fold in folds if fold is not held_out for name in fold]
        checkpoint = fold_model(preset, fitted, data, models, index, seed + index, epochs, say)
        calibration = thin(load_dataset(fitted, preset.front_end, data), CALIBRATION_BEATS)
        ann = quantize_ann(require_ann(checkpoint.model), calibration, CLASSES)
        judged = load_dataset(list(held_out), preset.front_end, data)
        wanted = predict(checkpoint.model, judged.windows, judged.rhythms, preset.steps)
        decided = decide(ann, judged)
        equal += int(np.count_nonzero(decided == wanted))
        before.append(confusion(CLASSES, judged.labels, wanted))
        after.append(confusion(CLASSES, judged.labels, decided))
        for form, matrices in (("float", before), ("int8", after)):
            say(describe(f"fold {index + 1}/{len(folds)}, {form}", matrices[-1]))
    return AnnCrossValidation(
        seed, dict(preset.model), tuple(tuple(fold) for fold in folds), tuple(before), tuple(after), equal
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cortexcore.train.crossval_ann", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds mitdb/; else CORTEXCORE_DATA or the user cache")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--filters", type=int, nargs=2, help="channels of the two convolutions, to try other widths")
    parser.add_argument("--hidden", type=int, help="units of the dense layer, to try other widths")
    parser.add_argument("--models", type=Path, help="folder of fold models; those missing are trained and put there")
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    if options.models is not None and options.models.exists() and not options.models.is_dir():
        parser.error(f"--models names {options.models}, which is not a folder")
    widths = {name: value for name in ("filters", "hidden") if (value := getattr(options, name)) is not None}
    preset = replace(get_preset(PRESET), model=widths)
    try:
        require_writable(options.json)
        result = cross_validate_ann(
            preset,
            options.data,
            options.models,
            options.seed,
            lambda line: print(line, flush=True),
            epochs=options.epochs,
        )
        if options.json:
            write_text(options.json, json.dumps(result.to_json(), indent=1) + "\n")
    except CortexCoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for form, matrices in (("float", result.before), ("int8", result.after)):
        print(describe(f"DS1, patient-wise, {form}", total(matrices)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
