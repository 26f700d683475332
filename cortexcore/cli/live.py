"""stream, simulate wearable and board, demo: commands on a serial port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexcore.cli.options import BundlePath, Data, Lead
from cortexcore.errors import CortexCoreError, StreamError

if TYPE_CHECKING:
    from cortexcore.sources import Source


def wearable(
    record: Annotated[str | None, typer.Option(metavar="208", help="MIT-BIH record to play.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Made-up ECG; needs no data.")] = False,
    speed: Annotated[float, typer.Option(metavar="X", help="Times real time; 0 is as fast as the host reads.")] = 1.0,
    faults: Annotated[
        str, typer.Option(metavar="SPEC", help="E.g. drop=0.01,corrupt=0.001,disconnect=30,seed=7.")
    ] = "",
    start: Annotated[float, typer.Option(metavar="S", help="Second of the record to begin with.")] = 0.0,
    duration: Annotated[float | None, typer.Option(metavar="S", help="Seconds; synthetic: 600 if not said.")] = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic ECG.")] = 1,
    lead: Lead = "MLII",
    data: Data = None,
) -> None:
    """Open a serial port that behaves like a wearable, print it, and play until Ctrl-C."""
    from cortexcore.firmware_sim.wearable import Wearable, parse_faults, run_wearable

    trouble = parse_faults(faults)
    source = _played("simulate wearable", record, synthetic, start, duration, seed, lead, data)
    device = Wearable(
        source.counts, source.rate_hz, source.gain_per_mv, source.lead, source.name, speed=speed, faults=trouble
    )
    run_wearable(device, _announce(f"playing {source.what}", speed))


def board(
    bundle: BundlePath,
    record: Annotated[str | None, typer.Option(metavar="208", help="MIT-BIH record at its electrodes.")] = None,
    synthetic: Annotated[bool, typer.Option("--synthetic", help="Made-up ECG; needs no data.")] = False,
    speed: Annotated[float, typer.Option(metavar="X", help="Times real time; 0 is as fast as it goes.")] = 1.0,
    start: Annotated[float, typer.Option(metavar="S", help="Second of the record to begin with.")] = 0.0,
    duration: Annotated[float | None, typer.Option(metavar="S", help="Seconds; synthetic: 600 if not said.")] = None,
    seed: Annotated[int, typer.Option(help="Of the synthetic ECG.")] = 1,
    lead: Lead = "MLII",
    data: Data = None,
) -> None:
    """Run a model's firmware on an emulated Cortex-M4 behind a serial port, print the port, and go on until Ctrl-C."""
    from cortexcore.firmware_sim.board import Electrodes, build_device, run_board
    from cortexcore.firmware_sim.codegen.options import CodegenOptions
    from cortexcore.runtime.bundle import load_bundle

    loaded = load_bundle(bundle)
    source = _played("simulate board", record, synthetic, start, duration, seed, lead, data)
    electrodes = Electrodes(source.counts, source.rate_hz, source.gain_per_mv, source.lead, source.name, speed=speed)
    elf = build_device(loaded.network, loaded.front_end, CodegenOptions())
    run_board(elf, electrodes, _announce(f"the firmware of '{loaded.name}' hears {source.what}", speed))


def _played(
    command: str,
    record: str | None,
    synthetic: bool,
    start: float,
    duration: float | None,
    seed: int,
    lead: str,
    data: Path | None,
) -> Source:
    """What the options of a simulated device name."""
    from cortexcore.sources import recording_source, synthetic_source

    if (record is None) != synthetic:
        raise CortexCoreError(f"{command} needs either --record, e.g. --record 208, or --synthetic")
    if synthetic and (start or lead != "MLII"):
        raise CortexCoreError("--start and --lead are of a record: leave them out with --synthetic")
    if record is not None:
        return recording_source(record, data, start, duration, lead)
    return synthetic_source(600.0 if duration is None else duration, seed)


def _announce(what: str, speed: float) -> Callable[[str], None]:
    """Prints a device's port for scripts, and what it does for people."""

    def opened(port: str) -> None:
        print(port, flush=True)
        pace = f"at {speed:g} times real time" if speed else "as fast as it is read"
        typer.echo(f"{what} {pace}; stop with Ctrl-C", err=True)

    return opened


def stream(
    bundle: BundlePath,
    port: Annotated[str, typer.Option(metavar="URL", help="/dev/ttyACM0, /dev/pts/3, socket://host:port, …")],
    protocol: Annotated[str, typer.Option(metavar="P", help="What the device speaks.")] = "cortexcore",
    target: Annotated[str, typer.Option(metavar="T", help="Where the network runs.")] = "onnx",
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Record signal and beats there, as WFDB.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", help="Seconds of signal to take.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Read ECG from a serial device and print its beats as they come."""
    from cortexcore.runtime.bundle import load_bundle
    from cortexcore.runtime.classifier import Classifier
    from cortexcore.runtime.frontend import FrontEnd
    from cortexcore.runtime.stream import Recorder, Sink, check_duration, open_source
    from cortexcore.runtime.stream import stream as run_session
    from cortexcore.runtime.stream.terminal import make_view

    check_duration(duration)
    loaded = load_bundle(bundle)
    classifier = Classifier(loaded, target)
    with open_source(port, protocol=protocol) as source:
        front_end = FrontEnd(loaded.front_end, source.info.gain_per_mv, source.info.rate_hz)
        sinks: list[Sink] = [make_view(json_lines=json_)]
        if record is not None:
            sinks.append(Recorder(record, source.info))
        summary = run_session(source, front_end, classifier.decide, sinks, duration_s=duration, classes=loaded.classes)
    if summary.problem is not None:
        raise StreamError(summary.problem)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the page and the recording go.")] = Path("demo-out"),
    data: Data = None,
) -> None:
    """Shipped model, virtual wearable on a real serial port, live beats, then one page about it all."""
    from cortexcore.demo.run import run_demo

    run_demo(out, data)
