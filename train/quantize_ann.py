"""From a trained :class:`ConvANN` to its int8 form: post-training quantization, its ranges calibrated on beats.

Activations have one scale per layer, from 0 up to the largest that calibration saw; the readout's is symmetric. Weights
are symmetric, with one scale per layer: a unit of a sum is the same whichever source it came from.

Run it: ``python -m cortexcore.train.quantize_ann ann.safetensors -o ann.npz``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cortexcore.errors import CortexCoreError, DataError
from cortexcore.firmware_sim.codegen.ann import HIGH, LOW, AnnLayer, AnnPort, Int8Ann, fixed_point, run
from cortexcore.firmware_sim.codegen.ann_file import save_ann
from cortexcore.train.beats import CALIBRATION_BEATS, fitted_beats, thin
from cortexcore.train.checkpoint import load_checkpoint
from cortexcore.train.dataset import Beats
from cortexcore.train.models.conv_ann import ConvANN
from cortexcore.train.models.registry import Model

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Grid:
    scale: float
    zero: int


INPUT = _Grid(1.0, 0)
"""Beats are integers already."""


def quantize_ann(model: ConvANN, beats: Beats, classes: Sequence[str]) -> Int8Ann:
    """The int8 form of a trained network.

    Args:
        model: in evaluation mode.
        beats: to calibrate on; of the records it was fitted on.
        classes: names of its outputs.

    Raises:
        DataError: there are no beats.
        GraphError: the arithmetic cannot hold the network.
    """
    if not len(beats):
        raise DataError("calibration needs beats, and none were given")
    c, f = model.config, _folded(model)
    with torch.inference_mode():
        window, rhythm = (torch.from_numpy(x.astype(np.float32)) for x in (beats.windows, beats.rhythms))
        *hidden, scores = (a.numpy() for a in model.activations(window, rhythm))
    first, second, third = (_Grid(float(a.max(initial=0.0)) / (HIGH - LOW) or 1.0, LOW) for a in hidden)
    last = _Grid(float(np.abs(scores).max(initial=0.0)) / HIGH or 1.0, 0)
    steps = (c.strides[0] * c.channels, c.strides[1] * c.filters[0])
    shapes = [(c.filters[0], c.lengths[0]), (c.filters[1], c.lengths[1])]
    layers = (
        _layer("conv1", shapes[0], {"window": (f["conv1"], INPUT)}, f["bias1"], first, steps[0]),
        _layer("conv2", shapes[1], {"conv1": (f["conv2"], first)}, f["bias2"], second, steps[1]),
        _layer(
            "dense", (c.hidden,), {"conv2": (f["window"], second), "rhythm": (f["rhythm"], INPUT)}, f["bias3"], third
        ),
        _layer("readout", (c.classes,), {"dense": (f["readout"], third)}, f["bias4"], last),
    )
    ports = (AnnPort("window", (c.channels, c.length)), AnnPort("rhythm", (c.features,)))
    return Int8Ann(ports, layers, tuple(classes))


def decide(ann: Int8Ann, beats: Beats, batch: int = 1024) -> NDArray[np.int64]:
    """Class index per beat: the largest of the last layer, the first of equals."""
    parts = [np.zeros(0, np.int64)]
    for start in range(0, len(beats), batch):
        some = slice(start, start + batch)
        sent = run(ann, {"window": beats.windows[some], "rhythm": beats.rhythms[some]})
        parts.append(sent[ann.layers[-1].name].argmax(axis=1))
    return np.concatenate(parts)


def require_ann(model: Model) -> ConvANN:
    """The model, if it is one that has an int8 form.

    Raises:
        CortexCoreError: it is not.
    """
    if not isinstance(model, ConvANN):
        raise CortexCoreError(f"a {type(model).__name__} has no int8 ANN; train one with: cortexcore train beat_ann")
    return model


def _folded(model: ConvANN) -> dict[str, Floats]:
    """All weights as matrices [out, window] on windows with their channels last; normalisation and scale folded in."""
    values: dict[str, Floats] = {name: x.detach().double().numpy() for name, x in model.state_dict().items()}
    config, norm = model.config, model.norm1
    gain = values["norm1.weight"] / np.sqrt(values["norm1.running_var"] + norm.eps)
    dense = values["dense_window.weight"].reshape(config.hidden, config.filters[1], config.lengths[1])
    return {
        "conv1": _taps(values["conv1.weight"] * gain[:, None, None]) * config.input_scale,
        "bias1": values["norm1.bias"] - gain * values["norm1.running_mean"],
        "conv2": _taps(values["conv2.weight"]),
        "bias2": values["conv2.bias"],
        "window": _taps(dense),
        "rhythm": values["dense_rhythm.weight"] * config.input_scale,
        "bias3": values["dense_window.bias"],
        "readout": values["readout.weight"],
        "bias4": values["readout.bias"],
    }


def _taps(weight: Floats) -> Floats:
    """[out, channels, positions] → [out, positions·channels]."""
    return weight.swapaxes(1, 2).reshape(len(weight), -1)


def _layer(
    name: str,
    shape: tuple[int, ...],
    sources: dict[str, tuple[Floats, _Grid]],
    bias: Floats,
    grid: _Grid,
    step: int = 0,
) -> AnnLayer:
    per_unit = np.concatenate([weight * source.scale for weight, source in sources.values()], axis=1)
    unit = float(np.abs(per_unit).max(initial=0.0)) / HIGH or 1.0
    weight = np.rint(per_unit / unit).astype(np.int8)
    zeros = np.concatenate([np.full(matrix.shape[1], source.zero) for matrix, source in sources.values()])
    whole = np.rint(bias / unit).astype(np.int64) - weight.astype(np.int64) @ zeros
    multiplier, shift = fixed_point(unit / grid.scale)
    return AnnLayer(
        name, shape, tuple(sources), step, weight, whole.astype(np.int32), multiplier, shift, grid.zero, grid.scale
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module: a checkpoint's int8 form in a file; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cortexcore.train.quantize_ann", description=__doc__)
    parser.add_argument("model", type=Path, help="checkpoint of a ConvANN, made by: cortexcore train beat_ann")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--data", type=Path, help="folder that holds mitdb/; else CORTEXCORE_DATA or the user cache")
    options = parser.parse_args(arguments)
    try:
        checkpoint = load_checkpoint(options.model)
        model = require_ann(checkpoint.model)
        beats = fitted_beats(checkpoint.provenance, checkpoint.front_end, options.data, lambda line: print(line))
        calibration = thin(beats, CALIBRATION_BEATS)
        told = {**checkpoint.provenance, "calibrated": f"{len(calibration)} beats of the fitted records"}
        save_ann(options.out, quantize_ann(model, calibration, checkpoint.classes), told)
    except CortexCoreError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
