"""quantize: a float graph becomes an integer network, judged and over several bit widths."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexcore.cli.networks import print_assumed
from cortexcore.cli.options import Data, Discretization, Dt, NetworkPath, Reset
from cortexcore.errors import CortexCoreError, GraphError
from cortexcore.export.files import require_writable, write_text
from cortexcore.export.quantize.config import ScaleChoice
from cortexcore.export.report.html import require_packages, require_page

if TYPE_CHECKING:
    from cortexcore.study import Wish

Calibration = Annotated[
    str | None,
    typer.Option(
        metavar="X.npz|101,106", help="Typical inputs for ranges and scales: a file, or MIT-BIH records (our models)."
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        metavar="Y.npz|118,119",
        help="What the network is judged on, else the calibration; a file may hold the classes as 'labels' [B].",
    ),
]


def quantize(
    graph: NetworkPath,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.nir", help="Integer NIR file to write.")],
    bits: Annotated[int, typer.Option(help="Weight bits, 2 to 8.")] = 8,
    layer_bits: Annotated[
        list[str] | None, typer.Option(metavar="LAYER=BITS", help="Bits of one layer instead; repeatable.")
    ] = None,
    scale: Annotated[
        ScaleChoice | None,
        typer.Option(help="What maps to the top of the grid; if not said, 'activity' with calibration, else 'max'."),
    ] = None,
    calibration: Calibration = None,
    judge: Judge = None,
    data: Data = None,
    max_bytes: Annotated[
        int | None, typer.Option(metavar="N", help="Choose each layer's bits so that the weights fit.")
    ] = None,
    max_energy_uj: Annotated[
        float | None, typer.Option(metavar="E", help="Likewise by the modelled energy of an inference.")
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(metavar="8,7,6,5,4,3,2", help="Also report the network at these bit widths.")
    ] = None,
    input_step: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=STEP", help="Float value of one integer unit, for networks of float inputs; repeatable."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="R.html", help="Write the report, and R.json beside it.")
    ] = None,
    dt: Dt = None,
    reset: Reset = None,
    discretization: Discretization = None,
) -> None:
    """Turn a float graph into an integer network, and say what that did to it."""
    from cortexcore.export.nir_io import write_integer_nir
    from cortexcore.export.passes.input_steps import with_input_steps
    from cortexcore.export.quantize.config import usual
    from cortexcore.export.report.sweep import checked_widths
    from cortexcore.opening import open_model
    from cortexcore.study import Wish, check_wish, quantized

    require_writable(output, report)
    figures = None if report is None else report.with_suffix(".json")
    _check_places(graph, output, *(page for page in (report, figures) if page is not None))
    base = usual(calibrated=calibration is not None)
    config = replace(base, bits=bits, overrides=bits_per_layer(layer_bits or ()), scale=scale or base.scale)
    steps = _steps(input_step or ())
    widths = () if sweep is None else _widths(sweep)
    if sweep is not None:
        checked_widths(widths)
    if report is not None:
        require_page(report)
        require_packages()
    opened = open_model(graph, dt, reset, discretization)
    if opened.graph is None:
        raise GraphError(
            f"'{graph}' is quantized already; give the float graph (a bundle keeps it if save_bundle(..., graph=graph) "
            "made it)"
        )
    prepared = with_input_steps(opened.graph, steps) if steps else opened.graph
    wish = Wish(prepared, config, max_bytes=max_bytes, max_energy_uj=max_energy_uj)
    check_wish(wish)
    print_assumed(opened.graph.metadata.get("assumed"))
    network, found = quantized(_with_samples(wish, calibration, judge, data), widths, _say)
    html = "" if report is None else found.to_html()
    write_integer_nir(network, output)
    print(found.to_text())
    if report is not None and figures is not None:
        write_text(report, html)
        write_text(figures, json.dumps(found.to_json(), indent=1))
        print(f"report: {report} and {figures}")
    print(f"integer network: {output}")


def _check_places(graph: Path, output: Path, *pages: Path) -> None:
    """Refuse before the work what could not be written after it, or would overwrite something of the same run."""
    require_writable(*pages)
    places = [graph.resolve(), output.resolve(), *(page.resolve() for page in pages)]
    if inside := [str(place) for place in (output, *pages) if graph.is_dir() and places[0] in place.resolve().parents]:
        raise CortexCoreError(f"{', '.join(inside)} lies in '{graph}', which is read and stays as it is; name another")
    if len(set(places)) < len(places):
        raise CortexCoreError(
            "two of the files of this run are the same: "
            + ", ".join(map(str, (graph, output, *pages)))
            + "; name another for -o or --report (whose figures go beside it as .json)"
        )


def bits_per_layer(options: Sequence[str]) -> dict[str, int]:
    """``["readout=4"]`` as {"readout": 4}."""
    found: dict[str, int] = {}
    for option in options:
        layer, _, bits = option.rpartition("=")
        if not layer or not bits.isdecimal():
            raise CortexCoreError(f"--layer-bits is '{option}', write it as LAYER=BITS, for example readout=4")
        if layer in found:
            raise CortexCoreError(f"--layer-bits gives the layer '{layer}' twice; name each once")
        found[layer] = int(bits)
    return found


def _steps(options: Sequence[str]) -> dict[str, float]:
    """``["x=0.0079"]`` as {"x": 0.0079}."""
    found: dict[str, float] = {}
    for option in options:
        name, _, text = option.rpartition("=")
        if name in found:
            raise CortexCoreError(f"--input-step gives the input '{name}' twice; name each once")
        try:
            found[name] = float(text)
        except ValueError:
            name = ""
        if not name:
            raise CortexCoreError(f"--input-step is '{option}', write it as INPUT=STEP, for example x=0.0079")
    return found


def _widths(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise CortexCoreError(f"--sweep is '{text}', write bit widths with commas between them, for example 8,6,4")
    return tuple(int(part) for part in parts)


def _with_samples(wish: Wish, calibration: str | None, judge: str | None, data: Path | None) -> Wish:
    """The wish with what the two options name."""
    from cortexcore.calibration import read_samples
    from cortexcore.train.beats import CALIBRATION_BEATS, JUDGED_BEATS

    if calibration is not None:
        found = read_samples(calibration, "--calibration", wish.graph, CALIBRATION_BEATS, data, _say)
        wish = replace(wish, calibration=found)
    if judge is not None:
        wish = replace(wish, judged=read_samples(judge, "--judge", wish.graph, JUDGED_BEATS, data, _say))
    return wish


def _say(line: str) -> None:
    """Progress: a plain line on stderr, so that stdout holds results alone."""
    print(line, file=sys.stderr, flush=True)
