"""The page's plots, as matplotlib figures; axes are labelled with their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cortexcore.demo.session import Session
from cortexcore.export.report.html import new_figure
from cortexcore.export.report.style import INK
from cortexcore.runtime.frontend import UNIT_PER_MV

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASS_COLOURS = {"N": "#4b5563", "S": "#b45309", "V": "#b91c1c", "F": "#7c3aed", "Q": "#0f766e"}
ROW_S = 20.0
"""Seconds of signal per row of the strip, as on paper."""


def ecg_strip(session: Session) -> Figure:
    """The filtered signal in rows, every beat with the network's class."""
    rate = session.source.rate_hz
    signal = session.filtered / UNIT_PER_MV
    rows = max(1, int(np.ceil(len(signal) / rate / ROW_S)))
    low, high = np.percentile(signal, [0.05, 99.95]) if len(signal) else (-1.0, 1.0)
    figure, axes = new_figure(11, 1.5 * rows + 0.5, rows)
    axes = np.atleast_1d(axes)
    for row, axis in enumerate(axes):
        start = round(row * ROW_S * rate)
        piece = signal[start : start + round(ROW_S * rate)]
        axis.plot(start / rate + np.arange(len(piece)) / rate, piece, color=INK, linewidth=0.7)
        axis.set_xlim(row * ROW_S, (row + 1) * ROW_S)
        axis.set_ylim(low - 0.1 * (high - low), high + 0.35 * (high - low))
        axis.set_ylabel("mV")
    for decision in session.decisions:
        time_s = decision.beat.sample / rate
        axis = axes[min(int(time_s // ROW_S), rows - 1)]
        colour = CLASS_COLOURS.get(decision.label, INK)
        axis.text(
            time_s, high + 0.18 * (high - low), decision.label, color=colour, ha="center", fontsize=8, weight="bold"
        )
    axes[-1].set_xlabel("time since the stream began, s")
    return figure


def rr_intervals(session: Session) -> Figure:
    """Interval to the beat before, per beat and class."""
    rate = session.source.rate_hz
    figure, axis = new_figure(11, 2.3)
    for label in CLASS_COLOURS:
        beats = [d.beat for d in session.decisions if d.label == label and d.beat.rr_ms > 0]
        if beats:
            times = [beat.sample / rate for beat in beats]
            axis.plot(times, [b.rr_ms for b in beats], "o", ms=4, color=CLASS_COLOURS[label], label=label)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("time since the stream began, s")
    axis.set_ylabel("RR interval, ms")
    axis.legend(title="class", ncols=5, frameon=False, loc="lower right")
    return figure


def raster(spikes: Mapping[str, NDArray[Any]], scores: NDArray[Any], classes: Sequence[str]) -> Figure:
    """Spikes of every neuron and step of one inference, layer by layer, and the readout's membranes below.

    Args:
        spikes: population → [T, *shape], one inference.
        scores: [T, classes], the readout's membranes in integer units.
        classes: their names.
    """
    figure, axes = new_figure(8, 1.3 * (len(spikes) + 1), len(spikes) + 1)
    for axis, (name, values) in zip(axes, spikes.items(), strict=False):
        flat = values.reshape(len(values), -1)
        step, neuron = np.nonzero(flat)
        axis.plot(step, neuron, "|", color="#1d4ed8", ms=2.5, mew=0.8)
        axis.set_ylim(-1, flat.shape[1])
        axis.set_ylabel(f"{name}\nneuron", fontsize=8)
    for index, label in enumerate(classes):
        axes[-1].plot(scores[:, index], "o-", ms=3, color=CLASS_COLOURS.get(label, INK), label=label)
    axes[-1].set_ylabel("readout v,\ninteger units", fontsize=8)
    axes[-1].set_xlabel("time step")
    axes[-1].legend(ncols=len(classes), frameon=False, fontsize=8, loc="upper left")
    for axis in axes:
        axis.set_xticks(range(len(scores)))
        axis.set_xlim(-0.5, len(scores) - 0.5)
    return figure
