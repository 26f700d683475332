"""Energy on Loihi: what each core did × published costs, per term, layer and inference.

No official figure per operation exists for Loihi 2. The value of each term is Loihi 1's cost from a pre-silicon
simulation (Davies 2018), on either chip, and SANA-FE's fit to measurements of Loihi 1 is the other end of the band
wherever the two disagree. For Loihi 2 what was measured of one network, PilotNet, is scaled beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cortexcore.targets.energy.constants import cite_graded, constant, listed
from cortexcore.targets.loihi.config import Chip
from cortexcore.targets.loihi.mapping import Activity, CoreMapping
from cortexcore.targets.loihi.mapping.memory import Counts, Format
from cortexcore.targets.profile import Figure

FIT_SYNOP_J: dict[Format, str] = {
    "dense": "sanafe.synop_dense_j",
    "sparse": "sanafe.synop_sparse_j",
    "shared": "sanafe.synop_conv_j",
}
_HOPS = ("davies.hop_ew_j", "davies.hop_ns_j", "sanafe.hop_ew_j", "sanafe.hop_ns_j")
_NEURON_FIT = ("sanafe.soma_access_j", "sanafe.soma_update_j", "sanafe.soma_spike_j")
ROWS = {
    "synaptic operations": ("davies.synop_j", *FIT_SYNOP_J.values()),
    "neuron updates": ("davies.update_active_j", "davies.update_inactive_j", *_NEURON_FIT),
    "spike messages": ("davies.tile_spike_j", "sanafe.axon_out_j"),
    "hops between tiles": _HOPS,
    "input injection": ("davies.tile_spike_j", *_HOPS),
}
"""Term → the constants it is priced with. The terms add up to the dynamic energy."""
STATIC: dict[Chip, tuple[str, str]] = {
    "loihi1": ("frady.core_static_w", "frady.chip_static_w"),
    "loihi2": ("pilotnet.core_static_w", "pilotnet.static_w"),
}
"""Chip → static power of a core in use, and the least that is known of a whole chip's."""
PRICED = {
    "loihi1": "graded inputs priced as spikes",
    "loihi2": "Loihi 1's costs, since none are published for Loihi 2; graded inputs priced as spikes",
}


@dataclass(frozen=True)
class Joules:
    """Joules with their band."""

    value: float
    low: float
    high: float

    @classmethod
    def between(cls, simulated: float, fitted: float) -> Joules:
        """The simulated costs' value, and a band from one to the other."""
        return cls(simulated, min(simulated, fitted), max(simulated, fitted))

    def __add__(self, other: Joules) -> Joules:
        return Joules(self.value + other.value, self.low + other.low, self.high + other.high)


def layer_energy_j(mapping: CoreMapping, counts: Activity, every: int = 1) -> dict[str, dict[str, Joules]]:
    """Population → term → joules per inference. What a message costs is its sender's, the host's its receiver's.

    Args:
        mapping, counts: the cores, and what they did.
        every: steps of the chip per step of the network; in all but one of them neurons are inactive.
    """
    names = list(dict.fromkeys(core.population for core in mapping.cores))
    return {name: _terms(mapping, counts, mapping.of(name), every) for name in names}


def loihi_energy(
    chip: Chip, mapping: CoreMapping, counts: Activity, layers: Mapping[str, Mapping[str, Joules]], inference_s: Figure
) -> dict[str, Figure]:
    """Joules per inference: the terms make up dynamic; dynamic and static make up total.

    Args:
        chip: whose static power is taken.
        mapping, counts: the cores, and what they did.
        layers: from :func:`layer_energy_j`.
        inference_s: an inference's duration, with its band.
    """
    steps, batch = counts.active.shape[:2]
    conditions = f"{PRICED[chip]}, mean over {batch} inferences of {steps} steps"
    terms = {term: total([layer[term] for layer in layers.values()]) for term in ROWS}
    figures = {term: energy_figure(joules, ROWS[term], conditions) for term, joules in terms.items()}
    dynamic, static = total(list(terms.values())), _static(chip, mapping, inference_s)
    figures["dynamic"] = sum_figure(dynamic, "the terms above", conditions)
    core, whole = STATIC[chip]
    figures["static"] = Figure(
        static.value,
        "J",
        "modelled",
        f"{cite_graded(core, whole)} × modelled latency",
        f"{len(mapping.cores)} cores in use for all of an inference; the most: a whole chip; {listed(core, whole)}",
        static.low,
        static.high,
    )
    figures["total"] = sum_figure(dynamic + static, "dynamic and static above", conditions)
    if chip == "loihi2":
        figures["dynamic, scaled from PilotNet"] = _scaled(mapping, steps)
    return figures


