"""What quantization, fine-tuning and pruning cost, patient-wise: float and integer forms of the same fold models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.errors import DataError
from cortexcore.export import integer
from cortexcore.export.network import IntegerNetwork
from cortexcore.runtime.frontend.encoder import encode
from cortexcore.train.beats import CALIBRATION_BEATS, thin
from cortexcore.train.checkpoint import Checkpoint, load_checkpoint
from cortexcore.train.compress import Compression, compress
from cortexcore.train.dataset import CLASSES, Beats, load_dataset
from cortexcore.train.deploy import graph_of
from cortexcore.train.folds import DS1_FOLDS
from cortexcore.train.metrics import ConfusionMatrix, confusion
from cortexcore.train.predict import predict
from cortexcore.train.presets import Preset, fit_config, train_preset

SLICE = 1024


@dataclass(frozen=True, eq=False)
class IntegerCrossValidation:
    """Float networks and their integer forms, each judged on the patients that its fold held out.

    Attributes:
        preset, seed: what the float networks are; fold k has seed + k.
        folds: the records each fold was judged on.
        before: confusion matrix of each fold's float network.
        after: variant → its settings, and the confusion matrix of each fold's integer network.
        equal: variant → beats that float and integer network decide alike.
    """

    preset: str
    seed: int
    folds: tuple[tuple[str, ...], ...]
    before: tuple[ConfusionMatrix, ...]
    after: Mapping[str, tuple[Compression, tuple[ConfusionMatrix, ...]]]
    equal: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        before = total(self.before)
        variants = {}
        for name, (how, matrices) in self.after.items():
            after = total(matrices)
            variants[name] = {
                "settings": how.to_json(),
                "decisions_equal": round(self.equal[name] / int(after.counts.sum()), 6),
                "accuracy_lost_points": round(100 * (before.accuracy - after.accuracy), 3),
                "macro_f1_lost_points": round(100 * (before.macro_f1 - after.macro_f1), 3),
                **after.to_json(),
                "folds": [matrix.to_json() for matrix in matrices],
            }
        return {
            "preset": self.preset,
            "seed": self.seed,
            "beats": "reference peaks, not an EC57 result; each decided by a network that never saw its patient",
            "records": [list(fold) for fold in self.folds],
            "float": {**before.to_json(), "folds": [matrix.to_json() for matrix in self.before]},
            "integer": variants,
        }


def total(matrices: Sequence[ConfusionMatrix]) -> ConfusionMatrix:
    """All folds together."""
    found = matrices[0]
    for matrix in matrices[1:]:
        found = found + matrix
    return found


def cross_validate_integer(
    preset: Preset,
    variants: Mapping[str, Compression],
    data: Path | None = None,
    models: Path | None = None,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
    folds: Sequence[Sequence[str]] = DS1_FOLDS,
    epochs: int | None = None,
) -> IntegerCrossValidation:
    """Fit on all folds but one, compress, and judge float and integer networks on that one, for each in turn.

    Calibration and fine-tuning see the fitted records alone.

    Args:
        preset: what to train.
        variants: name → how the float networks become integer ones.
        data: folder of the recordings.
        models: folder of fold models ``fold0.safetensors`` and so on; those missing are trained and put there.
        seed: instead of the preset's own; fold k uses seed + k.
        progress: called with one line at a time.
        folds: records of each fold, patient-wise.
        epochs: of the float networks, instead of the preset's own.

    Raises:
        DataError: recordings are missing, or a saved fold model was fitted on other records or with another seed.
    """
    seed = preset.seed if seed is None else seed
    say, fit = progress or (lambda line: None), fit_config(preset, epochs)
    before: list[ConfusionMatrix] = []
    after: dict[str, list[ConfusionMatrix]] = {name: [] for name in variants}
    equal = dict.fromkeys(variants, 0)
    for index, held_out in enumerate(folds):
        fitted = [name for fold in folds if fold is not held_out for name in fold]
        checkpoint = fold_model(preset, fitted, data, models, index, seed + index, epochs, say)
        graph = graph_of(checkpoint)
        calibration = thin(load_dataset(fitted, preset.front_end, data), CALIBRATION_BEATS)
        encoded = encode(calibration.windows, calibration.rhythms, preset.steps)
        learned = load_dataset(fitted, preset.front_end, data, preset.detectors)
        judged = load_dataset(list(held_out), preset.front_end, data)
        wanted = predict(checkpoint.model, judged.windows, judged.rhythms, preset.steps)
        before.append(confusion(CLASSES, judged.labels, wanted))
        say(_line(f"fold {index + 1}/{len(folds)}, float", before[-1], before[-1]))
        for name, how in variants.items():
            made = compress(graph, replace(how, seed=seed + index), encoded, learned, preset.steps, say, fit)
            decided = decide(made.network, judged, preset.steps)
            equal[name] += int(np.count_nonzero(decided == wanted))
            after[name].append(confusion(CLASSES, judged.labels, decided))
            say(_line(f"fold {index + 1}/{len(folds)}, {name}", after[name][-1], before[-1]))
    for name, matrices in after.items():
        say(_line(f"all folds, {name}", total(matrices), total(before)))
    return IntegerCrossValidation(
        preset.name,
        seed,
        tuple(tuple(fold) for fold in folds),
        tuple(before),
        {name: (variants[name], tuple(matrices)) for name, matrices in after.items()},
        equal,
    )


def decide(network: IntegerNetwork, beats: Beats, steps: int) -> NDArray[np.int64]:
    """Class index per beat as the golden network decides: the largest v after the last step."""
    parts = []
    for start in range(0, len(beats), SLICE):
        some = slice(start, start + SLICE)
        (values,) = integer.run(network, encode(beats.windows[some], beats.rhythms[some], steps)).outputs.values()
        parts.append(values[-1].argmax(axis=1))
    return np.concatenate(parts)


def fold_model(
    preset: Preset,
    fitted: Sequence[str],
    data: Path | None,
    models: Path | None,
    index: int,
    seed: int,
    epochs: int | None,
    say: Callable[[str], None],
) -> Checkpoint:
    """The float network of one fold: read from the folder ``models`` if it is there, else trained, and put there.

    Raises:
        DataError: recordings are missing, or the saved one was fitted on other records, with another seed or epochs.
    """
    path = None if models is None else models / f"fold{index}.safetensors"
    if path is None or not path.is_file():
        return train_preset(preset, data=data, epochs=epochs, seed=seed, out=path, progress=say, records=fitted)
    checkpoint = load_checkpoint(path)
    known = checkpoint.provenance
    wanted = fit_config(preset, epochs).epochs
    if (set(known.get("fitted_records", ())), known.get("seed")) != (set(fitted), seed) or (
        known.get("fit", {}).get("epochs") != wanted
    ):
        raise DataError(
            f"{path} was fitted on other records, with another seed or for other epochs than fold {index} needs: "
            "delete it, or name another folder with --models"
        )
    return checkpoint


def _line(what: str, matrix: ConfusionMatrix, before: ConfusionMatrix) -> str:
    f1 = " ".join(f"{name} {100 * matrix.f1(name):.1f}" for name in matrix.classes)
    return (
        f"{what}: accuracy {100 * matrix.accuracy:.2f} ({100 * (matrix.accuracy - before.accuracy):+.2f}), macro-F1 "
        f"{100 * matrix.macro_f1:.2f} ({100 * (matrix.macro_f1 - before.macro_f1):+.2f}), F1: {f1}"
    )
