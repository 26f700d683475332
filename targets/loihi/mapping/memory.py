"""How many words of a core's synapse memory a connection takes.

An axon that arrives names a list of synapses. A list is stored in chunks of at most 64 synapses, each chunk with 10
bits of its own and rounded up to 64-bit words. Source: nengo-loihi, ``nengo_loihi/block.py``,
``SynapseConfig.bits_per_axon``; with 8-bit weights and 8-bit indices the same rule gives the dense rows of the table
that Lava's compiler prints for Loihi 2 (lava-dl, ``netx/pilotnet_snn/benchmark.ipynb``). Three formats, the one
that takes the fewest words is kept:

- ``"sparse"``: each weight that is not zero, with the index of its neuron;
- ``"dense"``: a weight for every neuron of the core, without indices;
- ``"shared"``: a convolution's kernel once for the whole core, without indices, as that table's convolutions are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cortexcore.export.integer_currents import common_factor
from cortexcore.export.network import WEIGHT_LIMIT, Int
from cortexcore.targets.loihi.mapping.chips import ChipLimits

Counts = NDArray[np.int64]
Format = Literal["sparse", "dense", "shared"]
WORD_BITS = 64
CHUNK_SYNAPSES = 64
CHUNK_BITS = 10


@dataclass(frozen=True)
class StoredSynapses:
    """What one core keeps of one connection.

    Attributes:
        name: the synapses' name.
        format: how they are stored.
        count: weights that are not zero, unrolled.
        weight_bits, index_bits, delay_bits: bits of each stored weight, of its index and of its delay.
        words: 64-bit words.
    """

    name: str
    format: Format
    count: int
    weight_bits: int
    index_bits: int
    delay_bits: int
    words: int


def grid_bits(weight: Int) -> int:
    """Bits of the grid that all weights lie on: steps of 2^(9−bits) with a sign, 2^(8−bits) where all have one sign."""
    signed = weight.min(initial=0) < 0 < weight.max(initial=0) or weight.min(initial=0) <= -WEIGHT_LIMIT
    return (9 if signed else 8) - (common_factor(weight).bit_length() - 1)


def list_words(counts: Counts, bits: int) -> int:
    """Words of lists of ``counts`` synapses of ``bits`` bits each; an empty list takes none."""
    full, rest = np.divmod(counts, CHUNK_SYNAPSES)
    last = np.where(rest > 0, -(-(rest * bits + CHUNK_BITS) // WORD_BITS), 0)
    return int((full * -(-(CHUNK_SYNAPSES * bits + CHUNK_BITS) // WORD_BITS) + last).sum())


def store(
    name: str, fan: Counts, neurons: int, bits: int, delay_bits: int, kernel: int | None, limits: ChipLimits
) -> StoredSynapses:
    """The smallest form in which a core keeps a connection.

    Args:
        name: the synapses' name.
        fan: per source value, how many of the core's neurons it reaches.
        neurons: of the core.
        bits: of the weights' grid.
        delay_bits: of each synapse's delay.
        kernel: weights of a convolution's channels on this core; None where there is no convolution.
        limits: the chip's.
    """
    weight = _width(bits, limits.weight_widths)
    index = _width(max(neurons - 1, 1).bit_length(), limits.index_widths)
    words: dict[Format, int] = {}
    if limits.shared_kernels and kernel is not None:
        words["shared"] = -(-kernel * (weight + delay_bits) // WORD_BITS)
    if limits.dense_lists:
        words["dense"] = int(np.count_nonzero(fan)) * list_words(np.array([neurons]), weight + delay_bits)
    words["sparse"] = list_words(fan, weight + index + delay_bits)
    best = min(words, key=words.__getitem__)
    index = index if best == "sparse" else 0
    return StoredSynapses(name, best, int(fan.sum()), weight, index, delay_bits, words[best])


def _width(needed: int, widths: tuple[int, ...]) -> int:
    """The narrowest stored width that holds ``needed`` bits, the widest where none does: such cores are refused."""
    return next((width for width in widths if width >= needed), widths[-1])
