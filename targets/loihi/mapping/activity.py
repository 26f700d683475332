"""What each core does on given inputs, counted in the golden integer network's trace.

A value that is not zero is one message to every core that it reaches, where it costs a synaptic operation per weight
that is not zero; a recurrent connection's spikes arrive one step later, and those of the last step not at all.
Summed over a population's cores the synaptic operations are those of :mod:`cortexcore.targets.energy.operations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer import Array, Trace
from cortexcore.export.network import IntegerNetwork
from cortexcore.targets.loihi.mapping.cores import CoreMapping
from cortexcore.targets.loihi.mapping.links import Link
from cortexcore.targets.loihi.mapping.memory import Counts, Format


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts per step, inference and core, [T, B, cores].

    Attributes:
        synops: format of the synapses' memory → synaptic operations.
        active: neurons whose current u is not zero.
        spikes: neurons that fired.
        received, sent: messages that came in, the host's among them, and that left.
        messages: all messages of all steps and inferences, from core (row; the last row is the host) to core.
    """

    synops: Mapping[Format, Counts]
    active: Counts
    spikes: Counts
    received: Counts
    sent: Counts
    messages: Counts


def count_activity(
    mapping: CoreMapping, network: IntegerNetwork, inputs: Mapping[str, Array], trace: Trace
) -> Activity:
    """The counts of every core over a trace of these inputs [T, B, *shape]."""
    steps, batch = next(iter(trace.v.values())).shape[:2]
    cores = len(mapping.cores)
    synops: dict[Format, Counts] = {}
    received, sent = (np.zeros((steps, batch, cores), np.int64) for _ in range(2))
    messages = np.zeros((cores + 1, cores), np.int64)
    for link in mapping.links:
        fans, starts = mapping.fans(link), mapping.source_starts(link)
        present = _present(link, inputs, trace)
        target, source = mapping.of(link.target), mapping.sources(link)
        for core, done in zip(target, _times(present, fans), strict=True):
            kept = next(s for s in mapping.cores[core].synapses if s.name == link.name)
            synops.setdefault(kept.format, np.zeros_like(received))[:, :, core] += done
        reached = (fans > 0).astype(np.int64)
        received[:, :, target.start : target.stop] += np.moveaxis(_times(present, reached), 0, -1)
        if source:
            leaving = reached.sum(axis=1)
            for done, step in zip(sent, present, strict=True):
                done[:, source.start : source.stop] += np.add.reduceat(step * leaving, starts, axis=1)
        totals = np.add.reduceat(present.sum(axis=(0, 1))[:, None] * reached, starts, axis=0)
        rows = slice(source.start, source.stop) if source else slice(cores, cores + 1)
        messages[rows, target.start : target.stop] += totals
    active = {p.name: trace.u[p.name] for p in network.populations}
    return Activity(
        synops,
        _per_core(mapping, active, steps, batch),
        _per_core(mapping, trace.spikes, steps, batch),
        received,
        sent,
        messages,
    )


def _present(link: Link, inputs: Mapping[str, Array], trace: Trace) -> NDArray[np.bool_]:
    """Where a value that is not zero arrives through a link, [T, B, sources]."""
    values = inputs[link.source] if link.source in inputs else trace.spikes.get(link.source, trace.v[link.source])
    present: NDArray[np.bool_] = (np.asarray(values) != 0).reshape(*values.shape[:2], -1)
    if link.recurrent:
        present = np.concatenate([np.zeros_like(present[:1]), present[:-1]])
    return present


def _times(present: NDArray[np.bool_], weights: Counts) -> Counts:
    """``present`` [T, B, sources] times ``weights`` [sources, cores] → [cores, T, B], a step at a time.

    Through float64, whose sums are exact here: a step holds fewer than 2^53 synapses.
    """
    exact = weights.astype(np.float64)
    done: Counts = np.stack([(step.astype(np.float64) @ exact).T for step in present], axis=1).astype(np.int64)
    return done


def _per_core(mapping: CoreMapping, values: Mapping[str, Array], steps: int, batch: int) -> Counts:
    """How many of each core's neurons have a value that is not zero, [T, B, cores]; none where there are no values."""
    counted = np.zeros((steps, batch, len(mapping.cores)), np.int64)
    for i, core in enumerate(mapping.cores):
        if core.population in values:
            flat = values[core.population].reshape(steps, batch, -1)[:, :, core.first : core.last]
            counted[:, :, i] = np.count_nonzero(flat, axis=2)
    return counted