def energy_figure(joules: Joules, rows: tuple[str, ...], conditions: str) -> Figure:
    """A modelled energy that cites the constants it is priced with, and lists them."""
    note = f"{conditions}; {listed(*rows)}"
    return Figure(joules.value, "J", "modelled", cite_graded(*rows), note, joules.low, joules.high)


def sum_figure(joules: Joules, what: str, conditions: str) -> Figure:
    """A sum of modelled energies that are cited where they stand."""
    return Figure(joules.value, "J", "modelled", f"sum of {what}", conditions, joules.low, joules.high)


def total(parts: list[Joules]) -> Joules:
    """The sum, value and band."""
    return sum(parts, Joules(0.0, 0.0, 0.0))


def _terms(mapping: CoreMapping, counts: Activity, cores: range, every: int) -> dict[str, Joules]:
    steps, batch = counts.active.shape[:2]
    here = slice(cores.start, cores.stop)
    synops = {kind: float(done[:, :, here].sum()) / batch for kind, done in counts.synops.items()}
    active, spikes = (float(x[:, :, here].sum()) / batch for x in (counts.active, counts.spikes))
    updates = float(sum(mapping.cores[i].neurons for i in cores) * steps * every)
    sent, injected = counts.messages[here] / batch, counts.messages[-1:, here] / batch
    columns, rows = _hops(mapping)
    leaving = float((sent * columns[here]).sum()), float((sent * rows[here]).sum())
    arriving = float((injected * columns[-1:, here]).sum()), float((injected * rows[-1:, here]).sum())
    idle = active * constant("davies.update_active_j") + (updates - active) * constant("davies.update_inactive_j")
    access, update, fire = (constant(name) for name in _NEURON_FIT)
    inside = constant("davies.tile_spike_j")
    return {
        "synaptic operations": Joules.between(
            sum(synops.values()) * constant("davies.synop_j"),
            sum(done * constant(FIT_SYNOP_J[kind]) for kind, done in synops.items()),
        ),
        "neuron updates": Joules.between(idle, updates * access + active * update + spikes * fire),
        "spike messages": Joules.between(float(sent.sum()) * inside, float(sent.sum()) * constant("sanafe.axon_out_j")),
        "hops between tiles": Joules.between(_hop_j("davies", *leaving), _hop_j("sanafe", *leaving)),
        "input injection": Joules.between(
            float(injected.sum()) * inside + _hop_j("davies", *arriving), _hop_j("sanafe", *arriving)
        ),
    }


def _hop_j(source: str, columns: float, rows: float) -> float:
    return columns * constant(f"{source}.hop_ew_j") + rows * constant(f"{source}.hop_ns_j")


def _hops(mapping: CoreMapping) -> tuple[Counts, Counts]:
    """Hops east or west, and north or south, from every core (row; the last is the host, at the first tile) to each."""
    tiles = np.array([mapping.limits.tile(i) for i in range(len(mapping.cores))])
    origins = np.concatenate([tiles, np.zeros((1, 2), tiles.dtype)])
    apart = np.abs(origins[:, None] - tiles[None])
    return apart[:, :, 0], apart[:, :, 1]


def _static(chip: Chip, mapping: CoreMapping, inference_s: Figure) -> Joules:
    core, whole = (constant(row) for row in STATIC[chip])
    used = len(mapping.cores) * core
    low, high = (inference_s.value if x is None else x for x in (inference_s.low, inference_s.high))
    return Joules(used * inference_s.value, used * low, max(used, whole) * high)


def _scaled(mapping: CoreMapping, steps: int) -> Figure:
    """What PilotNet's measured dynamic energy would be for as many neurons, or cores, and steps."""
    rows = ("pilotnet.neuron_step_j", "pilotnet.core_step_j")
    neurons = sum(core.neurons for core in mapping.cores) * steps * constant(rows[0])
    cores = len(mapping.cores) * steps * constant(rows[1])
    note = f"not part of the sum: a measured network of other activity, scaled by neurons, or by cores; {listed(*rows)}"
    return Figure(neurons, "J", "modelled", cite_graded(*rows), note, min(neurons, cores), max(neurons, cores))
