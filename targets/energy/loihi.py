"""Latency and energy on Loihi: operations of the golden trace × published costs. No official per-operation figure
exists for Loihi 2; the costs are Loihi 1's, from a pre-silicon simulation (Davies 2018), with SANA-FE's fit to Loihi 1
as the other end of the band wherever the two disagree.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cortexcore.targets.energy.constants import cite, constant
from cortexcore.targets.energy.operations import LayerOperations
from cortexcore.targets.profile import Figure

CORE_NEURONS, CORE_SYNAPSE_BYTES, CORES, TILE_CORES = 1024, 128 * 1024, 128, 4
"""Loihi 1: neurons and synapse memory of a core, cores of a chip, cores of a tile."""
PRICED = "Loihi 1's costs from pre-silicon simulation, graded inputs priced as spikes"
Times = NDArray[np.float64]


def cores_of(layer: LayerOperations) -> int:
    """Fewest cores that hold a population: by its neurons, and by its unrolled 8-bit synapses."""
    return max(-(-layer.neurons // CORE_NEURONS), -(-layer.connections // CORE_SYNAPSE_BYTES), 1)


def loihi_energy(layers: tuple[LayerOperations, ...], inference_s: Figure) -> dict[str, Figure]:
    """Joules per inference: synapses, neurons and messages make up dynamic; dynamic and static make up total."""
    steps, batch = layers[0].macs.shape
    conditions = f"{PRICED}, mean over {batch} inferences of {steps} steps"
    sums: list[tuple[float, float, float]] = [_synapses(layers), _neurons(layers), _messages(layers)]
    names = ("synaptic operations", "neuron updates", "spike messages")
    rows = (
        ("davies.synop_j", "sanafe.synop_dense_j", "sanafe.synop_conv_j"),
        ("davies.update_active_j", "davies.update_inactive_j", "sanafe.soma_access_j"),
        ("davies.tile_spike_j", "sanafe.axon_out_j"),
    )
    figures = {
        name: Figure(value / batch, "J", "modelled", cite(*cited), conditions, low / batch, high / batch)
        for name, cited, (value, low, high) in zip(names, rows, sums, strict=True)
    }
    figures["dynamic"] = _sum(list(figures.values()), conditions)
    watts = constant("pilotnet.static_w")
    figures["static"] = Figure(
        watts * inference_s.value,
        "J",
        "modelled",
        cite("pilotnet.static_w") + " × modelled latency",
        f"an upper bound: {watts} W, a larger network's cores on Loihi 2, for all of an inference's time",
        0.0,
        watts * (inference_s.value if inference_s.high is None else inference_s.high),
    )
    figures["total"] = _sum([figures["dynamic"], figures["static"]], f"{conditions}; static at its upper bound")
    return figures


def loihi_latency(layers: tuple[LayerOperations, ...], depth: Mapping[str, int]) -> dict[str, Figure]:
    """Seconds per step and per inference: a step lasts as long as its busiest core, and the barrier.

    Args:
        layers: the populations' operations.
        depth: population → connections between it and the inputs; each adds a step.
    """
    steps, batch = layers[0].macs.shape
    cores = sum(map(cores_of, layers))
    near = "davies.barrier_min_s" if cores <= TILE_CORES else "davies.barrier_max_s"
    synop = {True: constant("sanafe.synop_conv_s"), False: constant("sanafe.synop_dense_s")}
    plain = {kind: constant("davies.synop_s") for kind in (True, False)}
    slow = {kind: max(synop[kind], plain[kind]) for kind in (True, False)}
    fast = {kind: min(synop[kind], plain[kind]) for kind in (True, False)}
    middle = _step_times(layers, depth, constant(near), plain)
    low = _step_times(layers, depth, constant("davies.barrier_min_s"), fast)
    high = _step_times(layers, depth, constant("sanafe.barrier_max_s"), slow)
    source = cite("davies.synop_s", "sanafe.synop_dense_s")
    pipeline = max(depth.values())
    per = {
        "per step": (f"over {batch} inferences of {steps} steps", *(x.reshape(-1) for x in (middle, low, high))),
        "per inference": (
            f"{steps} steps and {pipeline} for the connections' depth, over {batch} inferences",
            *(x.sum(axis=0) for x in (middle, low, high)),
        ),
    }
    figures = {}
    for label, (what, *bands) in per.items():
        for percent in (50, 90, 99):
            value, least, most = (float(np.percentile(x, percent)) for x in bands)
            conditions = f"{PRICED}, {cores} cores, busiest core of each step and barrier, {what}"
            figures[f"{label} p{percent}"] = Figure(value, "s", "modelled", source, conditions, least, most)
    return figures


def occupancy(layer: LayerOperations) -> dict[str, Figure]:
    """Cores of one population, and how full they are."""
    cores = cores_of(layer)
    source = "Davies et al. 2018, IEEE Micro 38(1): 1,024 neurons and 128 KB of synapses a core"
    note = "fewest cores; 8-bit weights unrolled, without index bits"
    return {
        "cores": Figure(cores, "cores", "modelled", source, note),
        "neurons per core": Figure(-(-layer.neurons // cores), "neurons", "modelled", source, note),
        "synapse memory per core": Figure(-(-layer.connections // cores), "B", "modelled", source, note),
    }


def _synapses(layers: tuple[LayerOperations, ...]) -> tuple[float, float, float]:
    """Value, low and high of all synaptic operations, in joules over the whole batch."""
    davies = sum(float(x.synops.sum()) for x in layers) * constant("davies.synop_j")
    fit = sum(
        float(x.synops.sum()) * constant("sanafe.synop_conv_j" if x.convolution else "sanafe.synop_dense_j")
        for x in layers
    )
    return davies, min(davies, fit), max(davies, fit)


def _neurons(layers: tuple[LayerOperations, ...]) -> tuple[float, float, float]:
    """A neuron is active in a step where its current is not zero."""
    updates = sum(x.neurons * x.active.size for x in layers)
    active, spikes = (float(sum(int(getattr(x, k).sum()) for x in layers)) for k in ("active", "spikes"))
    davies = active * constant("davies.update_active_j") + (updates - active) * constant("davies.update_inactive_j")
    fit = updates * constant("sanafe.soma_access_j") + active * constant("sanafe.soma_update_j")
    fit += spikes * constant("sanafe.soma_spike_j")
    return davies, min(davies, fit), max(davies, fit)


def _messages(layers: tuple[LayerOperations, ...]) -> tuple[float, float, float]:
    """Every value that reaches a population is one message to each of its cores."""
    messages = float(sum(int(x.events.sum()) * cores_of(x) for x in layers))
    low, high = messages * constant("davies.tile_spike_j"), messages * constant("sanafe.axon_out_j")
    return low, low, high


def _step_times(
    layers: tuple[LayerOperations, ...], depth: Mapping[str, int], barrier_s: float, synop_s: Mapping[bool, float]
) -> Times:
    """Seconds of each step [T + depth, B]; before and after its window a population's neurons are inactive."""
    steps, batch = layers[0].macs.shape
    longest = np.zeros((steps + max(depth.values()), batch))
    active_s, inactive_s = constant("davies.update_active_s"), constant("davies.update_inactive_s")
    for x in layers:
        busy = np.full(longest.shape, x.neurons * inactive_s)
        window = slice(depth[x.name], depth[x.name] + steps)
        busy[window] = x.synops * synop_s[x.convolution] + x.active * active_s + (x.neurons - x.active) * inactive_s
        longest = np.maximum(longest, busy / cores_of(x))
    return longest + barrier_s


def _sum(parts: list[Figure], conditions: str) -> Figure:
    low = sum(p.value if p.low is None else p.low for p in parts)
    high = sum(p.value if p.high is None else p.high for p in parts)
    sources = "; ".join(dict.fromkeys(s for p in parts for s in p.source.split("; ")))
    return Figure(sum(p.value for p in parts), "J", "modelled", sources, conditions, low, high)
