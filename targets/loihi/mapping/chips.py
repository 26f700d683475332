"""What a core and a chip hold, from the one data file that has the limits with their citations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, get_args

from cortexcore.errors import GraphError
from cortexcore.targets.loihi.config import Chip


@dataclass(frozen=True)
class ChipLimits:
    """One chip's limits; everything but ``cores``, ``tile_cores`` and ``tiles_wide`` is per core.

    Attributes:
        title: the chip's name as people write it.
        cores: neuromorphic cores of the chip.
        neurons, axons_in, axons_out: how many a core holds.
        synapse_words: 64-bit words of synapse memory.
        weight_widths, index_widths: bits that a stored weight or index can have, ascending.
        dense_lists: synapses may be stored without indices, one weight for every neuron of the core.
        shared_kernels: a convolution may be stored once per core instead of unrolled.
        multicast: one axon takes a spike to all cores that it reaches, instead of one axon to each.
        tile_cores, tiles_wide: cores of a tile of the mesh, and tiles of one of its rows.
        sources: field → its citation, with the grade in brackets.
    """

    title: str
    cores: int
    neurons: int
    axons_in: int
    axons_out: int
    synapse_words: int
    weight_widths: tuple[int, ...]
    index_widths: tuple[int, ...]
    dense_lists: bool
    shared_kernels: bool
    multicast: bool
    tile_cores: int
    tiles_wide: int
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def of_core(self, use: str) -> int:
        """How much of one of the counted resources a core has, by its field's name."""
        return int(getattr(self, use))

    def said(self, name: str) -> str:
        """A limit as one reads it: "1,024", "yes" or "6, 7, 8"."""
        match getattr(self, name):
            case bool(allowed):
                return "yes" if allowed else "no"
            case tuple(widths):
                return ", ".join(map(str, widths))
            case number:
                return f"{number:,}"

    def tile(self, core: int) -> tuple[int, int]:
        """Column and row of a core's tile; cores fill the tiles in order, tiles the mesh row by row."""
        row, column = divmod(core // self.tile_cores, self.tiles_wide)
        return column, row


@cache
def chip_limits(chip: Chip) -> ChipLimits:
    """The limits of ``"loihi1"`` or ``"loihi2"``.

    Raises:
        GraphError: there is no such chip.
    """
    if chip not in get_args(Chip):
        raise GraphError(f"chip is '{chip}', it must be one of {', '.join(get_args(Chip))}")
    text = files("cortexcore.targets.loihi.mapping").joinpath("chips.json").read_text(encoding="utf-8")
    rows = json.loads(text)[chip]
    title = rows.pop("title")
    values: dict[str, Any] = {
        name: tuple(r["value"]) if isinstance(r["value"], list) else r["value"] for name, r in rows.items()
    }
    return ChipLimits(
        title=title, **values, sources={name: f"{r['source']} [{r['grade']}]" for name, r in rows.items()}
    )
