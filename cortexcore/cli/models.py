"""train, evaluate, export: commands on a trained model and recordings."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cortexcore.cli.options import Data, Json, Lead
from cortexcore.cli.quantize import bits_per_layer
from cortexcore.errors import CortexCoreError
from cortexcore.export.files import write_text
from cortexcore.export.quantize.config import ScaleChoice
from cortexcore.export.report.html import require_packages

if TYPE_CHECKING:
    from cortexcore.runtime.frontend import FrontEndConfig
    from cortexcore.train.evaluation.evaluate import Classify
Checkpoint = Annotated[Path, typer.Argument(metavar="MODEL", help="Checkpoint, .safetensors or .pt.")]


def say(line: str) -> None:
    """Progress: a plain line on stderr, so that stdout holds results alone."""
    print(line, file=sys.stderr, flush=True)


def train(
    preset: Annotated[str, typer.Argument(metavar="PRESET", help="What to train: beat.")],
    data: Data = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Instead of the preset's own.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Instead of the preset's own.")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Checkpoint to write, .safetensors or .pt.")] = Path(
        "model.pt"
    ),
) -> None:
    """Train a model from recordings."""
    from cortexcore.train.presets import train_preset

    train_preset(preset, data=data, epochs=epochs, seed=seed, out=out, progress=say)
    print(f"checkpoint: {out}")


def export(
    model: Checkpoint,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="BUNDLE", help="Folder or .zip to write.")],
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="T", help="Put this target's artifact in; repeatable: a bundle is written anew."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Weight bits, 2 to 8.")] = 8,
    layer_bits: Annotated[
        list[str] | None, typer.Option(metavar="LAYER=BITS", help="Bits of one layer; repeatable.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Choose each layer's bits so that the weights fit N bytes.")
    ] = None,
    scale: Annotated[ScaleChoice, typer.Option(help="What maps to the top of the weight grid.")] = "activity",
    qat: Annotated[int, typer.Option(metavar="EPOCHS", help="Fine-tune the integer network; needs recordings.")] = 0,
    prune: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of each layer's weights to set to zero, the smallest.")
    ] = 0.0,
    prune_channels: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the hidden neurons and channels to take out.")
    ] = 0.0,
    data: Data = None,
) -> None:
    """Quantize a checkpoint, prune and fine-tune it where wanted, and write the deployed model."""
    from cortexcore.runtime.bundle import require_bundle_place, save_bundle
    from cortexcore.targets.registry import get_target
    from cortexcore.train.checkpoint import load_checkpoint
    from cortexcore.train.compress import GRID, Compression
    from cortexcore.train.deploy import deploy

    if model.is_dir() or model.suffix in (".zip", ".nir"):
        raise CortexCoreError(f"'{model}' is no checkpoint, which export takes; quantize a graph: cortexcore quantize")
    targets = list(dict.fromkeys(target or ()))
    require_bundle_place(output)
    require_packages()
    for name in targets:
        get_target(name)
    config = replace(GRID, bits=bits, overrides=bits_per_layer(layer_bits or ()), scale=scale)
    how = Compression(config, qat, weights=prune, channels=prune_channels)
    deployed = deploy(load_checkpoint(model), data, how, say, max_bytes)
    save_bundle(deployed.network, output, graph=deployed.graph, targets=targets)
    if deployed.network.report is not None:
        print(deployed.network.report.to_text())
    print(f"bundle: {output}")


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Bundle, or checkpoint (.safetensors, .pt).")],
    data: Data = None,
    split: Annotated[Literal["ds1", "ds2"] | None, typer.Option(help="A split of de Chazal.")] = None,
    records: Annotated[str | None, typer.Option(metavar="208,209", help="Records, comma-separated.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="T", help="Bundles: onnx if not said; checkpoints: PyTorch.")
    ] = None,
    lead: Lead = "MLII",
    detector: Annotated[Literal["own", "reference"], typer.Option(help="Who finds the beats.")] = "own",
    json_: Json = None,
    annotations: Annotated[Path | None, typer.Option(metavar="DIR", help="Write WFDB annotations there.")] = None,
) -> None:
    """Score a model on recordings as ANSI/AAMI EC57 says."""
    from cortexcore.train.evaluation.evaluate import evaluate as run_evaluation
    from cortexcore.train.recordings import split_records

    if (split is None) == (records is None):
        raise CortexCoreError("evaluate needs either --split ds1|ds2 or --records, e.g. --records 208,209")
    names = (
        list(split_records(split)) if split else [name.strip() for name in (records or "").split(",") if name.strip()]
    )
    if not names:
        raise CortexCoreError("--records names no record; write for example --records 208,209")
    if len(set(names)) < len(names):
        raise CortexCoreError(f"--records {records} names a record twice, which would count its beats twice")
    front_end, classify, what, fitted = _classifier(model, target)
    evaluation = run_evaluation(
        classify, front_end, names, data, detector=detector, lead=lead, annotations=annotations, progress=say
    )
    print(f"{what}\n{evaluation.to_text()}")
    known = [name for name in names if name in fitted]
    if known:
        print(f"fitted on {', '.join(known)}: figures on these records say nothing about new patients")
    if json_ is not None:
        write_text(json_, json.dumps({"model": what, "fitted_records": known, **evaluation.to_json()}, indent=1))


def _classifier(model: Path, target: str | None) -> tuple[FrontEndConfig, Classify, str, Sequence[str]]:
    """Front end, labels of many beats, in words what decides, and the records it was fitted on."""
    if model.suffix in (".safetensors", ".pt"):
        from cortexcore.train.checkpoint import load_checkpoint
        from cortexcore.train.predict import checkpoint_classifier

        if target is not None:
            raise CortexCoreError(f"'{model}' is a checkpoint, which runs in PyTorch: export it to evaluate '{target}'")
        checkpoint = load_checkpoint(model)
        what, provenance = f"checkpoint {model.name}, float, in PyTorch", checkpoint.provenance
        return checkpoint.front_end, checkpoint_classifier(checkpoint), what, provenance.get("fitted_records", ())
    from cortexcore.runtime.bundle import load_bundle
    from cortexcore.runtime.classifier import Classifier

    bundle = load_bundle(model)
    classifier = Classifier(bundle, target or "onnx")
    what, provenance = f"bundle {bundle.name} on target {classifier.target}", bundle.manifest.get("training") or {}
    return bundle.front_end, classifier.classify, what, provenance.get("fitted_records", ())
