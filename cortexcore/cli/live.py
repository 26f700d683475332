"""stream, simulate wearable, demo: commands on a serial port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexcore.cli.options import BundlePath, Data
from cortexcore.errors import CortexCoreError


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
    data: Data = None,
) -> None:
    """Open a serial port that behaves like a wearable, print it, and play until Ctrl-C."""
    from cortexcore.firmware_sim.wearable import Wearable, parse_faults, run_wearable
    from cortexcore.sources import recording_source, synthetic_source

    if (record is None) != synthetic:
        raise CortexCoreError("simulate wearable needs either --record, e.g. --record 208, or --synthetic")
    trouble = parse_faults(faults)
    if record is not None:
        source = recording_source(record, data, start, duration)
    else:
        source = synthetic_source(600.0 if duration is None else duration, seed)
    device = Wearable(
        source.counts, source.rate_hz, source.gain_per_mv, source.lead, source.name, speed=speed, faults=trouble
    )

    def opened(port: str) -> None:
        print(port, flush=True)
        typer.echo(f"playing {source.what} at {speed:g} times real time; stop with Ctrl-C", err=True)

    run_wearable(device, opened)
