"""Options that several commands share, spelled once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cortexcore.errors import CortexCoreError
from cortexcore.export import graph, nodes
from cortexcore.targets.loihi import config

if TYPE_CHECKING:
    from cortexcore.targets.cortex_m.config import CortexMConfig

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
Chip = Annotated[config.Chip | None, typer.Option("--chip", help="Loihi: whose limits and costs; loihi2 if not said.")]
Hardware = Annotated[
    bool, typer.Option("--hardware", help="Loihi: run on Loihi 2 itself, with Lava's configuration for it.")
]

Microcontroller = Annotated[
    str | None,
    typer.Option("--board", metavar="NAME", help="cortex-m: whose clock and energy come first; nRF52840 if not said."),
]
CellMah = Annotated[
    float | None, typer.Option("--cell-mah", help="cortex-m: capacity of the cell it is fed by; a CR2032 if not said.")
]
CellV = Annotated[float | None, typer.Option("--cell-v", help="cortex-m: that cell's nominal voltage.")]


def configs(targets: Sequence[str], chip: config.Chip | None, hardware: bool = False) -> dict[str, config.LoihiConfig]:
    """Target → its options, where the command line gives any; CortexCoreError where the target is not among these."""
    if chip is None and not hardware:
        return {}
    if "loihi" not in targets:
        given = " and ".join(name for name, on in (("--chip", chip), ("--hardware", hardware)) if on)
        raise CortexCoreError(f"{given} goes with the target 'loihi': add --target loihi, or leave {given} out")
    usual = config.LoihiConfig()
    return {"loihi": replace(usual, chip=chip or usual.chip, hardware=hardware)}


def firmware_configs(
    targets: Sequence[str], board: str | None, cell_mah: float | None, cell_v: float | None
) -> dict[str, CortexMConfig]:
    """The same for the firmware's board and cell.

    Raises:
        CortexCoreError: the target is not among these, there is no such board, or half a cell is given.
    """
    given = {"--board": board, "--cell-mah": cell_mah, "--cell-v": cell_v}
    if said := " and ".join(name for name, value in given.items() if value is not None):
        from cortexcore.targets.cortex_m.config import CortexMConfig

        if "cortex-m" not in targets:
            raise CortexCoreError(f"{said} goes with the target 'cortex-m': add --target cortex-m, or leave {said} out")
        usual = CortexMConfig()
        return {"cortex-m": replace(usual, board=board or usual.board, cell_mah=cell_mah, cell_v=cell_v)}
    return {}
