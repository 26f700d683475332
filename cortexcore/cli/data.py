"""data list, fetch, verify: public recordings."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cortexcore.cli.options import Data

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Database, e.g. mitdb.")]


def list_(data: Data = None) -> None:
    """The databases CortexCore knows, and how much of each is here."""
    from cortexcore.train.recordings.datasets import list_datasets

    for status in list_datasets(data):
        dataset = status.dataset
        where = f" in {status.folder}" if status.folder and status.present else ""
        print(f"{dataset.name}: {dataset.title}, {dataset.licence}")
        print(f"  {len(status.present)} of {len(dataset.records)} records here{where}")
        if status.missing:
            print(f"  missing: {' '.join(status.missing)}; cortexcore data fetch {dataset.name} brings them")


def fetch(name: Name = "mitdb", data: Data = None) -> None:
    """Fetch a database from PhysioNet, with checksums; goes on where it broke off."""
    from cortexcore.train.recordings.fetch import FetchStep, fetch_dataset

    with _progress() as bar:
        task = bar.add_task(name, total=None)

        def step(done: FetchStep) -> None:
            bar.update(task, completed=done.done, total=done.total, description=done.file)

        report = fetch_dataset(name, data, progress=step)
    print(f"{name}: {len(report.fetched)} files fetched, {len(report.kept)} were here already, in {report.folder}")


def verify(name: Name = "mitdb", data: Data = None) -> None:
    """Check the recordings that are here against their publisher's checksums; works offline."""
    from cortexcore.train.recordings.verify import verify_dataset

    with _progress() as bar:
        task = bar.add_task(name, total=None)

        def step(record: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"record {record}")

        report = verify_dataset(name, data, step)
    print(f"{report.folder}: {len(report.records)} records match their headers' checksums, ", end="")
    print(f"{len(report.files)} files match the published SHA-256, {len(report.missing)} records are not here")
    for problem in report.problems:
        typer.echo(problem, err=True)
    if not report.ok:
        raise typer.Exit(1)


def _progress() -> Progress:
    """A bar on a terminal; silent elsewhere, where the summary line says it all."""
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), transient=True)
    progress.disable = not progress.console.is_terminal
    return progress
