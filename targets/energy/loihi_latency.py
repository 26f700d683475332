"""Latency on Loihi: a step lasts as long as its busiest core, and then all cores wait for each other.

Loihi 1's value is Davies 2018's pre-silicon simulation. Its band goes from the quickest of the published costs to
SANA-FE's fit with all its parts one after the other, though a core overlaps them. For Loihi 2 these costs are divided
by the factors that Intel states, and the band's end is Loihi 1's fit with what PilotNet was measured to take per
neuron of its fullest core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.energy.constants import cite_graded, constant, listed
from cortexcore.targets.loihi.config import Chip
from cortexcore.targets.loihi.mapping import Activity, CoreMapping, chip_limits
from cortexcore.targets.loihi.mapping.memory import Format
from cortexcore.targets.profile import Figure

Seconds = NDArray[np.float64]
_FIT_SYNOP_S: dict[Format, str] = {
    "dense": "sanafe.synop_dense_s",
    "sparse": "sanafe.synop_sparse_s",
    "shared": "sanafe.synop_conv_s",
}
_DAVIES = ("davies.synop_s", "davies.update_active_s", "davies.update_inactive_s")
_BARRIERS = ("davies.barrier_min_s", "davies.barrier_max_s")
_FIT_BARRIERS = ("sanafe.barrier_min_s", "sanafe.barrier_max_s")
"""Of one tile, and of most of a chip's."""
_FIT = (
    *_FIT_SYNOP_S.values(),
    "sanafe.soma_access_s",
    "sanafe.soma_update_s",
    "sanafe.soma_spike_s",
    "sanafe.axon_in_s",
    "sanafe.axon_out_s",
)
_INTEL = ("intel.synop_speedup_x", "intel.update_speedup_x", "intel.step_min_s")
ROWS: dict[Chip, tuple[str, ...]] = {
    "loihi1": (*_DAVIES, *_BARRIERS, *_FIT, *_FIT_BARRIERS),
    "loihi2": (*_DAVIES, *_INTEL, *_FIT, "pilotnet.neuron_step_s", *_FIT_BARRIERS),
}
"""Chip → the constants that its times come from."""


@dataclass(frozen=True)
class Costs:
    """Seconds per event on one core, and of the wait at each step's end."""

    synop: Mapping[Format, float]
    active: float
    inactive: float
    barrier: float
    spike: float = 0.0
    received: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True, eq=False)
class Busy:
    """Seconds that each core works in each step of the chip [steps, B, cores], and the barrier after it."""

    cores: Seconds
    barrier_s: float

    @property
    def steps(self) -> Seconds:
        """Seconds of each step of the chip, [steps, B]."""
        longest: Seconds = self.cores.max(axis=2) + self.barrier_s
        return longest


@dataclass(frozen=True, eq=False)
class LoihiTimes:
    """The same steps at the value and at both ends of the band."""

    value: Busy
    low: Busy
    high: Busy


def loihi_times(
    chip: Chip, mapping: CoreMapping, counts: Activity, depth: Mapping[str, int], every: int = 1
) -> LoihiTimes:
    """How long every core works in every step.

    Args:
        chip: whose costs are taken.
        mapping, counts: the cores, and what they did.
        depth: population → connections between it and the inputs; each adds a step, before which its neurons idle.
        every: steps of the chip per step of the network; in all but one of them neurons are inactive.
    """
    value, low, high = _costs(chip, mapping.tiles)
    return LoihiTimes(*(_busy(mapping, counts, depth, every, costs) for costs in (value, low, high)))


def latency_figures(chip: Chip, mapping: CoreMapping, times: LoihiTimes, steps: int) -> dict[str, Figure]:
    """ "per step" of the chip and "per inference" of ``steps`` of the network, p50, p90 and p99, in seconds."""
    spent = [busy.steps for busy in (times.value, times.low, times.high)]
    taken, batch = spent[0].shape
    what = f"over {batch} inferences of {steps} steps, for which the chip takes {taken}"
    spans = {"per step": [x.reshape(-1) for x in spent], "per inference": [x.sum(axis=0) for x in spent]}
    figures = {}
    for label, bands in spans.items():
        for percent in (50, 90, 99):
            middle, least, most = (float(np.percentile(x, percent)) for x in bands)
            note = f"{len(mapping.cores)} cores, busiest core of each step and barrier, {what}; {listed(*ROWS[chip])}"
            source = cite_graded(*ROWS[chip])
            figures[f"{label} p{percent}"] = Figure(middle, "s", "modelled", source, note, least, most)
    return figures


