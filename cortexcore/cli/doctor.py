"""doctor: what is installed, which targets work here, and what mends the rest."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cortexcore.health import examine


def doctor(json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False) -> None:
    """Say what is installed, which targets work, and what mends the rest."""
    findings = examine()
    if json_:
        print(json.dumps([finding.to_json() for finding in findings], indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found", "what mends it"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row("ok" if finding.ok else "--", finding.name, finding.found, finding.remedy)
    Console().print(table, highlight=False, markup=False)
