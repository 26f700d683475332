"""Options that several commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortexcore.export import graph, nodes

NetworkPath = Annotated[Path, typer.Argument(metavar="GRAPH.nir|BUNDLE", help="NIR file, or bundle folder or .zip.")]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Deployed model: folder or .zip.")]
Dt = Annotated[
    float | None, typer.Option("--dt", metavar="S", help="Step in seconds, for a NIR file that does not say it.")
]
Reset = Annotated[
    nodes.Reset | None, typer.Option("--reset", help="Reset of the neurons, for a NIR file that does not say it.")
]
Discretization = Annotated[
    graph.Discretization | None, typer.Option("--discretization", help="Of leaky neurons, for a NIR file without it.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with mitdb/; else CORTEXCORE_DATA, else what 'data fetch' got."),
]
Lead = Annotated[str, typer.Option(metavar="NAME", help="Lead of the record; the shipped model was fitted on MLII.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a self-contained page.")]
