"""What a bit width saves: a generic event-driven core in 45 nm, modelled.

A value that is not zero arrives and meets its weights: each is fetched at its own bits, and each that is not zero is
added (a graded value is multiplied first). Every neuron is updated in every step, its states read and written in 32
bits. Nothing else costs: no routing, control or leakage. So this compares bit widths of one network and nothing else;
at 8 bits, where no weight is zero, it is the SNN of :mod:`cortexcore.targets.energy.break_even`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cortexcore.errors import QuantizationError
from cortexcore.export.batches import batches
from cortexcore.export.integer import Array, Trace, run
from cortexcore.export.network import DECAY_ONE, IntegerNetwork, Population, Synapses
from cortexcore.export.report.evaluate import Pricing
from cortexcore.targets.energy.constants import cite, constant
from cortexcore.targets.energy.host import ADDS_PER_UPDATE
from cortexcore.targets.energy.operations import STATE_BYTES, fan_out

ROWS = ("horowitz.int8_mul_j", "horowitz.int32_add_j", "horowitz.int32_mul_j", "horowitz.cache_word_j")
WORD_BITS = 32


def joules(network: IntegerNetwork, inputs: Mapping[str, Array], trace: Trace) -> float:
    """Energy of all inferences of a run together.

    Args:
        network: a quantized network; its metadata says each layer's bits.
        inputs: input name → integers [T, B, *shape].
        trace: what the golden integer network did on them.

    Raises:
        QuantizationError: the network does not say how many bits a layer has.
    """
    bits = layer_bits(network)
    synapses = [s for p in network.populations for s in p.synapses]
    if unknown := [s.name for s in synapses if s.name not in bits]:
        raise QuantizationError(
            f"the network does not say how many bits {', '.join(unknown)} have; quantize its float graph again"
        )
    terms = [_synapses_j(network, s, inputs, trace) for s in synapses]
    fetched = sum(per_bit * bits[s.name] for s, (per_bit, _) in zip(synapses, terms, strict=True))
    return fetched + sum(added for _, added in terms) + sum(_neurons_j(p, trace) for p in network.populations)


def layer_energies_j(network: IntegerNetwork, inputs: Mapping[str, Array]) -> tuple[dict[str, float], float]:
    """What each bit of a layer's weights costs an inference, and what bits do not change, at this network's spikes.

    Args:
        network: an integer network.
        inputs: input name → integers [T, B, *shape].

    Returns:
        layer → joules per bit and inference; joules per inference of all the rest.

    Raises:
        DataError: the inputs do not fit.
    """
    per_bit: dict[str, float] = {}
    rest, inferences = 0.0, 0
    for some in batches(inputs):
        trace = run(network, some)
        inferences += next(iter(trace.v.values())).shape[1]
        for p in network.populations:
            rest += _neurons_j(p, trace)
            for s in p.synapses:
                fetched, added = _synapses_j(network, s, some, trace)
                per_bit[s.name] = per_bit.get(s.name, 0.0) + fetched
                rest += added
    return {name: value / inferences for name, value in per_bit.items()}, rest / inferences


PRICING = Pricing(
    joules,
    "modelled",
    cite(*ROWS),
    "a generic event-driven core in 45 nm, 0.9 V: weights fetched at their bits from an 8 kB memory where a value is "
    "not zero, added where the weight is not, every neuron updated in every step; no routing, control or leakage, so "
    "it compares bit widths of one network and nothing else",
)


def layer_bits(network: IntegerNetwork) -> dict[str, int]:
    """Layer → its weight bits, as the network's metadata says."""
    populations = network.metadata.get("quantization", {}).get("populations", {})
    return {name: layer["bits"] for p in populations.values() for name, layer in p["layers"].items()}


def _synapses_j(network: IntegerNetwork, s: Synapses, inputs: Mapping[str, Array], trace: Trace) -> tuple[float, float]:
    """Joules of fetching one bit of each weight that was met, and of adding."""
    dense, effective = fan_out(s.operation, network.shape_of(s.source))
    present = np.count_nonzero(_sent(s, inputs, trace).reshape(-1, dense.size), axis=0)
    low, high = network.range_of(s.source)
    graded = low < -1 or high > 1
    add = constant("horowitz.int32_add_j") + (constant("horowitz.int8_mul_j") if graded else 0.0)
    return float(present @ dense) * constant("horowitz.cache_word_j") / WORD_BITS, float(present @ effective) * add


def _sent(s: Synapses, inputs: Mapping[str, Array], trace: Trace) -> Array:
    """What arrived through ``s`` in every step [T, B, *source]."""
    if s.source in inputs:
        values = np.asarray(inputs[s.source])
    else:
        values = trace.spikes[s.source] if s.source in trace.spikes else trace.v[s.source]
    return values[:-1] if s.recurrent else values


def _neurons_j(p: Population, trace: Trace) -> float:
    steps, batch = trace.v[p.name].shape[:2]
    update = constant("horowitz.int32_mul_j") + ADDS_PER_UPDATE * constant("horowitz.int32_add_j")
    memory = 2 * STATE_BYTES * 8 / WORD_BITS * constant("horowitz.cache_word_j")
    states = p.size + int(np.count_nonzero(np.broadcast_to(p.du, p.shape) != DECAY_ONE - 1))
    return steps * batch * states * (update + memory)
