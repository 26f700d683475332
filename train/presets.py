"""Named recipes for ``cortexcore train``: architecture, hyper-parameters, front end and records, all in one place."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortexcore.errors import CortexCoreError
from cortexcore.runtime.frontend import FrontEndConfig
from cortexcore.train.dataset import CLASSES, Beats, Detector, load_dataset
from cortexcore.train.recordings import DS1

if TYPE_CHECKING:
    from cortexcore.train.checkpoint import Checkpoint
    from cortexcore.train.fit import FitConfig
    from cortexcore.train.models.registry import Model

HELD_OUT: tuple[str, ...] = ("118", "119")
"""DS1 records the shipped beat classifier was not fitted on, kept so that it can be shown and checked on them."""


@dataclass(frozen=True)
class Preset:
    """A recipe that makes one trained model.

    Attributes:
        name, summary: what to type and what it gives.
        architecture: a key of :data:`cortexcore.train.models.registry.ARCHITECTURES`.
        model: fields of its configuration, but for the shapes, which follow from front end and classes.
        fit: fields of :class:`cortexcore.train.fit.FitConfig` that differ from its defaults.
        steps, dt_s: time steps per inference, and their length in seconds on the deployed device.
        records: what it is fitted on.
        detectors: how beats are found for training, see :func:`load_dataset`.
        front_end: what makes the network's input.
        seed: the default seed.
    """

    name: str
    summary: str
    architecture: str
    model: Mapping[str, Any]
    fit: Mapping[str, Any]
    steps: int
    dt_s: float
    records: tuple[str, ...]
    detectors: tuple[Detector, ...]
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    seed: int = 1


PRESETS: dict[str, Preset] = {
    "beat": Preset(
        name="beat",
        summary="beat classifier N S V F(+Q): ConvSNN over one lead and the rhythm, MIT-BIH DS1",
        architecture="conv_snn",
        model={},
        fit={},
        steps=6,
        dt_s=1e-3,
        records=tuple(name for name in DS1 if name not in HELD_OUT),
        detectors=("reference", "own"),
    ),
    "beat_ann": Preset(
        name="beat_ann",
        summary="the same without spikes, to compare with: ReLU for the neurons, one pass for all steps",
        architecture="conv_ann",
        model={},
        fit={"rate_penalty": 0.0},
        steps=1,
        dt_s=1e-3,
        records=tuple(name for name in DS1 if name not in HELD_OUT),
        detectors=("reference", "own"),
    ),
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        CortexCoreError: there is none.
    """
    if name not in PRESETS:
        raise CortexCoreError(f"preset '{name}' is unknown, use one of {', '.join(PRESETS)}")
    return PRESETS[name]


def train_preset(
    preset: str | Preset,
    data: Path | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    progress: Callable[[str], None] | None = None,
    records: Sequence[str] | None = None,
) -> Checkpoint:
    """Train a preset from recordings to checkpoint.

    Args:
        preset: its name, or a changed :class:`Preset`.
        data: folder of the recordings, see :func:`cortexcore.train.recordings.find_data`.
        epochs, seed, records: instead of the preset's own.
        out: where to write the checkpoint (``.pt`` or ``.safetensors``); None writes nothing.
        progress: called with one line per record read and per epoch.

    Raises:
        CortexCoreError: an unknown preset, or a value out of its range.
        DataError: recordings are missing or damaged, or ``out`` cannot be written.
        TargetUnavailable: PyTorch or snnTorch is not installed.
    """
    from cortexcore.train.checkpoint import Checkpoint, require_suffix, save_checkpoint

    chosen = get_preset(preset) if isinstance(preset, str) else preset
    if out is not None:
        require_suffix(out)
    seed = chosen.seed if seed is None else seed
    names = tuple(records) if records is not None else chosen.records
    config = fit_config(chosen, epochs)
    say = progress or (lambda line: None)
    beats = load_dataset(names, chosen.front_end, data, chosen.detectors, lambda name: say(f"reading record {name}"))
    model = fit_preset(chosen, beats, config, seed, say)
    provenance = {
        "preset": chosen.name,
        "database": "MIT-BIH Arrhythmia Database 1.0.0",
        "fitted_records": list(names),
        "held_out_records": [name for name in DS1 if name not in names],
        "detectors": list(chosen.detectors),
        "examples": {label: int((beats.labels == i).sum()) for i, label in enumerate(CLASSES)},
        "seed": seed,
        "fit": json.loads(json.dumps(asdict(config))),
        "versions": _versions(),
    }
    checkpoint = Checkpoint(model, chosen.front_end, CLASSES, chosen.steps, chosen.dt_s, provenance)
    if out is not None:
        save_checkpoint(out, checkpoint)
        say(f"wrote {out}")
    return checkpoint


def fit_config(preset: Preset, epochs: int | None = None) -> FitConfig:
    """The preset's hyper-parameters, with another number of epochs if given."""
    from cortexcore.train.fit import FitConfig

    config = FitConfig(**preset.fit)
    return config if epochs is None else replace(config, epochs=epochs)


def fit_preset(preset: Preset, beats: Beats, config: FitConfig, seed: int, say: Callable[[str], None]) -> Model:
    """Fit the preset's architecture to ``beats``, whose arrays give the shapes."""
    from cortexcore.train.fit import Epoch, fit

    def report(epoch: Epoch) -> None:
        rates = " ".join(f"{100 * rate:.1f}" for rate in epoch.rates)
        say(f"epoch {epoch.number}/{epoch.of}: loss {epoch.loss:.3f}, of 100 neurons a step sends: {rates}")

    shapes = {
        "channels": beats.windows.shape[1],
        "length": beats.windows.shape[2],
        "features": beats.rhythms.shape[1],
        "classes": len(CLASSES),
    }
    return fit(preset.architecture, {**preset.model, **shapes}, beats, preset.steps, config, seed, report)


def _versions() -> dict[str, str]:
    packages = ("cortexcore", "torch", "snntorch", "numpy", "scipy", "wfdb")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