def layer_time_figures(mapping: CoreMapping, times: LoihiTimes) -> dict[str, dict[str, Figure]]:
    """Population → how long its busiest core works in a step, and in which share of the steps all others wait for it.

    The shares of all populations add up to 1; of cores that are equally busy the first decides.
    """
    names = list(dict.fromkeys(core.population for core in mapping.cores))
    deciding = times.value.cores.argmax(axis=2)
    figures: dict[str, dict[str, Figure]] = {}
    for name in names:
        cores = mapping.of(name)
        here = slice(cores.start, cores.stop)
        means = (float(x.cores[:, :, here].max(axis=2).mean()) for x in (times.value, times.low, times.high))
        value, low, high = means
        decides = float(((deciding >= cores.start) & (deciding < cores.stop)).mean())
        source = "as the latency of the network"
        figures[name] = {
            "busy per step": Figure(value, "s", "modelled", source, "its busiest core, mean over all steps", low, high),
            "decides": Figure(decides, "of all steps", "modelled", source, "where its core is the busiest of all"),
        }
    return figures


def _costs(chip: Chip, tiles: int) -> tuple[Costs, Costs, Costs]:
    """Value, low and high."""
    plain, active, inactive = (constant(row) for row in _DAVIES)
    fitted: dict[Format, float] = {kind: constant(row) for kind, row in _FIT_SYNOP_S.items()}
    near, far = (constant(row) for row in _BARRIERS)
    slowest = constant(_FIT_BARRIERS[tiles > 1])
    access, update, spike, received, sent = (constant(row) for row in _FIT[len(_FIT_SYNOP_S) :])
    slow = {kind: max(plain, seconds) for kind, seconds in fitted.items()}
    match chip:
        case "loihi1":
            work = idle = 1.0
            whole = chip_limits("loihi1")  # the barrier's upper figure is that of all its tiles
            reaches = near
            barrier = near + (far - near) * (tiles - 1) / (whole.cores // whole.tile_cores - 1)
            longest = access + update, access
        case "loihi2":
            work, idle = constant("intel.synop_speedup_x"), constant("intel.update_speedup_x")
            reaches = barrier = constant("intel.step_min_s")
            longest = (constant("pilotnet.neuron_step_s"),) * 2
        case _:
            raise TypeError(f"no times for the chip {chip}")
    value = Costs(dict.fromkeys(fitted, plain / work), active / idle, inactive / idle, barrier)
    quick: dict[Format, float] = {kind: min(plain, seconds) / work for kind, seconds in fitted.items()}
    low = Costs(quick, active / idle, inactive / idle, reaches)
    return value, low, Costs(slow, *longest, slowest, spike, received, sent)


def _busy(mapping: CoreMapping, counts: Activity, depth: Mapping[str, int], every: int, costs: Costs) -> Busy:
    """Before, between and after its own steps a population's neurons are inactive."""
    steps, batch, _ = counts.active.shape
    neurons = np.array([core.neurons for core in mapping.cores], np.float64)
    window = counts.active * costs.active + (neurons - counts.active) * costs.inactive
    window += counts.spikes * costs.spike + counts.received * costs.received + counts.sent * costs.sent
    for kind, done in counts.synops.items():
        window += done * costs.synop[kind]
    busy = np.empty(((steps - 1) * every + 1 + max(depth.values()), batch, len(neurons)))
    busy[:] = neurons * costs.inactive
    for i, core in enumerate(mapping.cores):
        late = depth[core.population]
        busy[late : late + steps * every : every, :, i] = window[:, :, i]
    return Busy(busy, costs.barrier)
