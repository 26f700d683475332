"""What one pass of an ANN takes: operations and memory, counted; NeuroBench's definitions, as for the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cortexcore.targets.ann.network import LOW, Ann
from cortexcore.targets.ann.run import Int8, run
from cortexcore.targets.energy.operations import fan_out

BIAS_BYTES = 4


@dataclass(frozen=True)
class AnnCost:
    """Per pass.

    Attributes:
        macs, effective_macs: weights that meet a value; those where neither is zero, mean over the passes.
        sparsity: share of zeros among what the layers with ReLU send; None where there is none.
        parameter_bytes: int8 weights and int32 biases.
        activation_bytes: the most int8 values alive at once, from the inputs on.
    """

    macs: int
    effective_macs: float
    sparsity: float | None
    parameter_bytes: int
    activation_bytes: int


def ann_cost(ann: Ann, inputs: Mapping[str, Int8]) -> AnnCost:
    """Counted over these passes, inputs [B, *shape]."""
    values: dict[str, Int8] = {**inputs, **run(ann, inputs)}
    batch = len(next(iter(inputs.values())))
    macs, effective = 0, 0
    for layer in ann.layers:
        for c in layer.connections:
            met, nonzero = fan_out(c.operation, ann.shape_of(c.source))
            present = np.count_nonzero((values[c.source] != ann.grid_of(c.source).zero).reshape(batch, -1), axis=0)
            macs += int(met.sum())
            effective += int(present @ nonzero)
    rectified = [values[layer.name] for layer in ann.layers if layer.relu]
    possible = sum(v.size for v in rectified)
    zeros = sum(int(np.count_nonzero(v == LOW)) for v in rectified)
    return AnnCost(
        macs,
        effective / batch,
        zeros / possible if possible else None,
        sum(c.operation.weight.size + BIAS_BYTES * c.bias.size for layer in ann.layers for c in layer.connections),
        _most_alive(ann),
    )


def _most_alive(ann: Ann) -> int:
    """The largest number of values that wait at any layer: its own, and all that it or a later one still reads."""
    sizes = {t.name: int(np.prod(t.shape)) for t in ann.tensors}
    most = 0
    for i, layer in enumerate(ann.layers):
        made = {p.name for p in ann.inputs} | {before.name for before in ann.layers[:i]}
        needed = {c.source for later in ann.layers[i:] for c in later.connections} | set(ann.outputs)
        most = max(most, sizes[layer.name] + sum(sizes[name] for name in made & needed))
    return most
