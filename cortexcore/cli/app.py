"""The command table and the one place where errors become exit codes.

0 done; 1 a user's mistake, one clear sentence on stderr; 2 wrong usage; 3 a target is not available here.
"""

from __future__ import annotations

import io
import sys

import typer

from cortexcore.cli import data, doctor, live, models, networks, quantize
from cortexcore.errors import CortexCoreError

app = typer.Typer(
    name="cortexcore",
    help="From a trained spiking neural network to hardware: the same network, bit for bit, on every target.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
simulate = typer.Typer(help="Devices without a device, behind a real serial port.", no_args_is_help=True)
recordings = typer.Typer(help="Public ECG recordings: list, fetch, verify.", no_args_is_help=True)

app.command()(doctor.doctor)
app.command()(live.demo)
app.add_typer(recordings, name="data")
app.command()(models.train)
app.command()(models.evaluate)
app.command()(models.export)
app.command()(quantize.quantize)
app.command()(networks.run)
app.command()(networks.compare)
app.command()(networks.profile)
app.command()(live.stream)
app.add_typer(simulate, name="simulate")

recordings.command("list")(data.list_)
recordings.command("fetch")(data.fetch)
recordings.command("verify")(data.verify)
simulate.command("wearable")(live.wearable)
simulate.command("board")(live.board)


def main() -> None:
    """Run the command line; never returns."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without our letters gets them escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CortexCoreError as error:
        print(f"cortexcore: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (MemoryError, RecursionError) as error:
        what = "memory" if isinstance(error, MemoryError) else "depth"
        print(
            f"cortexcore: this needs more {what} than there is ({error}); "
            "give fewer steps or inferences at a time, or a smaller network",
            file=sys.stderr,
        )
        sys.exit(1)
    except OSError as error:
        # What no command foresaw: a full disk, a folder without permission. Typer itself ends with 1 where the
        # reader of our output (`| head`) has left.
        where = f" '{error.filename}'" if error.filename else ""
        print(f"cortexcore: the system refused to read or write{where}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
