"""How a layer's weights spread, wanted and as they came out on the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.graph import Graph
from cortexcore.export.network import WEIGHT_LIMIT, IntegerNetwork, Operation
from cortexcore.export.report.report import Histogram

Array = NDArray[Any]
BINS = (8, 48)
"""Fewest and most bins, 2·√(weights) between them: even ones before, after at most as many of whole grid levels."""
GRID_BITS = 9
"""A grid of b bits has steps of 2^(9 − b)."""


def weight_histograms(graph: Graph, network: IntegerNetwork) -> dict[str, tuple[Histogram, Histogram]]:
    """Layer → its weights before and after, both in the float graph's units with the neurons' gains folded in.

    Layers that only the integer network has are left out.
    """
    # quantize itself ends in a report: at import time this would be a circle
    from cortexcore.export.passes.populations import normal_form
    from cortexcore.export.quantize.effective import effective

    flat = graph.flat
    wanted = {n: w for p in normal_form(flat).populations for n, w in effective(p, flat).weights.items()}
    figures = network.metadata["quantization"]["populations"]
    return {
        s.name: (
            _before(wanted[s.name]),
            _after(s.operation, figures[p.name]["layers"][s.name]["bits"], figures[p.name]["unit"]),
        )
        for p in network.populations
        for s in p.synapses
        if s.name in wanted and s.name in figures[p.name]["layers"]
    }


def _before(weights: Array) -> Histogram:
    """Even bins from the lowest to the highest weight; a single value gets one narrow bin of its own."""
    low, high = float(weights.min()), float(weights.max())
    if low == high:
        half = abs(low) / 100 or 0.5
        return Histogram((low - half, high + half), (int(weights.size),))
    counts, edges = np.histogram(weights, _bins(weights.size))
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


def _after(operation: Operation, bits: int, unit: float) -> Histogram:
    """Bins of one or several grid levels, edges half-way between levels, over the levels in use."""
    step = 1 << (GRID_BITS - bits)
    levels = (operation.weight.reshape(-1).astype(np.int64) + WEIGHT_LIMIT) // step
    low, high = int(levels.min()), int(levels.max())
    together = -(-(high - low + 1) // _bins(levels.size))
    counts = np.bincount((levels - low) // together)
    edges = ((low + together * np.arange(len(counts) + 1) - 0.5) * step - WEIGHT_LIMIT) * unit
    return Histogram(tuple((edges * 2.0**operation.weight_exp).tolist()), tuple(counts.tolist()))


def _bins(weights: int) -> int:
    return int(np.clip(round(2 * weights**0.5), *BINS))
