"""run, compare, profile: commands on a network and arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortexcore.arrays import Arrays, read_arrays, result_arrays, to_batch, write_arrays
from cortexcore.cli.options import (
    CellMah,
    CellV,
    Chip,
    Data,
    Discretization,
    Dt,
    Hardware,
    Html,
    Json,
    Microcontroller,
    NetworkPath,
    Reset,
    configs,
    firmware_configs,
)
from cortexcore.errors import CortexCoreError
from cortexcore.export.files import require_writable, write_text
from cortexcore.export.report.html import require_packages, require_page

if TYPE_CHECKING:
    from cortexcore.opening import Opened
    from cortexcore.targets.compiled import Compiled

LEARNING_S, MINUTE_S = 300.0, 60.0
"""Where no arrays are given: a minute of ECG, of a record the first after EC57's learning period."""

InputFile = Annotated[Path, typer.Option("--input", metavar="IN.npz", help="One array per input node, or 'x'.")]
OptionalInput = Annotated[
    Path | None,
    typer.Option("--input", metavar="IN.npz", help="As for run; a bundle without it takes a minute of synthetic ECG."),
]
Record = Annotated[
    str | None, typer.Option(metavar="208", help="Instead: the beats of a minute of this MIT-BIH record (bundles).")
]


def run(
    network: NetworkPath,
    target: Annotated[str, typer.Option(metavar="T", help="Where to run it; 'cortexcore doctor' lists the targets.")],
    input_: InputFile,
    output: Annotated[Path, typer.Option(metavar="OUT.npz", help="One array per output node; a single one also as y.")],
    trace: Annotated[bool, typer.Option("--trace", help="Also spikes/<node>, and u/<node>, v/<node>.")] = False,
    dt: Dt = None,
    reset: Reset = None,
    discretization: Discretization = None,
    chip: Chip = None,
    hardware: Hardware = False,
) -> None:
    """Run a network on one target."""
    from cortexcore.opening import open_model

    require_writable(output)
    options = configs([target], chip, hardware)
    opened = open_model(network, dt, reset, discretization)
    if opened.graph is not None:
        print_assumed(opened.graph.metadata.get("assumed"))
    inputs, batched = to_batch(read_arrays(input_), opened.input_shapes())
    result = _compiled(opened, [target], options)[target].run(inputs, trace=trace)
    write_arrays(output, result_arrays(result, batched))
    steps, batch = next(iter(inputs.values())).shape[:2]
    rates = ", ".join(f"{name} {values.mean():.4f}" for name, values in result.spikes.items())
    print(
        f"{target}: {steps} steps, batch {batch}, written to {output}"
        + (f"; spikes per neuron and step: {rates}" if rates else "")
    )


def compare(
    network: NetworkPath,
    target: Annotated[list[str], typer.Option(metavar="A", help="Two or more; the first is the yardstick.")],
    input_: OptionalInput = None,
    record: Record = None,
    data: Data = None,
    json_: Json = None,
    dt: Dt = None,
    reset: Reset = None,
    discretization: Discretization = None,
    chip: Chip = None,
) -> None:
    """Run a network on several targets and count the spikes that differ, per layer and step."""
    from cortexcore.api import compare as compare_targets
    from cortexcore.opening import open_model

    if len(target) < 2:
        raise CortexCoreError("compare needs at least two targets, e.g. --target integer --target onnx")
    require_writable(json_)
    options = configs(target, chip)
    opened = open_model(network, dt, reset, discretization)
    inputs = _inputs(opened, input_, record, data)
    comparison = compare_targets(_compiled(opened, target, options), target, inputs)
    print(comparison.to_text())
    if json_ is not None:
        write_text(json_, json.dumps(comparison.to_json(), indent=1))


def profile(
    network: NetworkPath,
    target: Annotated[list[str], typer.Option(metavar="T", help="One or more targets.")],
    input_: OptionalInput = None,
    record: Record = None,
    data: Data = None,
    json_: Json = None,
    html: Html = None,
    dt: Dt = None,
    reset: Reset = None,
    discretization: Discretization = None,
    chip: Chip = None,
    board: Microcontroller = None,
    cell_mah: CellMah = None,
    cell_v: CellV = None,
) -> None:
    """Latency, operations, memory and energy of a network per target, side by side and beside an int8 ANN of its shape.

    Every figure has its kind (measured, simulated, modelled) and source. The JSON holds one object per target, whose
    keys are the attributes of cortexcore.targets.profile.Profile.
    """
    from cortexcore.opening import open_model
    from cortexcore.targets.profiling import require_profilable
    from cortexcore.targets.report import profiles_html, profiles_text

    require_writable(json_, html)
    if html is not None:
        require_page(html)
        require_packages()
    names = list(dict.fromkeys(target))
    options = {**configs(names, chip), **firmware_configs(names, board, cell_mah, cell_v)}
    require_profilable(names)
    opened = open_model(network, dt, reset, discretization)
    inputs = _inputs(opened, input_, record, data)
    compiled = _compiled(opened, names, options)
    profiles = []
    for i, (name, ready) in enumerate(compiled.items(), start=1):
        print(f"profile: {name} ({i} of {len(names)})", flush=True)
        profiles.append(ready.profile(inputs))
    print(profiles_text(profiles))
    if json_ is not None:
        write_text(json_, json.dumps([p.to_json() for p in profiles], indent=1))
    if html is not None:
        write_text(html, profiles_html(profiles, str(network)))


def _inputs(opened: Opened, file: Path | None, record: str | None, data: Path | None) -> Arrays:
    """The arrays of ``file``; else, through the bundle's front end, a minute of a record or of synthetic ECG."""
    from cortexcore.sources import beat_inputs, recording_source, synthetic_source

    if file is not None and record is not None:
        raise CortexCoreError("give either --input or --record, not both")
    if file is not None:
        return to_batch(read_arrays(file), opened.input_shapes())[0]
    if opened.bundle is None:
        raise CortexCoreError(f"'{opened.path}' has no front end that could make an input: give --input IN.npz")
    source = synthetic_source(MINUTE_S) if record is None else recording_source(record, data, LEARNING_S, MINUTE_S)
    inputs = beat_inputs(source, opened.bundle.front_end, opened.bundle.steps)
    print(f"input: {next(iter(inputs.values())).shape[1]} beats of {source.what}")
    return inputs


def _compiled(opened: Opened, names: Sequence[str], options: Mapping[str, Any]) -> dict[str, Compiled]:
    """The network on each target, said what a target takes in another way than it was written."""
    compiled = {name: opened.compiled(name, options.get(name)) for name in names}
    for name, ready in compiled.items():
        for note in ready.target.check(ready.network).notes:
            print(f"{name}: {note}")
    return compiled


def print_assumed(assumed: object) -> None:
    """Say what a foreign file left open and was given instead."""
    if isinstance(assumed, dict) and assumed:
        print("assumed, since the file does not say: " + ", ".join(f"{k} = {v}" for k, v in assumed.items()))
