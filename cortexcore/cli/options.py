"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NetworkPath = Annotated[Path, typer.Argument(metavar="GRAPH.nir|BUNDLE", help="NIR file, or bundle folder or .zip.")]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Deployed model: folder or .zip.")]
Dt = Annotated[
    float | None, typer.Option("--dt", metavar="S", help="Step in seconds, for a NIR file that does not say it.")
]
Reset = Annotated[
    str | None, typer.Option("--reset", metavar="zero|subtract|none", help="Reset, for a NIR file that does not say.")
]
Discretization = Annotated[
    str | None,
    typer.Option("--discretization", metavar="euler|exponential", help="For a NIR file that does not say it."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with mitdb/; else CORTEXCORE_DATA, else what 'data fetch' got."),
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a self-contained page.")]
